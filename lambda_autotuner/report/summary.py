"""A recommendation in words and figures, for a terminal."""

from __future__ import annotations

from lambda_autotuner.report.terminal import number
from lambda_autotuner.tuning.recommendation import (
    Answer,
    Change,
    Infeasible,
    Interval,
    NeedMoreData,
    Outlook,
    Settled,
)

_MILLION = 1e6
_TIED_SHOWN = 8


def lines(answer: Answer, verdict: str) -> list[str]:
    """The recommendation, what it rests on, and what would change it."""
    found = [verdict]
    if isinstance(answer, Settled):
        found += ["", *_comparison(answer), *_tied(answer)]
        share = 100 * answer.confidence
        found.append(f"Intervals hold {share:g} % of what is believed.")
    if isinstance(answer, NeedMoreData):
        found += _missing(answer)
    if isinstance(answer, Infeasible) and answer.nearest is not None:
        found.append(f"What comes nearest is {answer.nearest}.")
    for title, texts in sections(answer):
        found += ["", f"{title}:", *(f"  - {text}" for text in texts)]
    if answer.measurement.invocations:
        found += ["", measured(answer)]
    if isinstance(answer, Change):
        found += ["", "To write down:"]
        found += [
            f"  - {tool}: {text}".replace("\n", "; ")
            for tool, text in answer.infrastructure.items()
        ]
    return found


def sections(answer: Answer) -> list[tuple[str, tuple[str, ...]]]:
    """Everything there is to read beside the figures: titles and sentences."""
    limits = (_constraint(c.name, c.limit, c.unit, c.met, c.reason) for c in answer.constraints)
    advice = (f"{a.action} {a.evidence} ({a.confidence})" for a in answer.advice)
    found = (
        ("Why", answer.reasons),
        ("Limits", tuple(limits)),
        ("Beside memory", tuple(advice)),
        ("What would change it", answer.changes_answer),
        ("To know", answer.notes),
    )
    return [(title, texts) for title, texts in found if texts]


def figures(answer: Answer) -> tuple[tuple[str, ...], ...]:
    """Today's configuration beside the proposed one, and the difference; a header first."""
    if not isinstance(answer, Settled):
        return ()
    rows = [(name, *cells) for name, *cells in _rows(answer)]
    if answer.saving_month_usd is not None and answer.current is not None:
        money = answer.saving_month_usd
        word = "saved a month" if money.value >= 0 else "more a month"
        cells = ["", *("" for _ in rows[0][2:])]
        cells[-1] = _interval(money, 1.0 if money.value >= 0 else -1.0)
        rows.append((word, *cells))
    return tuple(rows)


def _comparison(answer: Settled) -> list[str]:
    rows = _rows(answer)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]


def _rows(answer: Settled) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("", "memory", "$ per million", "mean ms", "p50 ms", "p95 ms", "p99 ms", "$ a month")
    ]
    if answer.current is not None:
        rows.append(("now", *_figures(answer.current)))
    rows.append(("proposed", *_figures(answer.proposed)))
    return rows


def _figures(outlook: Outlook) -> tuple[str, ...]:
    return (
        f"{outlook.memory_mb} MB {outlook.architecture}",
        _interval(outlook.cost_usd, _MILLION),
        _interval(outlook.mean_ms),
        _interval(outlook.p50_ms),
        _interval(outlook.p95_ms),
        _interval(outlook.p99_ms),
        _interval(outlook.month_usd) if outlook.month_usd is not None else "unknown",
    )


def _interval(value: Interval, factor: float = 1.0) -> str:
    ends = sorted((value.low * factor, value.high * factor))
    low, middle, high = (number(v) for v in (ends[0], value.value * factor, ends[1]))
    return f"{middle} ({low}..{high})"


def _tied(answer: Settled) -> list[str]:
    others = [where for where in answer.tied if where.memory_mb != answer.proposed.memory_mb]
    if not others:
        return []
    shown = ", ".join(str(where) for where in others[:_TIED_SHOWN])
    more = f" and {len(others) - _TIED_SHOWN} more" if len(others) > _TIED_SHOWN else ""
    return [f"Tied with it: {shown}{more}; the fastest of them is {answer.fastest_tied}."]


def _missing(answer: NeedMoreData) -> list[str]:
    found = []
    if answer.leaning is not None:
        found.append(f"The evidence leans to {answer.leaning}.")
    if answer.cost_usd is not None:
        found.append(f"Those invocations would cost about ${answer.cost_usd:.6f}.")
    return found


def _constraint(name: str, limit: float, unit: str, met: bool | None, reason: str) -> str:  # noqa: FBT001 - a value of the record, not a switch
    word = {True: "met", False: "not met", None: "not known"}[met]
    return f"{name} {number(limit)} {unit}: {word}. {reason}".rstrip()


def measured(answer: Answer) -> str:
    """What finding out cost and when it pays back, in a sentence."""
    spent = answer.measurement
    text = f"Finding this out took {spent.invocations} invocations for ${spent.cost_usd:.6f}"
    if spent.payback_days is not None:
        days = spent.payback_days
        text += f", paid back in {number(days)} days" if days >= 1 else ", paid back within a day"
    return text + "."
