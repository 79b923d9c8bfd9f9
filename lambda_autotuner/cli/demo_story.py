"""The steps of the demo. Each is what a person would do with the same parts, in the same order."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow_integration as tracing
from lambda_autotuner import fleet, measurement
from lambda_autotuner.agent import build_agent
from lambda_autotuner.aws.functions import list_aliases
from lambda_autotuner.cli.demo_change import Changed, change_and_verify
from lambda_autotuner.cli.door import Door
from lambda_autotuner.errors import (
    EXIT_DONE,
    EXIT_NEGATIVE,
    AutotunerError,
    RefusedError,
    UsageError,
)
from lambda_autotuner.measurement import Choices, Options, Sized
from lambda_autotuner.report import page, terminal
from lambda_autotuner.tuning.objective import CostUnderSlo, Objective
from lambda_autotuner.tuning.recommendation import Change, NeedMoreData, Settled
from lambda_autotuner.workspace import Workspace, prepare_state_dir, private_workspace

_LOG = logging.getLogger(__name__)

QUESTION = "Which functions cost the most?"
MEASURED_FUNCTIONS = 3
CANDIDATES = 30
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
            sized = self._step("Measure", lambda: self._measure(workspace, candidates))
            if (curves := self.curves) is not None:
                self._step("Measured on AWS", lambda: self._measured(workspace, curves))
            changed = None
            if sized is not None:
                changed = self._step("Change", lambda: self._change(workspace, sized))
            self._conclude(sized, changed)
        return EXIT_NEGATIVE if self.failed else EXIT_DONE

    def _step(self, title: str, action: Callable[[], Any]) -> Any:
        """One step; a failure is told in one line and the rest goes on."""
        self.door.err.rule(f"[bold]{title}[/bold]", align="left", style="cyan")
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
        """Rank the account as `scan` does; the best of those whose traffic comes by an alias."""
        choices = Choices.from_settings(workspace.settings)
        scan = fleet.scan(workspace.account, choices=choices)
        rows = [row for row in fleet.ranked(scan.rows) if row.score_usd and row.score_usd > 0]
        for row in rows[:3]:
            saving = row.saving_month_usd or 0
            self.door.say(
                f"{row.function}: {row.memory_mb} MB today, leans to {row.proposed_mb} MB, "
                f"would save ${saving:,.2f} a month ({row.confidence:.0%} sure before measuring)"
            )
        self.door.say(f"{len(scan.rows)} functions scanned without one invocation", style="dim")
        return rows

    def _measure(self, workspace: Workspace, candidates: list[fleet.Row]) -> Sized:
        """Measure the best candidate that can be measured in place and is worth changing."""
        for row in candidates[:CANDIDATES]:
            if row.p95_ms is None or not list_aliases(workspace.account, row.function):
                # Without an alias a change would meet all of the traffic at once.
                continue
            slo_ms = math.ceil(row.p95_ms * (1 + SLOWER_PCT / 100))
            self.door.say(
                f"{row.function}: the cheapest size whose p95 stays below {slo_ms} ms "
                f"(today {row.p95_ms:,.0f} ms)"
            )
            try:
                sized = self._tune(workspace, row.function, objective=CostUnderSlo(95, slo_ms))
            except RefusedError as error:
                # Right to refuse (code that was never released, say); the next one then.
                self.door.say(str(error), style="dim")
                continue
            if isinstance(sized.answer, Change):
                self._show(sized)
                return sized
            self.door.say(sized.verdict, style="dim")
        raise UsageError("No function of this account is worth changing.")

    def _tune(
        self,
        workspace: Workspace,
        function: str,
        *,
        objective: Objective | None = None,
        sizes_mb: tuple[int, ...] = (),
    ) -> Sized:
        choices = Choices.from_settings(workspace.settings)
        if objective is not None:
            choices = replace(choices, objective=objective)
        if sizes_mb:  # the request fee is left out where a pick is held to measured durations
            choices = replace(choices.with_sizes(sizes_mb), request_fee=False)
        return measurement.tune(
            workspace.account,
            workspace.journal,
            function,
            choices=choices,
            # A sandbox has no side effects to agree to; a copy spares what has no version.
            options=Options(where="copy" if sizes_mb else "versions", agreed=True),
            on_progress=self._tell_progress,
        )

    def _tell_progress(self, progress: measurement.Progress) -> None:
        if progress.where is None:
            return
        leader = f", so far {progress.leader}" if progress.leader is not None else ""
        self.door.say(
            f"[{progress.invocations}/{progress.max_invocations}] {progress.text}{leader}",
            style="dim",
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

    def _change(self, workspace: Workspace, sized: Sized) -> Changed:
        """The change as one trace, with each call to the account below it."""
        inputs = {"function": sized.function, "recommendation": sized.verdict}
        with tracing.create_trace_context(
            name="change", span_type="CHAIN", inputs=inputs, attributes={"workflow": "demo"}
        ) as span:
            changed = change_and_verify(self.door, workspace, sized)
            span.set_outputs(changed.to_dict())
        return changed

    def _conclude(self, sized: Sized | None, changed: Changed | None) -> None:
        say = self.door.say
        self.door.err.rule("[bold]What happened[/bold]", align="left", style="cyan")
        if sized is not None:
            say(f"Found:   {sized.verdict}")
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


def _picked(sized: Sized) -> int | None:
    """The size that an answer settles on or leans to, in MB."""
    match sized.answer:
        case Settled(proposed=proposed):
            return proposed.memory_mb
        case NeedMoreData(leaning=leaning) if leaning is not None:
            return leaning.memory_mb
    return None
