"""A scanned account as CSV and as a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import fields

from lambda_autotuner.fleet.rows import Row

_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def to_csv(rows: Iterable[Row]) -> str:
    """One line a function with a header; unknown values are empty."""
    buffer = io.StringIO()
    names = [item.name for item in fields(Row)]
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        plain = row.to_dict()
        writer.writerow({name: spreadsheet_cell(plain[name]) for name in names})
    return buffer.getvalue()


def spreadsheet_cell(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    if value is None:
        return ""
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return f"'{value}"
    return value


HEADER = ("function", "status", "MB", "leans to", "inv/month", "$/month", "saves $",
          "sure", "rank by $")  # fmt: skip


def table_rows(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Cells of the terminal's table; a dash for what is unknown."""
    return [
        (
            row.function,
            str(row.status),
            f"{row.memory_mb}",
            _number(row.proposed_mb, "{:.0f}"),
            _number(row.invocations_per_month, "{:,.0f}"),
            _number(row.month_usd, "{:,.2f}"),
            _number(row.saving_month_usd, "{:,.2f}"),
            _number(row.confidence, "{:.0%}"),
            _number(row.score_usd, "{:,.2f}"),
        )
        for row in rows
    ]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
