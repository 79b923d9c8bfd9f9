"""The suite: read it, refuse what is malformed in one line, choose from it, name it by a hash."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.schema import Question, QuestionFile

PACKAGED = "lambda_autotuner.data"


@dataclass(frozen=True, slots=True)
class Suite:
    """Questions in a fixed order, with the digest that results and comparisons refer to."""

    name: str
    questions: tuple[Question, ...]
    abouts: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 over the content, independent of file names and comments."""
        content = [question.model_dump(mode="json") for question in self.questions]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category, in order."""
        return tuple(dict.fromkeys(question.category for question in self.questions))

    def by_id(self) -> dict[str, Question]:
        """Questions by id."""
        return {question.id: question for question in self.questions}


def load_suite(path: Path | None = None) -> Suite:
    """Read the packaged suite, or a file or folder of one's own.

    Raises:
        UsageError: nothing there, not YAML, an unknown key, a value out of range, a double id.
    """
    if path is None:
        folder = resources.files(PACKAGED) / "questions"
        files: list[Traversable | Path] = sorted(
            (entry for entry in folder.iterdir() if entry.name.endswith(".yaml")),
            key=lambda entry: entry.name,
        )
        name = "lambda-autotuner"
    else:
        files = list(_own_files(path))
        name = path.stem
    questions: list[Question] = []
    abouts: dict[str, str] = {}
    for file in files:
        content = read_file(file)
        abouts.setdefault(content.category, content.about)
        questions.extend(content.questions)
    _refuse_doubles(questions)
    return Suite(name, tuple(questions), abouts)


def _own_files(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(path.glob("*.yaml")) + sorted(path.glob("*.yml"))
        if not files:
            raise UsageError(
                f"The folder {path} holds no question files.", remedy="They end in .yaml."
            )
        return files
    if not path.is_file():
        raise UsageError(f"The question file {path} does not exist.")
    return [path]


def read_file(file: Traversable | Path) -> QuestionFile:
    """Read one file of questions.

    Raises:
        UsageError: it cannot be read, or does not fit the schema; the message names the place.
    """
    import yaml

    where = file.name if not isinstance(file, Path) else str(file)
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=_loader())  # noqa: S506 - a safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None) or "not valid YAML"
        raise UsageError(f"{where}{line}: {problem}.") from error
    except OSError as error:
        raise UsageError(f"{where} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{where} is not UTF-8 text (byte {error.start}).", remedy="Save it as UTF-8."
        ) from error
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply.") from error
    if not isinstance(document, dict):
        raise UsageError(
            f"{where} holds no questions: a file is a mapping with version, category, about and "
            "questions.",
            remedy="`lambda-autotuner questions new FILE` writes one to start from.",
        )
    try:
        return QuestionFile.model_validate(document)
    except ValidationError as error:
        raise UsageError(f"{where}: {_first_problem(error, document)}.") from error


@functools.cache
def _loader() -> Any:
    """A safe loader that refuses a key given twice: the first one would silently be lost."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def construct_mapping(self: Any, node: Any, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - as the base has it
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            seen.add(str(key.value))
        return base.construct_mapping(self, node, deep=deep)

    return type("QuestionLoader", (base,), {"construct_mapping": construct_mapping})


_PLAINER = {
    "tuple_type": "should be a list",
    "dict_type": "should be a mapping",
    "model_type": "should be a mapping of keys",
    "string_type": "should be a text (put it in quotes)",
    "missing": "is missing",
    "extra_forbidden": "is not a key of the schema",
    "string_pattern_mismatch": "should be 2 to 64 lower-case letters, digits, - and _",
}


def _first_problem(error: ValidationError, document: object) -> str:
    problem = error.errors()[0]
    place = list(problem["loc"])
    named = ".".join(str(part) for part in place)
    if len(place) > 1 and place[0] == "questions" and isinstance(place[1], int):
        position = place[1]
        identifier = None
        if isinstance(document, dict):
            item = document["questions"][position]
            identifier = item.get("id") if isinstance(item, dict) else None
        rest = ".".join(str(part) for part in place[2:])
        named = f"question {identifier or f'number {position + 1}'}" + (f", {rest}" if rest else "")
    message = problem["msg"].removeprefix("Value error, ").replace("Input should", "should")
    plain = _PLAINER.get(problem["type"])
    more = error.error_count() - 1
    rest = f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""
    return (f"{named} {plain}" if plain else f"{named or 'the file'}: {message}") + rest


def _refuse_doubles(questions: Iterable[Question]) -> None:
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise UsageError(f"Two questions share the id {question.id!r}; ids are unique.")
        seen.add(question.id)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which questions of a suite to ask."""

    categories: tuple[str, ...] = ()
    difficulties: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    sample_size: int | None = None
    seed: int = 7

    def to_dict(self) -> dict[str, object]:
        """Plain values for a file."""
        return {
            "categories": list(self.categories),
            "difficulties": list(self.difficulties),
            "ids": list(self.ids),
            "sample_size": self.sample_size,
            "seed": self.seed,
        }


def select(suite: Suite, selection: Selection) -> tuple[Question, ...]:
    """The chosen questions, in the suite's order.

    Raises:
        UsageError: an id or a category that the suite does not hold, or nothing left.
    """
    import difflib

    known = suite.by_id()
    for kind, asked, held in (
        ("question", selection.ids, list(known)),
        ("category", selection.categories, list(suite.categories)),
    ):
        for name in asked:
            if name not in held:
                nearest = difflib.get_close_matches(name, held, n=3, cutoff=0.4)
                hint = f"Nearest: {', '.join(nearest)}." if nearest else None
                raise UsageError(f"The suite has no {kind} {name!r}.", remedy=hint)
    chosen = [
        question
        for question in suite.questions
        if (not selection.ids or question.id in selection.ids)
        and (not selection.categories or question.category in selection.categories)
        and (not selection.difficulties or question.difficulty in selection.difficulties)
    ]
    if not chosen:
        raise UsageError("No question of the suite fits this choice.")
    if selection.sample_size is not None and selection.sample_size < len(chosen):
        chosen = stratified(chosen, selection.sample_size, selection.seed)
    return tuple(chosen)


def stratified(questions: Sequence[Question], size: int, seed: int) -> list[Question]:
    """A sample that holds each category and difficulty in its share, the same for the same seed.

    Strata get the whole part of their share; the largest remainders, ties broken by the seed,
    get the rest.
    """
    rng = random.Random(seed)  # noqa: S311 - a reproducible sample, not a secret
    strata: dict[tuple[str, str], list[Question]] = defaultdict(list)
    for question in questions:
        strata[question.category, question.difficulty].append(question)
    keys = sorted(strata)
    rng.shuffle(keys)
    shares = {key: size * len(strata[key]) / len(questions) for key in keys}
    quota = {key: int(shares[key]) for key in keys}
    by_remainder = sorted(keys, key=lambda key: quota[key] - shares[key])
    for key in by_remainder[: size - sum(quota.values())]:
        quota[key] += 1
    picked = {
        question.id
        for key in keys
        for question in rng.sample(strata[key], min(quota[key], len(strata[key])))
    }
    return [question for question in questions if question.id in picked]
