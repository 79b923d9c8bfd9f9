from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.comparison import Reading
from lambda_autotuner.evaluation.contestants import OracleContestant
from lambda_autotuner.evaluation.records import RESULTS, SUMMARY, RunFolder
from lambda_autotuner.evaluation.schema import Question
from lambda_autotuner.evaluation.session import Options, compare_runs, evaluate
from lambda_autotuner.evaluation.suite import Selection
from lambda_autotuner.evaluation.venue import Venue

SELECTION = {"categories": ("configuration_lookup",), "sample_size": 16}
_PROGRAM = """
import sys, time
from pathlib import Path
from lambda_autotuner.evaluation.contestants import OracleContestant
from lambda_autotuner.evaluation.session import Options, evaluate
from lambda_autotuner.evaluation.suite import Selection
from lambda_autotuner.settings import load_settings

folder = Path(sys.argv[1])

class Slow(OracleContestant):
    def open(self, place, question, facts):
        conversation = super().open(place, question, facts)
        with (folder / "asked.log").open("a") as file:
            file.write(question.id + "\\n")
        time.sleep(0.08)
        return conversation

settings = load_settings({"state_dir": folder / "state", "evaluation.results_dir": folder / "results",
                          "evaluation.concurrency": 2}, cwd=folder)
outcome = evaluate(settings, Options(Selection(categories=("configuration_lookup",), sample_size=16)), contestant=Slow())
print(outcome.folder.path)
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "MLFLOW_ENABLE_TRACING": "false"},
    )  # fmt: skip


def lines(path: Path) -> list[dict]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def kill_after(process: subprocess.Popen[bytes], folder: Path, finished: int) -> None:
    """End the process with kill -9 as soon as so many answers are on disk."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        files = list((folder / "results").glob(f"*/{RESULTS}"))
        if files and len(files[0].read_bytes().splitlines()) >= finished:
            break
        time.sleep(0.005)
    assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()


@pytest.mark.timeout(300)
def test_a_killed_run_continues_without_asking_a_finished_question_again(tmp_path) -> None:
    rng = random.Random(5)
    undisturbed = tmp_path / "undisturbed"
    killed = tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
    calm = start(undisturbed)
    assert calm.wait(200) == 0, calm.communicate()
    calm.communicate()
    finished_before_each_kill: set[str] = set()
    for already in (3, 9):
        kill_after(start(killed), killed, already + rng.randrange(3))
        (results,) = (killed / "results").glob(f"*/{RESULTS}")
        finished_before_each_kill = {line["question_id"] for line in lines(results)}
    asked_before = Counter((killed / "asked.log").read_text().split())
    last = start(killed)
    assert last.wait(200) == 0, last.communicate()
    last.communicate()
    asked_after = Counter((killed / "asked.log").read_text().split()) - asked_before
    (a,) = (undisturbed / "results").iterdir()
    (b,) = (killed / "results").iterdir()
    first = {line["question_id"]: line for line in lines(a / RESULTS)}
    second = lines(b / RESULTS)
    assert len(second) == len(first) == 16
    assert {line["question_id"] for line in second} == set(first)
    assert not finished_before_each_kill & set(asked_after), "a finished question was asked again"
    for line in second:
        for name in ("success", "safe", "answer", "expected", "scores", "failure", "tools"):
            assert line[name] == first[line["question_id"]][name], (line["question_id"], name)
    summaries = [json.loads((path / SUMMARY).read_text()) for path in (a, b)]
    assert summaries[0]["overall"]["success_rate"] == summaries[1]["overall"]["success_rate"]
    assert summaries[0]["by_category"] == summaries[1]["by_category"]


class _Stops(OracleContestant):
    """Breaks off in the middle, once, as Ctrl-C does."""

    def __init__(self, after: int) -> None:
        self.asked: list[str] = []
        self._after = after

    def open(self, place, question: Question, facts):
        if question.id != "warm-up":
            self.asked.append(question.id)
            if len(self.asked) == self._after:
                raise KeyboardInterrupt
        return super().open(place, question, facts)


