from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not on the path")
def test_the_wheel_holds_both_packages_and_their_data(repository: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["uv", "build", "--wheel", "--quiet", "--out-dir", str(tmp_path)],
        cwd=repository,
        check=True,
        timeout=240,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "lambda_autotuner", "mlflow_integration"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert [name for name in tracked if name not in names] == []
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/")) for name in names)
