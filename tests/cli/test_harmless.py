"""Names, tags and log lines that others wrote cannot steer a terminal, a spreadsheet or a page."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_autotuner.cli.door import Door
from lambda_autotuner.cli.harmless import escaped, harmless
from lambda_autotuner.cli.trace_text import csv_text
from lambda_autotuner.fleet.export import spreadsheet_cell

ATTACKS = (
    "\x1b[2J\x1b[1;1Hgone",
    "\x1b]0;new title\x07after",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x1b]52;c;ZXZpbA==\x07clip",
    "\x9b31mred",
    "\x90payload\x9cleft",
    "back\x08\x08\x08space",
    "line\rover",
    "\u202egnirts\u202c",
    "hid\u200bden",
    "\x1bc",
    "bell\x07",
)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("way", ["say", "text", "cell", "emit"])
def test_no_escape_reaches_the_terminal(attack, way, capsys):
    from rich.table import Table
    from rich.text import Text

    door = Door()
    if way == "say":
        door.say(f"function {attack} end")
    elif way == "text":
        door.say(Text(f"function {attack} end"), style="red")
    elif way == "emit":
        door.emit({}, text=f"function {attack} end")
    else:
        table = Table(box=None)
        table.add_column("name")
        table.add_row(f"function {attack} end")
        door.emit([], text=table)
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert "function" in shown
    assert "end" in shown
    assert not set(shown) & set("\x1b\x07\x08\r\x9b\x90\x9c\u202e\u202c\u200b")


def test_brackets_are_text_and_no_style(capsys):
    door = Door()
    door.say("the tag [red]alert[/red] and [link=http://evil.example]x[/link]")
    assert "[red]alert[/red]" in capsys.readouterr().err


@given(st.text())
def test_json_keeps_its_value_and_shows_no_control_character(text):
    shown = escaped(json.dumps({"name": text}, ensure_ascii=False))
    assert json.loads(shown) == {"name": text}
    assert all(ch == harmless(ch) for ch in shown)


@given(st.text(alphabet=st.characters(blacklist_categories=("Cc", "Cf", "Zl", "Zp", "Cs"))))
def test_plain_text_stays_as_it_is(text):
    assert harmless(text) == text


@pytest.mark.parametrize(
    "text", ["=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", " =1+1", "\t=1", "\n=1", "\uff1dcmd"]
)
def test_a_spreadsheet_runs_no_formula(text):
    assert str(spreadsheet_cell(text)).startswith("'")
    rows = list(csv.DictReader(io.StringIO(csv_text([{"request": text, "n": -2.5}]))))
    assert rows == [{"request": f"'{text}", "n": "-2.5"}]
