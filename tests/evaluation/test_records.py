from __future__ import annotations

import json
import resource
import signal
from datetime import UTC, datetime

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.records import RESULTS, RUN, RunFolder, RunPlan, find_run

NOW = datetime(2026, 3, 11, 15, 30, tzinfo=UTC)


def plan(**values) -> RunPlan:
    defaults = {
        "suite": "s", "suite_digest": "d1", "selection": {}, "question_ids": ("q-1", "q-2"),
        "repeat": 1, "model": "offline", "configuration": {"temperature": 0.0},
    }  # fmt: skip
    return RunPlan(**{**defaults, **values})


def test_what_is_written_is_read_back(tmp_path, make_result) -> None:
    folder = RunFolder.create(tmp_path, plan(), NOW)
    results = [
        make_result("q-1", cost_usd=None),
        make_result("q-2", success=False, answer=('ünï\n"code"',)),
    ]
    for result in results:
        folder.append(result)
    assert folder.results() == results
    line = json.loads((folder.path / RESULTS).read_text().splitlines()[0])
    for name in ("question_id", "category", "difficulty", "success", "safe", "execution_time_seconds",
                 "response_length_chars", "total_tokens", "tool_calls", "error", "trace_id", "scores"):  # fmt: skip
        assert name in line


def test_an_unfinished_run_of_the_same_plan_is_found(tmp_path, make_result) -> None:
    first = RunFolder.create(tmp_path, plan(), NOW)
    assert RunFolder.unfinished(tmp_path, plan()).path == first.path
    for other in (
        plan(model="x"),
        plan(suite_digest="d2"),
        plan(configuration={"temperature": 1.0}),
    ):
        assert RunFolder.unfinished(tmp_path, other) is None
    first.finish({"format": 1})
    assert RunFolder.unfinished(tmp_path, plan()) is None
    assert RunFolder.unfinished(tmp_path / "none", plan()) is None


def test_a_line_that_was_cut_short_is_repaired(tmp_path, make_result) -> None:
    folder = RunFolder.create(tmp_path, plan(), NOW)
    folder.append(make_result("q-1"))
    with (folder.path / RESULTS).open("a") as file:
        file.write('{"question_id": "q-2", "succ')
    assert [r.question_id for r in folder.results()] == ["q-1"]
    folder.repair()
    folder.append(make_result("q-2"))
    assert [r.question_id for r in folder.results()] == ["q-1", "q-2"]


def test_a_damaged_line_in_the_middle_is_said(tmp_path, make_result) -> None:
    folder = RunFolder.create(tmp_path, plan(), NOW)
    folder.append(make_result("q-1"))
    content = (folder.path / RESULTS).read_text()
    (folder.path / RESULTS).write_text("{]\n" + content)
    with pytest.raises(UsageError, match="line 1 is damaged"):
        folder.results()


def test_one_process_works_on_a_run(tmp_path) -> None:
    folder = RunFolder.create(tmp_path, plan(), NOW)
    with folder.lock(), pytest.raises(UsageError, match="Another process"):
        folder.lock()
    folder.lock().release()


def test_runs_are_found_by_path_name_and_latest(tmp_path) -> None:
    first = RunFolder.create(tmp_path, plan(), NOW)
    second = RunFolder.create(tmp_path, plan(), NOW)
    assert first.path != second.path
    assert find_run(str(first.path), tmp_path / "elsewhere").path == first.path
    assert find_run(second.name, tmp_path).path == second.path
    with pytest.raises(UsageError, match="no evaluation run 'latest'"):
        find_run("latest", tmp_path)
    second.finish({"format": 1})
    assert find_run("latest", tmp_path).path == second.path
    with pytest.raises(UsageError, match=first.name):
        find_run("nothing", tmp_path)


def test_a_newer_or_damaged_folder_is_refused(tmp_path) -> None:
    folder = RunFolder.create(tmp_path, plan(), NOW)
    (folder.path / RUN).write_text('{"format": 99}')
    with pytest.raises(UsageError, match="format 99"):
        folder.description()
    (folder.path / RUN).write_text("nonsense")
    with pytest.raises(UsageError, match=folder.name):
        folder.description()
    assert RunFolder.unfinished(tmp_path, plan()) is None


def test_a_full_disk_is_one_line_and_the_run_goes_on_from_there(tmp_path, make_result) -> None:
    folder = RunFolder.create(tmp_path, plan(), datetime(2026, 3, 11, tzinfo=UTC))
    folder.append(make_result("q-1"))
    # The kernel's limit on file sizes fails a write as a full disk does, half of a line written.
    room = (folder.path / RESULTS).stat().st_size + 200
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(UsageError, match="cannot be written.*continues where"):
            folder.append(make_result("q-2"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    again = RunFolder.unfinished(tmp_path, plan())
    assert again is not None
    again.repair()
    again.append(make_result("q-2"))
    assert [result.question_id for result in again.results()] == ["q-1", "q-2"]
