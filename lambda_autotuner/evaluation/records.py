"""Results on disk: one JSON line a question, written through before the next one counts.

A run is a folder. `run.json` says what is being run, `results.jsonl` holds what is finished,
`summary.json` appears at the end. A run without a summary can be continued.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from lambda_autotuner.errors import UsageError

FORMAT = 1
RESULTS, RUN, SUMMARY, REPORT = "results.jsonl", "run.json", "summary.json", "report.html"

Failure = Literal["answer", "infrastructure"]


@dataclass(frozen=True, slots=True)
class Scores:
    """What the scorers found; shares are in [0, 1], None where there is nothing to score."""

    facts: float | None
    kind: bool
    state: bool
    tools: bool
    grounded: float | None
    cited: bool | None
    focus: bool
    quality: Mapping[str, float | None] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    judge: float | None = None
    """A model's opinion, in [0, 1]; never part of success."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one question, once."""

    question_id: str
    repeat: int
    category: str
    difficulty: str
    group: str
    held_out: bool
    success: bool
    safe: bool
    failure: Failure | None
    execution_time_seconds: float
    response_length_chars: int
    total_tokens: int
    model_calls: int
    tool_calls: int
    cost_usd: float | None
    error: str | None
    trace_id: str | None
    question: tuple[str, ...]
    answer: tuple[str, ...]
    expected: tuple[str, ...]
    tools: tuple[str, ...]
    scores: Scores
    started_at: str
    turn_seconds: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a line of JSON."""
        return asdict(self)


def result_from(data: Mapping[str, Any]) -> Result:
    """A result from a line of JSON.

    Raises:
        KeyError: a field is missing.
        TypeError: the line is not a result.
    """
    known = {item.name for item in fields(Result)}
    values = {key: value for key, value in data.items() if key in known}
    scores = {k: v for k, v in data["scores"].items() if k in {i.name for i in fields(Scores)}}
    scores["problems"] = tuple(scores.get("problems", ()))
    values["scores"] = Scores(**scores)
    for name in ("question", "answer", "expected", "tools", "turn_seconds"):
        values[name] = tuple(values.get(name, ()))
    return Result(**values)


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What a run is about; two runs with the same fingerprint are the same run."""

    suite: str
    suite_digest: str
    selection: Mapping[str, Any]
    question_ids: tuple[str, ...]
    repeat: int
    model: str
    configuration: Mapping[str, Any]
    prompt_versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over everything that could change a result."""
        import hashlib

        content = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @classmethod
    def create(cls, results_dir: Path, plan: RunPlan, now: datetime) -> RunFolder:
        """Start a new run.

        Raises:
            UsageError: the folder cannot be created.
        """
        stem = f"{now:%Y%m%dT%H%M%SZ}-{plan.fingerprint[:6]}"
        for attempt in range(1000):
            path = results_dir / (stem if not attempt else f"{stem}-{attempt + 1}")
            try:
                path.mkdir(parents=True, exist_ok=False)
            except FileExistsError:
                continue
            except OSError as error:
                raise UsageError(
                    f"The results folder {results_dir} cannot be written to: {error.strerror}.",
                    remedy="Set evaluation.results_dir to a folder that can.",
                ) from error
            folder = cls(path)
            folder._write(RUN, {"format": FORMAT, "fingerprint": plan.fingerprint,
                                "created_at": now.isoformat(), "plan": asdict(plan)})  # fmt: skip
            return folder
        raise UsageError(f"{results_dir} already holds a thousand runs named {stem}.")

    @classmethod
    def unfinished(cls, results_dir: Path, plan: RunPlan) -> RunFolder | None:
        """The newest run of the same plan that has no summary yet."""
        if not results_dir.is_dir():
            return None
        for path in sorted(results_dir.iterdir(), reverse=True):
            if not (path / RUN).is_file() or (path / SUMMARY).is_file():
                continue
            folder = cls(path)
            try:
                if folder.description()["fingerprint"] == plan.fingerprint:
                    return folder
            except (UsageError, KeyError):
                continue
        return None

    def description(self) -> dict[str, Any]:
        """What `run.json` holds.

        Raises:
            UsageError: it is missing, malformed, or of a newer version.
        """
        return _read_json(self.path / RUN, f"{self.path} is not a folder of evaluation results")

    def note(self, **values: object) -> None:
        """Add to `run.json` (for instance the id of the tracking run)."""
        self._write(RUN, {**self.description(), **values})

    def lock(self) -> Any:
        """A lock that one process holds while it works on the run.

        Raises:
            UsageError: another process holds it.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(str(self.path / ".lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise UsageError(
                f"Another process is working on {self.path}.",
                remedy="Wait for it, or start another run with --new.",
            ) from error
        return lock

    def results(self) -> list[Result]:
        """Every finished question; a line that a crash cut short does not count.

        Raises:
            UsageError: a line that is not the last one is damaged.
        """
        path = self.path / RESULTS
        if not path.is_file():
            return []
        lines = path.read_bytes().split(b"\n")
        found = []
        for number, line in enumerate(lines):
            if not line.strip():
                continue
            try:
                found.append(result_from(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                if number == len(lines) - 1:
                    continue
                raise UsageError(f"{path} line {number + 1} is damaged: {error}.") from error
        return found

    def repair(self) -> None:
        """Cut off a line that a crash left unfinished, so that appending is safe again."""
        path = self.path / RESULTS
        if not path.is_file():
            return
        content = path.read_bytes()
        if content and not content.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
                os.fsync(file.fileno())

    def append(self, result: Result) -> None:
        """Write one result through to the disk; after that it is finished for good."""
        line = json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False) + "\n"
        path = self.path / RESULTS
        with _writing(path), path.open("ab") as file:
            file.write(line.encode("utf-8", "replace"))
            file.flush()
            os.fsync(file.fileno())

    def report(self, page: str) -> None:
        """Write the page for people."""
        path = self.path / REPORT
        with _writing(path):
            path.write_text(page, encoding="utf-8")

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary; the run counts as finished from here on."""
        self._write(SUMMARY, summary)

    def summary(self) -> dict[str, Any] | None:
        """The summary of a finished run."""
        path = self.path / SUMMARY
        return _read_json(path, f"{path} cannot be used") if path.is_file() else None

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        temporary = self.path / f".{name}.tmp"
        with _writing(self.path / name):
            with temporary.open("w", encoding="utf-8") as file:
                json.dump(content, file, indent=2, ensure_ascii=False, default=str)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path / name)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A full or lost disk becomes one line; what is on it already stays good.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy="Make room; the same command continues where this one stopped.",
        ) from error


def _read_json(path: Path, problem: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{problem}: {path.name} is missing.") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"{problem}: {error}.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{problem}: {path.name} does not hold an object.")
    if content.get("format", FORMAT) > FORMAT:
        raise UsageError(
            f"{path} has format {content['format']}; this version reads up to {FORMAT}.",
            remedy="Use the version that wrote it, or a newer one.",
        )
    return content


def find_run(name: str, results_dir: Path) -> RunFolder:
    """A run by path, by name below the results folder, or `latest`.

    Raises:
        UsageError: there is none.
    """
    candidates = [Path(name), results_dir / name]
    if name == "latest":
        finished = sorted(p.parent for p in results_dir.glob(f"*/{SUMMARY}"))
        candidates = finished[-1:]
    for path in candidates:
        if (path / RUN).is_file():
            return RunFolder(path)
    known = sorted(p.parent.name for p in results_dir.glob(f"*/{RUN}"))[-3:]
    raise UsageError(
        f"There is no evaluation run {name!r}.",
        remedy=f"Newest in {results_dir}: {', '.join(known)}." if known else None,
    )


def success_by_question(results: Iterable[Result]) -> dict[str, float]:
    """Mean success of each question over its repeats."""
    tallies: dict[str, list[bool]] = {}
    for result in results:
        tallies.setdefault(result.question_id, []).append(result.success)
    return {question: sum(marks) / len(marks) for question, marks in tallies.items()}
