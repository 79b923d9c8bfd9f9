from __future__ import annotations

import io

import pytest
from rich.console import Console

from lambda_autotuner.cli.live_line import LiveLine


def written(**console: object) -> str:
    out = io.StringIO()
    target = Console(file=out, width=50, **console)
    with LiveLine(target) as line:
        for number in range(25):
            line.show(f"[{number}/25] " + "x" * 200)
    return out.getvalue()


def test_a_terminal_gets_one_line_that_goes_away() -> None:
    text = written(force_terminal=True)
    assert "\x1b[2K" in text, "the line is erased"
    # Rows written minus rows taken back: nothing stays but the cursor's own line.
    assert text.count("\n") <= text.count("\x1b[1A") + 1


@pytest.mark.parametrize("options", [{}, {"force_terminal": True, "_environ": {"TERM": "dumb"}}])
def test_what_cannot_write_over_a_line_gets_nothing(options: dict[str, object]) -> None:
    assert written(**options) == ""
