from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def generated(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as a process of its own writes them."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, str(repository / "docs" / "generate.py"), str(folder)]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    return folder


@pytest.mark.parametrize("page", ["commands.md", "settings.md"])
def test_generated_pages_are_current(repository: Path, generated: Path, page: str) -> None:
    written = (repository / "docs" / page).read_text(encoding="utf-8")
    assert written == (generated / page).read_text(encoding="utf-8"), "run `uv run just docs`"
