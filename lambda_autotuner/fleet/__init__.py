"""A whole account: scanned in batched calls, ranked by money, exported."""

from lambda_autotuner.fleet.export import to_csv
from lambda_autotuner.fleet.rows import Row, Status, ranked
from lambda_autotuner.fleet.scan import Scan, scan

__all__ = ["Row", "Scan", "Status", "ranked", "scan", "to_csv"]
