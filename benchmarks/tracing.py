"""What tracing costs the thread that answers: ours beside plain MLflow, from the same run.

`python -m benchmarks.tracing [--questions N] [--rounds N] [--json FILE]`. A question has 11 spans
and about 30 kB. Both sides run in processes of their own, in turns; of each the best round counts,
because a shared machine only ever adds. The time is processor time of the answering thread; plain
MLflow stores in other threads, whose time is not in its figure, while ours is on disk when a span
has ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

SPANS = 11
_STEPS = 5
_WARM_UP = 5
_PAYLOAD: dict[str, Any] = {
    "messages": [
        {
            "role": "user",
            "content": "Which of my functions is slow, and what would memory bring? " * 4,
        },
        {
            "functions": [
                {
                    "FunctionName": f"fn-{n}",
                    "MemorySize": 512,
                    "Timeout": 30,
                    "FunctionArn": f"arn:aws:lambda:us-east-1:123456789012:function:fn-{n}",
                    "LastModified": "2026-11-22T10:00:00Z",
                }
                for n in range(7)
            ]
        },
    ]
}


class OpenSpan(Protocol):
    """Opens a span of a name and a type."""

    def __call__(self, name: str, span_type: str) -> AbstractContextManager[Any]:
        """Open one span."""
        ...


def ask(span: OpenSpan, number: int) -> None:
    """Record one question of 11 spans."""
    with span("agent", "AGENT") as root:
        for step in range(_STEPS):
            asked = {**_PAYLOAD, "number": number, "step": step}
            with span("model", "CHAIN") as chain:
                chain.set_inputs(asked)
                with span("chat", "CHAT_MODEL") as chat:
                    chat.set_inputs(asked)
                    chat.set_outputs({"text": f"answer {number} {step}", **_PAYLOAD})
                chain.set_outputs({"done": step, "number": number})
        root.set_outputs({"answer": "x"})


def _open_plain(folder: Path) -> OpenSpan:
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'plain.db'}")
    mlflow.set_experiment("benchmark")
    return mlflow.start_span


def _open_ours(folder: Path) -> OpenSpan:
    import mlflow_integration

    mlflow_integration.initialize_mlflow(state_dir=folder, autolog=False, dotenv=False)
    return mlflow_integration.create_trace_context


def measure(side: str, folder: Path, questions: int) -> float:
    """Return milliseconds of processor time a question, in this process."""
    span = {"plain": _open_plain, "ours": _open_ours}[side](folder)
    for number in range(_WARM_UP):
        ask(span, -number)
    began = time.thread_time()
    for number in range(questions):
        ask(span, number)
    return (time.thread_time() - began) * 1000 / questions


def _measure_apart(side: str, folder: Path, questions: int) -> float:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "OTEL_"))}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_INTEGRATION_DELIVERY": "manual"}
    output = subprocess.run(
        [sys.executable, "-m", __spec__.name, "--side", side, "--folder", str(folder),
         "--questions", str(questions)],
        capture_output=True, text=True, check=True, env=environment,
    ).stdout  # fmt: skip
    return float(output.split()[-1])


def compare(questions: int, rounds: int) -> dict[str, float]:
    """Return the best figure of each side, in turns, and their ratio."""
    figures: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(rounds):
        for side, found in figures.items():
            with TemporaryDirectory() as folder:
                found.append(_measure_apart(side, Path(folder), questions))
    plain, ours = min(figures["plain"]), min(figures["ours"])
    return {"spans": SPANS, "plain_ms": plain, "ours_ms": ours, "ratio": ours / plain}


def main() -> None:
    """Print ours beside plain MLflow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--side", choices=["plain", "ours"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        print(measure(options.side, options.folder, options.questions))
        sys.stdout.flush()
        # MLflow would wait for its queue; what it costs afterwards is another question.
        os._exit(0)
    figures = compare(options.questions, options.rounds)
    print(f"a question of {SPANS} spans, processor time of the answering thread")
    print(f"  plain MLflow                {figures['plain_ms']:6.2f} ms")
    print(f"  with masking and the spool  {figures['ours_ms']:6.2f} ms")
    print(f"  ratio                       {figures['ratio']:6.2f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2), "utf-8")


if __name__ == "__main__":
    main()
