"""Looking at an account as its administrator, with boto3 alone.

Nothing here is shared with the agent's own way to the account: an error in that must not
become the truth that it is measured by.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

REGION = "us-east-1"
_CONFIG: dict[str, Any] = {
    "proxies": {},
    "ignore_configured_endpoint_urls": True,
    "retries": {"mode": "standard", "total_max_attempts": 3},
    "inject_host_prefix": False,
    "max_pool_connections": 4,
}
# botocore does not guard the making of clients.
_CREATING = threading.Lock()


class Witness:
    """An administrator's eyes on one of a sandbox's accounts.

    Args:
        endpoint_url: the private sandbox.
        account_id: which of its accounts.
        seed: the sandbox's seed, for what only the out-of-band truth knows.
        now: where the sandbox's clock was set; None reads the Date header of its answers.
    """

    def __init__(
        self, endpoint_url: str, account_id: str, *, seed: int, now: datetime | None = None
    ) -> None:
        self.endpoint_url = endpoint_url
        self.account_id = account_id
        self.seed = seed
        self._now = now
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._functions: dict[str, dict[str, Any]] | None = None
        self._memory: dict[str, float | None] = {}

    def client(self, service: str) -> Any:
        """A boto3 client that knows the sandbox and nothing else."""
        from botocore.config import Config

        with self._lock:
            if service not in self._clients:
                with _CREATING:
                    self._clients[service] = _session().create_client(
                        service,
                        region_name=REGION,
                        endpoint_url=self.endpoint_url,
                        config=Config(**_CONFIG),
                        aws_access_key_id=self.account_id,
                        aws_secret_access_key="sandbox",  # noqa: S106 - a dummy; nobody checks it
                    )
            return self._clients[service]

    def now(self) -> datetime:
        """The account's own time."""
        if self._now is not None:
            return self._now
        answer = self.client("sts").get_caller_identity()
        header = answer["ResponseMetadata"]["HTTPHeaders"]["date"]
        return parsedate_to_datetime(header).astimezone(UTC)

    def functions(self) -> dict[str, dict[str, Any]]:
        """Every function's configuration by name, as ListFunctions tells it."""
        if self._functions is None:
            found: dict[str, dict[str, Any]] = {}
            for page in self.client("lambda").get_paginator("list_functions").paginate():
                found.update({item["FunctionName"]: item for item in page["Functions"]})
            self._functions = found
        return self._functions

    def remembered(self, key: str, look: Callable[[], float | None]) -> float | None:
        """A figure that is looked up once, until `forget`."""
        if key not in self._memory:
            self._memory[key] = look()
        return self._memory[key]

    def forget(self) -> None:
        """Look again next time: something may have changed."""
        self._functions = None
        self._memory.clear()

    def function(self, name: str) -> dict[str, Any]:
        """One function's configuration.

        Raises:
            LookupError: the account has no function of this name.
        """
        found = self.functions().get(name)
        if found is None:
            raise LookupError(f"the account has no function {name!r}")
        return found

    def metric_sum(self, metric: str, function: str | None, hours: float) -> float:
        """Sum of a count metric over the last hours."""
        points = self._points(metric, function, hours, statistics=("Sum",))
        return math.fsum(point["Sum"] for point in points)

    def metric_extreme(self, metric: str, function: str | None, hours: float) -> float | None:
        """Largest value of a metric over the last hours; None without data."""
        points = self._points(metric, function, hours, statistics=("Maximum",))
        return max((point["Maximum"] for point in points), default=None)

    def metric_mean(self, metric: str, function: str, hours: float) -> float | None:
        """Mean over all samples of the last hours; None without data."""
        points = self._points(metric, function, hours, statistics=("Sum", "SampleCount"))
        count = math.fsum(point["SampleCount"] for point in points)
        return math.fsum(point["Sum"] for point in points) / count if count else None

    def metric_percentile(
        self, metric: str, function: str, hours: float, percentile: str
    ) -> float | None:
        """A percentile over the whole window, as one period; None without data."""
        answer = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=_dimensions(function),
            StartTime=self._start(hours),
            EndTime=self._end(),
            Period=int(hours * 3600),
            ExtendedStatistics=[percentile],
        )
        points = answer["Datapoints"]
        if not points:
            return None
        return float(points[0]["ExtendedStatistics"][percentile])

    def _points(
        self, metric: str, function: str | None, hours: float, *, statistics: Sequence[str]
    ) -> list[dict[str, Any]]:
        answer = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=_dimensions(function),
            StartTime=self._start(hours),
            EndTime=self._end(),
            Period=int(hours * 3600),
            Statistics=list(statistics),
        )
        points: list[dict[str, Any]] = answer["Datapoints"]
        return points

    def _end(self) -> datetime:
        return self.now().replace(second=0, microsecond=0)

    def _start(self, hours: float) -> datetime:
        return self._end() - timedelta(hours=hours)

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def _dimensions(function: str | None) -> list[dict[str, str]]:
    return [{"Name": "FunctionName", "Value": function}] if function else []


@functools.cache
def _session() -> Any:
    """One session for all witnesses: it reads no profile, file or variable of whoever runs this.

    Making one for each account would cost more than all of its calls.
    """
    import os

    import botocore.session

    return botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "ca_bundle": (None, None, None, None),
        }
    )


@functools.cache
def operations_of(service: str) -> tuple[str, ...]:
    """The names of a service's operations; empty for a service that nobody knows."""
    from botocore.exceptions import UnknownServiceError

    try:
        with _CREATING:
            model = _session().get_service_model(service)
    except UnknownServiceError:
        return ()
    return tuple(model.operation_names)
