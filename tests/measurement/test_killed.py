"""kill -9 at any moment: the next command finds what was left and the account is as before."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambda_autotuner import measurement
from lambda_autotuner.aws.operations import find_operation
from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import RefusedError
from lambda_autotuner.journal.store import Journal
from lambda_autotuner.measurement import Options
from lambda_autotuner.settings import Settings, load_settings

# Writes of a short run: some are never reached by the other kind of stage.
BOUNDARIES = [f"{number}{side}" for number in range(1, 16) for side in "-+"]
SHORT = {"tuning.max_invocations": 6}


class SuicidalAccount(Account):
    """An account whose process kills itself around one of its writes.

    `kill_at` is the number of the write: `5-` before it is sent, `5+` after it was answered.
    """

    kill_at = "none"
    writes = 0

    def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        number = 0
        if find_operation(service, operation).writes:
            self.writes += 1
            number = self.writes
        if self.kill_at == f"{number}-":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = super().call(service, operation, **parameters)
        if self.kill_at == f"{number}+":
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


@dataclass
class Child:
    """A measurement in a process of its own. Forked: starting Python takes longer than the run."""

    pid: int
    ready: int

    def wait_ready(self) -> None:
        assert os.read(self.ready, 1) == b"r"

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def alive(self) -> bool:
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None

    def wait(self) -> int:
        """The exit code, negative for a signal."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self.ready)
        return os.waitstatus_to_exitcode(status)


def start(account: Account, journal: Journal, where: str, kill_at: str) -> Child:
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # The child only makes calls of its own; no lock of another thread is held here.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    code = 70
    try:
        with (
            Account.connect(account.target) as own,
            Journal(str(journal.engine.url)) as ledger,
        ):
            own.__class__ = SuicidalAccount
            own.kill_at = kill_at
            os.write(writing, b"r")
            measurement.tune(
                own,
                ledger,
                "released",
                settings=load_settings(SHORT, environ={}),
                options=Options(where=where, agreed=True, concurrency=2),
            )
            code = 0
    except BaseException:  # noqa: BLE001 - nothing of a child may reach pytest
        traceback.print_exc()
    finally:
        os._exit(code)


State = Callable[[Account, str], object]


def check_repaired(
    account: Account, journal: Journal, state_of: State, before: object
) -> list[str]:
    """What the next command does, and that it leaves the account as it was before."""
    repairs = measurement.repair(account, journal)
    assert [item.failed for item in repairs if item.failed] == []
    assert state_of(account, "released") == before
    assert journal.open_intents(account.account_id, account.region) == []
    assert measurement.repair(account, journal) == []
    return [text for item in repairs for text in item.done]


def killed_at_boundary(
    account: Account,
    journal: Journal,
    state_of: State,
    where: str,
    kill_at: str,
) -> tuple[int, list[str]]:
    before = state_of(account, "released")
    child = start(account, journal, where, kill_at)
    return child.wait(), check_repaired(account, journal, state_of, before)


_UNDISTURBED: dict[str, float] = {}


def undisturbed_seconds(account: Account, journal: Journal, where: str) -> float:
    """How long a run takes that nobody kills, so that moments fall into it on any machine."""
    if where not in _UNDISTURBED:
        child = start(account, journal, where, "none")
        child.wait_ready()
        begun = time.monotonic()
        assert child.wait() == 0
        _UNDISTURBED[where] = time.monotonic() - begun
    return _UNDISTURBED[where]


def killed_at_random(
    account: Account,
    journal: Journal,
    state_of: State,
    rng: random.Random,
) -> int:
    before = state_of(account, "released")
    where = rng.choice(["versions", "copy"])
    longest = undisturbed_seconds(account, journal, where)
    child = start(account, journal, where, "none")
    child.wait_ready()
    time.sleep(rng.uniform(0.0, 0.8 * longest))
    child.kill()
    code = child.wait()
    check_repaired(account, journal, state_of, before)
    return code


@pytest.mark.parametrize("where", ["versions", "copy"])
def test_a_run_that_nobody_kills_leaves_nothing(
    where: str,
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
) -> None:
    before = state_of(account, released)
    child = start(account, journal, where, "none")
    assert child.wait() == 0
    assert check_repaired(account, journal, state_of, before) == []


@pytest.mark.parametrize(
    ("where", "kill_at"),
    [
        ("versions", "1+"),  # $LATEST has the size of the measurement
        ("versions", "2+"),  # the version is published
        ("versions", "3+"),  # $LATEST is back, the alias is not there yet
        ("versions", "4+"),  # everything is in place, nothing was invoked
        ("copy", "1-"),
        ("copy", "1+"),  # the copy is created
        ("copy", "3+"),
        ("copy", "6+"),
    ],
)
def test_what_was_left_at_a_boundary_is_undone(
    where: str,
    kill_at: str,
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
) -> None:
    code, done = killed_at_boundary(account, journal, state_of, where, kill_at)
    assert code == -signal.SIGKILL
    assert bool(done) == (kill_at != "1-")


def test_twelve_random_moments(
    account: Account, journal: Journal, released: str, state_of: State
) -> None:
    rng = random.Random(20)
    codes = [killed_at_random(account, journal, state_of, rng) for _ in range(12)]
    # A moment after the end is one too, but most have to hit the run itself.
    assert codes.count(-signal.SIGKILL) >= 4


def test_a_live_measurement_is_left_alone(
    account: Account, journal: Journal, released: str, state_of: State
) -> None:
    before = state_of(account, released)
    child = start(account, journal, "versions", "none")
    while not journal.open_intents(account.account_id, account.region) and child.alive():
        time.sleep(0.01)
    assert child.alive()
    assert measurement.repair(account, journal) == []
    with pytest.raises(RefusedError, match="measured by another command"):
        measurement.tune(
            account, journal, released, settings=Settings(), options=Options(agreed=True)
        )
    assert child.wait() == 0
    assert state_of(account, released) == before


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(20))
def test_two_hundred_random_moments(
    seed: int,
    account: Account,
    journal: Journal,
    released: str,
    state_of: State,
) -> None:
    rng = random.Random(seed)
    for _ in range(10):
        killed_at_random(account, journal, state_of, rng)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("where", ["versions", "copy"])
def test_every_boundary(
    where: str,
    connect: Callable[[str], Account],
    make_function: Callable[..., None],
    state_of: State,
    tmp_path: Path,
) -> None:
    killed = 0
    for index, kill_at in enumerate(BOUNDARIES):
        with (
            connect(f"33{where == 'copy':d}{index:09d}") as account,
            Journal(f"sqlite:///{tmp_path}/{index}.db") as journal,
        ):
            make_function(account, "released")
            code, _ = killed_at_boundary(account, journal, state_of, where, kill_at)
            killed += code == -signal.SIGKILL
    assert killed >= 16
