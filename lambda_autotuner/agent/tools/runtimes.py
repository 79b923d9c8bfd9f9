"""Which managed runtimes AWS has deprecated, and since when.

Dates are the deprecation dates of https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html.
They are compared with the account's own time. A runtime that is not listed here is not called
deprecated.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

DEPRECATED_ON: Final[dict[str, date]] = {
    "nodejs12.x": date(2023, 3, 31), "nodejs14.x": date(2023, 12, 4), "nodejs16.x": date(2024, 6, 12),
    "nodejs18.x": date(2025, 9, 1), "nodejs20.x": date(2026, 4, 30), "nodejs22.x": date(2027, 4, 30),
    "python3.6": date(2022, 7, 18), "python3.7": date(2023, 12, 4), "python3.8": date(2024, 10, 14),
    "python3.9": date(2025, 12, 15), "python3.10": date(2026, 10, 31), "python3.11": date(2027, 6, 30),
    "java8": date(2024, 1, 8), "dotnetcore3.1": date(2023, 4, 3), "dotnet6": date(2024, 12, 20),
    "dotnet8": date(2026, 11, 10), "ruby2.7": date(2023, 12, 7), "ruby3.2": date(2026, 3, 31),
    "ruby3.3": date(2027, 3, 31), "go1.x": date(2024, 1, 8), "provided": date(2024, 1, 8),
}  # fmt: skip


def is_retired(runtime: str | None, moment: datetime | None) -> bool:
    """Whether a runtime was deprecated by then."""
    day = DEPRECATED_ON.get(runtime or "")
    return day is not None and moment is not None and day <= moment.date()
