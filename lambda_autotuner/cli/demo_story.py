"""The steps of the demo. Each is what a person would do with the same parts, in the same order."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import mlflow_integration as tracing
from lambda_autotuner import fleet, measurement
from lambda_autotuner.agent import build_agent
from lambda_autotuner.aws.functions import list_aliases
from lambda_autotuner.cli.demo_change import (
    Changed,
    NotVerifiedError,
    Planned,
    change_and_verify,
    draft,
)
from lambda_autotuner.cli.door import Door
from lambda_autotuner.cli.live_line import LiveLine
from lambda_autotuner.cli.trace_tree import trace_tree
from lambda_autotuner.errors import (
    EXIT_DONE,
    EXIT_NEGATIVE,
    AutotunerError,
    NotFoundError,
    RefusedError,
    UsageError,
)
from lambda_autotuner.measurement import Choices, Options, Sized
from lambda_autotuner.measurement.options import Where
from lambda_autotuner.report import page, terminal
from lambda_autotuner.tuning.objective import CostUnderSlo, Objective
from lambda_autotuner.tuning.recommendation import Change, NeedMoreData, Settled
from lambda_autotuner.workspace import Workspace, prepare_state_dir, private_workspace

_LOG = logging.getLogger(__name__)

QUESTION = "Which functions cost the most?"
MEASURED_FUNCTIONS = 3
# How many functions are measured at most before the best change so far is taken: with few there may be
# nothing to change, since what has the right size, or may not be changed, is left alone.
CANDIDATES = 10
# A change that traffic speaks against is undone, as in production, and the next function is looked at.
ATTEMPTS = 3
# Invocations a month below which a change could not be verified in the hours that the demo lets pass.
MINIMUM_TRAFFIC = 200_000
# Half of what a change may slow p95 by default before it is rolled back.
SLOWER_PCT = 10
NEXT_COMMANDS = (
    ("lambda-autotuner chat", "talk to the agent about the shared sandbox"),
    ("lambda-autotuner scan", "rank a whole account by what it would save"),
    ("lambda-autotuner ui", "look at the traces in MLflow"),
)


@dataclass
class Story:
    """One run of the demo and what it found."""

    door: Door
    curves: Path | None
    found: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)
    _looked_at: set[str] = field(default_factory=set)
    _begun: float = field(default_factory=time.monotonic)

    def tell(self) -> int:
        """Run every step; 0 when all of them worked.

        Raises:
            UsageError: the curves file does not exist.
        """
        if self.curves is not None and not self.curves.is_file():
            raise UsageError(f"The curves file {self.curves} does not exist.")
        settings = self.door.settings
        prepare_state_dir(settings.state_dir)
        status = tracing.initialize_mlflow(state_dir=settings.state_dir)
        for line in status.banner_lines():
            self.door.say(line)
        with private_workspace(settings, curves=self.curves) as workspace:
            self.door.say(f"{workspace.banner}; nothing outside this machine is touched")
            self._step("Ask", lambda: self._ask(workspace))
            candidates = self._step("Find", lambda: self._find(workspace)) or []
            planned, changed = self._improve(workspace, candidates)
            if (curves := self.curves) is not None:
                self._step("Measured on AWS", lambda: self._measured(workspace, curves))
            if status.enabled and self.found.get("trace_id"):
                self._step("Trace", self._trace)
            self._conclude(planned, changed)
        return EXIT_NEGATIVE if self.failed else EXIT_DONE

    def _improve(
        self, workspace: Workspace, candidates: list[fleet.Row]
    ) -> tuple[Planned | None, Changed | None]:
        """Measure and change; where a change is undone, the same with what is left."""
        for left in reversed(range(ATTEMPTS)):
            planned = self._step("Measure", lambda: self._measure(workspace, candidates))
            if planned is None:
                return None, None
            change = partial(self._change, workspace, planned, last=not left)
            changed = self._step("Change", change)
            if changed is not None or "Change" in self.failed:
                return planned, changed
        return None, None

    def _step(self, title: str, action: Callable[[], Any]) -> Any:
        """One step; a failure is told in one line and the rest goes on."""
        from rich.text import Text

        self.door.err.rule(Text(title, "bold"), align="left", style="cyan")
        try:
            return action()
        except AutotunerError as error:
            self.door.say(f"failed: {error}", style="red")
        except Exception as error:  # noqa: BLE001 - a door: the demo goes on and says what failed
            _LOG.exception("the step %r failed", title)
            self.door.say(f"failed: {type(error).__name__}: {error}", style="red")
        self.failed.append(title)
        return None

    def _ask(self, workspace: Workspace) -> None:
        with build_agent(settings=workspace.settings, workspace=workspace) as agent:
            answer = agent.ask(QUESTION)
        self.door.say(f"You:   {QUESTION}", style="bold")
        self.door.say(f"Agent ({answer.usage.model}):")
        self.door.say(answer.text)
        self.found["question"] = {"text": QUESTION, "answer": answer.text}
        self.found["trace_id"] = answer.trace_id

    def _find(self, workspace: Workspace) -> list[fleet.Row]:
        """What telemetry alone says is at stake, most dollars first."""
        choices = Choices.from_settings(workspace.settings)
        scan = fleet.scan(workspace.account, choices=choices)
        rows = [row for row in scan.rows if row.proposed_mb and (row.saving_month_usd or 0) > 0]
        rows.sort(key=lambda row: (-(row.saving_month_usd or 0), row.function))
        self.door.say(
            f"{len(scan.rows)} functions read without one invocation. Most money at stake, as a "
            "guess from metrics:"
        )
        for row in rows[:3]:
            self.door.say(
                f"  {row.function}: {row.memory_mb} MB today; {row.proposed_mb} MB could save up "
                f"to ${row.saving_month_usd or 0:,.2f} a month"
            )
        self.door.say("A guess is no reason to change anything, so it is measured now.")
        return rows

    def _measure(self, workspace: Workspace, candidates: list[fleet.Row]) -> Planned:
        """Measure the candidates in turn until one is worth changing; else the best of them."""
        found: list[Planned] = []
        measured = 0
        for row in candidates:
            if row.p95_ms is None or (row.invocations_per_month or 0) < MINIMUM_TRAFFIC:
                continue
            if row.function in self._looked_at:
                continue
            self._looked_at.add(row.function)
            try:
                # What no approval would let through is not worth an invocation.
                draft(workspace, row.function, changes={"memory_mb": row.proposed_mb})
                sized = self._measure_one(workspace, row)
                measured += 1
                self.door.say(sized.verdict, style="dim")
                if isinstance(sized.answer, Change):
                    plan = draft(workspace, row.function, recommendation=sized.answer)
                    found.append(Planned(sized, sized.answer, plan))
            except RefusedError as error:
                self.door.say(f"{row.function} is left alone: {_first_sentence(error)}")
            if measured == CANDIDATES or (found and found[-1].convincing):
                break
        if not found:
            raise UsageError("No function of this account is worth changing.")
        best = max(found, key=lambda planned: planned.saving_usd)
        self._show(best.sized)
        return best

    def _measure_one(self, workspace: Workspace, row: fleet.Row) -> Sized:
        p95_ms = row.p95_ms or 0.0
        slo_ms = math.ceil(p95_ms * (1 + SLOWER_PCT / 100))
        self.door.say(
            f"{row.function}: looking for the cheapest memory size at which 95 % of the calls "
            f"stay below {slo_ms:,} ms ({p95_ms:,.0f} ms today)"
        )
        # In place only what carries its traffic by an alias: `$LATEST` is never touched under load.
        where: Where = "versions" if list_aliases(workspace.account, row.function) else "copy"
        sized = self._tune(workspace, row.function, where=where, objective=CostUnderSlo(95, slo_ms))
        spent = sized.answer.measurement
        self.door.say(
            f"{spent.invocations} invocations at {_sizes_measured(sized)} memory sizes, "
            f"${spent.cost_usd:.4f} of Lambda time",
            style="dim",
        )
        return sized

    def _tune(
        self,
        workspace: Workspace,
        function: str,
        *,
        where: Where = "copy",
        objective: Objective | None = None,
        sizes_mb: tuple[int, ...] = (),
    ) -> Sized:
        choices = Choices.from_settings(workspace.settings)
        if objective is not None:
            choices = replace(choices, objective=objective)
        if sizes_mb:  # the request fee is left out where a pick is held to measured durations
            choices = replace(choices.with_sizes(sizes_mb), request_fee=False)
        with LiveLine(self.door.err) as line:
            return measurement.tune(
                workspace.account,
                workspace.journal,
                function,
                choices=choices,
                # A sandbox has no side effects to agree to.
                options=Options(where=where, agreed=True),
                on_progress=lambda progress: line.show(_progress(progress)),
            )

    def _show(self, sized: Sized) -> None:
        chart = sized.chart()
        self.door.say(terminal.draw(chart, width=min(max(self.door.err.width, 60), 100)))
        self.door.say(sized.verdict, style="bold green")
        folder = self.door.settings.state_dir / "demo"
        folder.mkdir(mode=0o700, exist_ok=True)
        picture = folder / f"{sized.function}.html"
        page.write(chart, picture)
        self.found["picture"] = str(picture)
        self.found["recommendation"] = sized.to_dict()

    def _measured(self, workspace: Workspace, curves: Path) -> None:
        """Tune functions that replay durations measured on AWS, and hold the pick to the best."""
        results = []
        # Those that were measured at the most sizes leave the most room for a wrong pick.
        functions = sorted(
            workspace.measured_functions(curves), key=lambda real: -len(real.mean_cost_usd)
        )
        for real in functions[:MEASURED_FUNCTIONS]:
            sized = self._tune(workspace, real.name, sizes_mb=tuple(real.mean_cost_usd))
            picked = _picked(sized)
            results.append(
                {
                    "function": real.name,
                    "picked_mb": picked,
                    "best_measured_mb": real.best_memory_mb,
                    "regret_pct": None if picked is None else real.regret_pct(picked),
                    "invocations": sized.answer.measurement.invocations,
                }
            )
            if picked is None:
                self.door.say(f"{real.name}: {sized.verdict}")
                continue
            self.door.say(
                f"{real.name}: picked {picked} MB after "
                f"{sized.answer.measurement.invocations} invocations; the best that was measured "
                f"is {real.best_memory_mb} MB: regret {real.regret_pct(picked):.2f} %",
                style="green",
            )
        self.found["measured"] = results

    def _change(self, workspace: Workspace, planned: Planned, *, last: bool) -> Changed | None:
        """The change as one trace, with each call to the account below it; None if it was undone.

        Raises:
            NotVerifiedError: it was undone, and there is no other attempt.
        """
        sized = planned.sized
        inputs = {"function": sized.function, "recommendation": sized.verdict}
        with tracing.create_trace_context(
            name="change", span_type="CHAIN", inputs=inputs, attributes={"workflow": "demo"}
        ) as span:
            try:
                changed = change_and_verify(self.door, workspace, planned.plan)
            except NotVerifiedError as error:
                span.set_outputs({"undone": str(error)})
                if last:
                    raise
                self.undone.append(str(error))
                self.door.say("Undone, as in production; the next function is looked at.")
                return None
            span.set_outputs(changed.to_dict())
        return changed

    def _trace(self) -> None:
        """What MLflow has stored of the question, read back."""
        from mlflow_integration.queries import get_trace

        tracing.flush()
        trace = get_trace(self.found["trace_id"])
        if trace is None:
            raise NotFoundError(f"The trace {self.found['trace_id']} was not stored.")
        self.door.say("What MLflow has stored of the question above:", style="dim")
        self.door.say(trace_tree(trace))

    def _conclude(self, planned: Planned | None, changed: Changed | None) -> None:
        from rich.text import Text

        say = self.door.say
        self.door.err.rule(Text("What happened", "bold"), align="left", style="cyan")
        if planned is not None:
            say(f"Found:   {planned.sized.function}: {planned.sized.verdict}")
        for message in self.undone:
            say(f"Undone:  {message}")
        self.found["undone"] = self.undone
        if changed is not None:
            say(f"Changed: {changed.summary}")
            self.found["change"] = changed.to_dict()
        if "picture" in self.found:
            say(f"Picture: {self.found['picture']}")
        if self.found.get("trace_id"):
            say(
                f"Trace:   {self.found['trace_id']}, in {self.door.settings.state_dir / 'mlflow.db'}"
            )
        for name in self.failed:
            say(f"Failed:  {name}", style="red")
        self.found["failed"] = self.failed
        self.found["seconds"] = round(time.monotonic() - self._begun, 1)
        say(f"Took:    {self.found['seconds']} s")
        say("Next:")
        for command, why in NEXT_COMMANDS:
            say(f"  {command:<24} {why}")
        if self.door.json:
            self.door.emit(self.found)


def _progress(progress: measurement.Progress) -> str:
    so_far = f"[{progress.invocations}/{progress.max_invocations}] {progress.text}"
    return so_far + (f", so far {progress.leader}" if progress.leader is not None else "")


def _sizes_measured(sized: Sized) -> int:
    return len({sample.memory_mb for sample in sized.evidence if sample.source == "invocation"})


def _first_sentence(error: Exception) -> str:
    return str(error).split(". ", 1)[0].rstrip(".") + "."


def _picked(sized: Sized) -> int | None:
    """The size that an answer settles on or leans to, in MB."""
    match sized.answer:
        case Settled(proposed=proposed):
            return proposed.memory_mb
        case NeedMoreData(leaning=leaning) if leaning is not None:
            return leaning.memory_mb
    return None