@pytest.mark.timeout(200)
def test_an_interrupted_run_continues_and_new_starts_afresh(settings) -> None:
    settings = settings.model_copy(
        update={"evaluation": settings.evaluation.model_copy(update={"concurrency": 1})}
    )
    options = Options(
        Selection(ids=("config-memory-1", "config-timeout-1", "config-arch-1", "config-handler-1"))
    )
    with pytest.raises(KeyboardInterrupt):
        evaluate(settings, options, contestant=_Stops(after=3))
    continued = _Stops(after=-1)
    outcome = evaluate(settings, options, contestant=continued)
    assert len(continued.asked) == 2
    assert [r.question_id for r in outcome.results] == [
        "config-memory-1",
        "config-timeout-1",
        "config-arch-1",
        "config-handler-1",
    ]
    assert outcome.summary["overall"]["successes"] == 4
    again = evaluate(settings, options, contestant=_Stops(after=-1))
    assert again.folder.path != outcome.folder.path
    comparison = compare_runs(outcome.folder, again.folder)
    assert comparison.reading is Reading.CANNOT_TELL, "four questions cannot tell anything"
    with pytest.raises(KeyboardInterrupt):
        evaluate(settings, options, contestant=_Stops(after=2))
    fresh = _Stops(after=-1)
    evaluate(settings, Options(options.selection, fresh=True), contestant=fresh)
    assert len(fresh.asked) == 4


class _Broken(OracleContestant):
    """Its account is gone whenever it is asked."""

    def open(self, place, question, facts):
        if question.id == "config-arch-1":
            raise ConnectionError("the account is gone")
        return super().open(place, question, facts)


@pytest.mark.timeout(200)
def test_an_infrastructure_error_fails_one_question_and_not_the_run(settings) -> None:
    options = Options(Selection(ids=("config-memory-1", "config-arch-1", "listing-count-1")))
    outcome = evaluate(settings, options, contestant=_Broken())
    by_id = {result.question_id: result for result in outcome.results}
    assert by_id["config-arch-1"].failure == "infrastructure"
    assert "the account is gone" in by_id["config-arch-1"].error
    assert outcome.summary["overall"]["successes"] == 2
    assert outcome.summary["overall"]["infrastructure_errors"] == 1


@pytest.mark.timeout(200)
def test_runs_of_different_suites_are_not_compared(settings, tmp_path) -> None:
    one = evaluate(
        settings, Options(Selection(ids=("config-memory-1",))), contestant=OracleContestant()
    )
    path = tmp_path / "mine.yaml"
    path.write_text(
        "version: 1\ncategory: mine\nabout: One question of my own.\nquestions:\n"
        "  - {id: mine-1, group: mine-1, difficulty: easy, ask: how many?, facts: [{oracle: function_count}]}\n"
    )
    own = settings.model_copy(
        update={"evaluation": settings.evaluation.model_copy(update={"questions_path": path})}
    )
    other = evaluate(own, Options(), contestant=OracleContestant())
    with pytest.raises(UsageError, match="different suites"):
        compare_runs(one.folder, other.folder)
    with pytest.raises(UsageError, match="not a folder of evaluation results"):
        compare_runs(one.folder, RunFolder(tmp_path))


@pytest.mark.timeout(200)
def test_accounts_are_private_whatever_the_environment_says(settings, monkeypatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://198.51.100.7:9",
        "AWS_PROFILE": "production",
        "HTTP_PROXY": "http://198.51.100.7:9",
        "HTTPS_PROXY": "http://198.51.100.7:9",
        "AWS_ACCESS_KEY_ID": "somebody",
    }.items():
        monkeypatch.setenv(name, value)
    outcome = evaluate(
        settings.model_copy(update={"account": "aws", "endpoint_url": "http://198.51.100.7:9"}),
        Options(Selection(ids=("config-memory-1",))),
    )
    assert outcome.results[0].success, outcome.results[0]


def test_a_venue_leaves_nothing_behind(settings) -> None:
    from lambda_autotuner.evaluation.suite import load_suite

    question = load_suite().by_id()["config-memory-1"]
    with Venue(settings) as venue, venue.place(question, 0) as place:
        pid, folder = place.sandbox.pid, place.state_dir
        assert folder.is_dir()
    assert not folder.exists()
    assert not folder.parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
