"""The written pages hold: links lead somewhere, commands exist with the options that are shown."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from lambda_autotuner.cli.main import VERBS, cli

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if path.name not in {"commands.md", "CHANGELOG.md"}
]
_LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")
_FENCE = re.compile(r"^```(?:bash|console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    """Every `lambda-autotuner` command line that a page shows, as words."""
    found = []
    for block in _FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|\|", line.split(" #")[0]):
                words = shlex.split(part.strip().removeprefix("$ "), comments=True)
                if "lambda-autotuner" in words:
                    found.append(words[words.index("lambda-autotuner") + 1 :])
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_that_are_shown_exist_with_their_options(page: Path) -> None:
    for words in commands(page):
        known(words)


def known(words: list[str]) -> None:
    """Raise when a verb or an option of a command line does not exist."""
    command: click.Command = cli
    context = click.Context(cli)
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        below = command.get_command(context, rest[0])
        assert below is not None, f"no such command: {' '.join(words)}"
        command, rest = below, rest[1:]
    options = {name for parameter in command.params for name in parameter.opts}
    options |= {name for parameter in command.params for name in parameter.secondary_opts}
    options |= {"--help", "-h", "--version"}
    for word in rest:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"no option {word}: {' '.join(words)}"


def test_the_reader_of_commands_sees_the_readme() -> None:
    shown = {words[0] for words in commands(ROOT / "README.md") if words}
    missing = set(VERBS) - shown - {"sessions", "questions"}
    assert missing == set(), "the README shows every verb that a newcomer needs"


def test_an_unknown_option_is_noticed() -> None:
    with pytest.raises(AssertionError, match="--nowhere"):
        known(["config", "show", "--nowhere"])
