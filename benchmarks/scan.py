"""How many calls and seconds `scan` needs, and how both grow with the account.

Run it with

    python -m benchmarks.scan --functions 1000,10000 --json figures.json

The floor is the fewest calls that could bring the same answers: pages of 50 functions, one series
for each function and four more for each active one at 500 a call, and two calls to find the
account's last activity.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.measurement import connect
from lambda_autotuner import fleet
from lambda_autotuner.sandbox.process import start_private
from lambda_autotuner.settings import Settings


def measure(functions: int, *, seed: int, deep: int) -> dict[str, Any]:
    """Scan a fresh account of so many functions."""
    with start_private(functions=functions, seed=seed) as sandbox, connect(sandbox) as account:
        start = time.perf_counter()
        cpu = time.process_time()
        found = fleet.scan(account, settings=Settings(), deep=deep)
        seconds = time.perf_counter() - start
        return {
            "functions": len(found.rows),
            "seconds": seconds,
            "own_cpu_seconds": time.process_time() - cpu,
            "api_calls": found.total_calls,
            "floor_calls": found.floor_calls,
            "above_floor_pct": 100 * (found.total_calls / found.floor_calls - 1),
            "by_operation": dict(found.calls),
            "by_status": dict(Counter(str(row.status) for row in found.rows)),
            "month_usd": found.to_dict()["month_usd"],
        }


def main(arguments: list[str] | None = None) -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scan", description=__doc__)
    parser.add_argument("--functions", default="1000,10000", help="sizes of accounts, by commas")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--deep", type=int, default=0, help="functions whose logs are read too")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    chosen = parser.parse_args(arguments)
    sizes = [int(text) for text in chosen.functions.split(",")]
    results = [measure(size, seed=chosen.seed, deep=chosen.deep) for size in sizes]
    for result in results:
        print(
            f"{result['functions']:>6,} functions: {result['api_calls']:,} calls "
            f"(floor {result['floor_calls']:,}, {result['above_floor_pct']:+.1f} %), "
            f"{result['seconds']:.1f} s, of which {result['own_cpu_seconds']:.1f} s our own"
        )
    first, last = results[0], results[-1]
    growth = {
        name: last[name] / first[name]
        for name in ("functions", "seconds", "api_calls")
        if first[name]
    }
    print("growth: " + ", ".join(f"{name} x {value:.1f}" for name, value in growth.items()))
    if chosen.json:
        chosen.json.write_text(json.dumps({"accounts": results, "growth": growth}, indent=1))


if __name__ == "__main__":
    main()
