"""Temporary folders: one's own goes at the end, a killed process's with the next one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lambda_autotuner.scratch import ScratchFolder

HOLD = """
import sys, time
from lambda_autotuner.scratch import ScratchFolder
folder = ScratchFolder("lambda-autotuner-test-")
(folder.path / "journal.db").write_text("x")
print(folder.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temp(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    tempfile.tempdir = None


def hold() -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def test_a_killed_owners_folder_goes_and_a_living_ones_stays(temp):
    killed, left = hold()
    living, kept = hold()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.is_dir()
        mine = ScratchFolder("lambda-autotuner-test-", least_age_seconds=0)
        assert not left.exists()
        assert (kept / "journal.db").exists()
        assert mine.path.stat().st_mode & 0o777 == 0o700
        mine.cleanup()
        mine.cleanup()
        assert sorted(temp.iterdir()) == [kept]
    finally:
        for process in (killed, living):
            process.kill()
            process.wait()
            process.stdout.close()


def test_what_is_young_no_scratch_folder_or_of_another_name_stays(temp):
    killed, left = hold()
    killed.kill()
    killed.wait()
    killed.stdout.close()
    elsewhere = temp / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / ".owner.lock").touch()
    os.utime(elsewhere / ".owner.lock", (0, 0))
    (temp / "lambda-autotuner-test-link").symlink_to(elsewhere)
    (temp / "lambda-autotuner-test-foreign").mkdir()
    mine = ScratchFolder("lambda-autotuner-test-")
    assert left.is_dir(), "younger than an hour"
    os.utime(left / ".owner.lock", (0, 0))
    ScratchFolder("lambda-autotuner-other-").cleanup()
    assert left.is_dir()
    mine.cleanup()
    ScratchFolder("lambda-autotuner-test-").cleanup()
    assert not left.exists()
    assert (elsewhere / ".owner.lock").exists()
    assert (temp / "lambda-autotuner-test-foreign").is_dir()
