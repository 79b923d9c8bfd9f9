from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def _generator(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", repository / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands.md", "permissions.md", "settings.md"])
def test_generated_pages_are_current(repository: Path, page: str) -> None:
    generate = _generator(repository)
    written = (repository / "docs" / page).read_text(encoding="utf-8")
    assert written == generate.PAGES[page](), "run `uv run just docs`"
