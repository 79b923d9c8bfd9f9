"""`lambda-autotuner questions`: list, check and start questions of the suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lambda_autotuner.cli.door import Door, common_options, pass_door
from lambda_autotuner.errors import EXIT_NEGATIVE


@click.group("questions")
def command() -> None:
    """List, check and start questions of the suite."""


@command.command("list")
@click.option(
    "--questions", type=click.Path(path_type=Path), help="A file or folder of one's own questions."
)
@click.option("--category", "categories", multiple=True, help="Only this category (repeatable).")
@click.option("--held-out/--shown", default=None, help="Only wordings that are (not) held out.")
@common_options
@pass_door
def list_questions(
    door: Door,
    questions: Path | None,
    categories: tuple[str, ...],
    held_out: bool | None,  # noqa: FBT001 - click's calling convention
) -> None:
    """List the questions with their category and difficulty."""
    from rich.table import Table

    from lambda_autotuner.evaluation.suite import Selection, load_suite, select

    suite = load_suite(questions or door.settings.evaluation.questions_path)
    chosen = [
        question
        for question in select(suite, Selection(categories=categories))
        if held_out is None or question.held_out == held_out
    ]
    table = Table("id", "category", "difficulty", "turns", "question", box=None, pad_edge=False)
    for question in chosen:
        first = question.turns[0].ask[:80]
        table.add_row(
            question.id,
            question.category,
            question.difficulty.value,
            str(len(question.turns)),
            first,
        )
    table.caption = f"{len(chosen)} questions in {len({q.category for q in chosen})} categories, suite {suite.digest}"
    door.emit([question.model_dump(mode="json") for question in chosen], text=table)


@command.command("check")
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--static", is_flag=True, help="Only the files; do not let the test agents answer.")
@click.option("--sample-size", type=click.IntRange(min=1), help="Let them answer a sample only.")
@common_options
@pass_door
def check(door: Door, path: Path | None, static: bool, sample_size: int | None) -> int:  # noqa: FBT001 - click's calling convention
    """Check questions: the files, and that the right agents pass and fail them."""
    from lambda_autotuner.evaluation.schema import Bait
    from lambda_autotuner.evaluation.selfcheck import check_suite, verify
    from lambda_autotuner.evaluation.suite import Selection, load_suite, select

    suite = load_suite(path or door.settings.evaluation.questions_path)
    faults: list[str] = list(check_suite(suite))
    report: dict[str, Any] = {"questions": len(suite.questions), "digest": suite.digest}
    if not static and not faults:
        chosen = select(suite, Selection(sample_size=sample_size))
        door.say(
            f"Letting {len(Bait) + 1} test agents answer {len(chosen)} question(s) ...", style="dim"
        )
        verified = verify(chosen, door.settings)
        report.update(verified.to_dict())
        faults.extend(verified.faults)
        for line in verified.lines():
            door.say(line)
    report["faults"] = faults
    door.emit(
        report,
        text="\n".join(faults)
        or f"{len(suite.questions)} question{'s' * (len(suite.questions) != 1)}, no faults found.",
    )
    return EXIT_NEGATIVE if faults else 0


_TEMPLATE = """\
version: 1
category: {category}
about: Say in a sentence what these questions are about.
questions:
  - id: {category}-1
    group: {category}-1          # paraphrases of one question share a group
    difficulty: easy             # easy: one look-up; medium: a window or two; hard: several
    ask: how much memory does checkout-api have?
    facts:                       # computed by the oracle at run time; `questions check` names them
      - {{oracle: memory, args: {{function: checkout-api}}}}
    # answer: facts              # facts not_found no_data clarify denied proposal done declined off_topic
    # permissions: administrator
    # state: unchanged           # or a list of expected changes
"""


@command.command("new")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--category", default="my_questions", show_default=True)
@common_options
@pass_door
def new(door: Door, path: Path, category: str) -> None:
    """Write a first question file to PATH, ready to be changed and run with --questions."""
    from lambda_autotuner.errors import UsageError

    if path.exists():
        raise UsageError(f"{path} exists already.")
    try:
        path.write_text(_TEMPLATE.format(category=category), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from error
    door.emit(
        {"path": str(path)}, text=f"Wrote {path}. Check it: lambda-autotuner questions check {path}"
    )
