"""Where questions are asked: private sandboxes, and one fresh account in them for each question."""

from __future__ import annotations

import difflib
import hashlib
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.contestants.base import Place
from lambda_autotuner.evaluation.facts import Fact
from lambda_autotuner.evaluation.oracle import Witness, compute, operations_of
from lambda_autotuner.evaluation.permissions import issue_credentials
from lambda_autotuner.evaluation.schema import Question, SetupCall
from lambda_autotuner.scratch import ScratchFolder
from lambda_autotuner.settings import Settings

# A working day's afternoon, when offices work and nightly jobs have run: the same for every run.
NOW = datetime(2026, 3, 11, 15, 30, tzinfo=UTC)
_FIRST_ACCOUNT, _ACCOUNTS = 10**11, 9 * 10**11
# Where facts are found out once for all accounts that were seeded alike.
_REFERENCE = "000000000001"
_OF_ONE_ACCOUNT = frozenset({"account_id"})


class Venue:
    """Private sandboxes, one a seed, started when first needed."""

    def __init__(self, settings: Settings, now: datetime = NOW) -> None:
        self._settings = settings
        self._now = now
        self._sandboxes: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._references: dict[int, Witness] = {}
        self._facts: dict[tuple[int, str], Fact] = {}
        self._computing = threading.Lock()
        self._folder = ScratchFolder("lambda-autotuner-evaluation-")

    def sandbox(self, seed: int) -> Any:
        """The sandbox of a seed."""
        from lambda_autotuner.sandbox.process import start_private

        with self._lock:
            if seed not in self._sandboxes:
                self._sandboxes[seed] = start_private(seed=seed, now=self._now.timestamp())
            return self._sandboxes[seed]

    @contextmanager
    def place(self, question: Question, repeat: int) -> Iterator[Place]:
        """A fresh account with the question's setup, faults and permissions.

        The account's id follows from the question, so that a continued run meets the same one.
        """
        sandbox = self.sandbox(question.seed)
        account_id = account_of(question.id, repeat)
        witness = Witness(sandbox.endpoint_url, account_id, seed=question.seed, now=self._now)
        state_dir = self._folder.path / f"{question.id}-{repeat}"
        state_dir.mkdir(mode=0o700)
        try:
            for call in question.setup:
                make_call(witness, call)
            for fault in question.faults:
                sandbox.add_fault(**{**fault, "account": account_id})
            credentials = issue_credentials(witness, question.permissions)
            yield Place(
                endpoint_url=sandbox.endpoint_url,
                account_id=account_id,
                state_dir=state_dir,
                settings=self._settings,
                credentials=credentials,
                witness=witness,
                sandbox=sandbox,
            )
        finally:
            witness.close()
            shutil.rmtree(state_dir, ignore_errors=True)

    def facts(self, question: Question, place: Place) -> tuple[Fact, ...]:
        """What is true in a place before the question is asked.

        Accounts of one seed are alike until somebody changes them, so what does not depend on
        the question's own setup is found out once, in an account in which nobody acts.
        """
        if question.setup:
            return tuple(compute(place.witness, spec) for spec in question.facts)
        found = []
        for spec in question.facts:
            if spec.oracle in _OF_ONE_ACCOUNT:
                found.append(compute(place.witness, spec))
                continue
            key = (question.seed, spec.model_dump_json(exclude={"turn"}))
            with self._computing:
                if key not in self._facts:
                    self._facts[key] = compute(self._reference(question.seed), spec)
            found.append(self._facts[key])
        return tuple(found)

    def _reference(self, seed: int) -> Witness:
        if seed not in self._references:
            self._references[seed] = Witness(
                self.sandbox(seed).endpoint_url, _REFERENCE, seed=seed, now=self._now
            )
        return self._references[seed]

    def close(self) -> None:
        """Stop the sandboxes and forget everything."""
        with self._lock:
            for witness in self._references.values():
                witness.close()
            self._references.clear()
            for sandbox in self._sandboxes.values():
                sandbox.close()
            self._sandboxes.clear()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def account_of(question_id: str, repeat: int) -> str:
    """Twelve digits for one asking of one question."""
    digest = hashlib.sha256(f"{question_id}#{repeat}".encode()).digest()
    return str(_FIRST_ACCOUNT + int.from_bytes(digest[:8], "big") % _ACCOUNTS)


def check_circumstances(question: Question) -> None:
    """Refuse faults and setup calls that no account could carry out.

    Raises:
        UsageError: an unknown kind of fault, service or operation.
    """
    from lambda_autotuner.sandbox.faults import make

    for fault in question.faults:
        try:
            make(fault)
        except (ValueError, TypeError) as error:
            raise UsageError(f"The fault {dict(fault)} is refused: {error}.") from error
    for call in question.setup:
        operations = operations_of(call.service)
        if call.operation not in operations:
            nearest = difflib.get_close_matches(call.operation, operations, n=2)
            raise UsageError(
                f"There is no operation {call.operation!r} of {call.service!r}.",
                remedy=f"Nearest: {', '.join(nearest)}." if nearest else None,
            )


def make_call(witness: Witness, call: SetupCall) -> None:
    """Make a setup call; `{account}` and `{now_ms}` in its texts are filled in."""
    from botocore import xform_name

    words = {"{account}": witness.account_id}
    if "{now" in str(call.parameters):
        words["{now_ms}"] = str(int(witness.now().timestamp() * 1000) - 60_000)
    parameters = _filled(call.parameters, words)
    getattr(witness.client(call.service), xform_name(call.operation))(**parameters)
    witness.forget()


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for word, text in words.items():
            if value == word == "{now_ms}":
                return int(text)
            value = value.replace(word, text)
        return value
    if isinstance(value, Mapping):
        return {key: _filled(item, words) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(item, words) for item in value]
    return value
