"""How large and how fast the embedded account is, beside moto where moto has the operation.

Run `python -m benchmarks.sandbox [--json OUT]`. The sandbox is a process of its own and is spoken
to over HTTP; moto answers inside the caller's process, without HTTP, which favours moto.
"""

from __future__ import annotations

import argparse
import datetime as dt
import http.client
import io
import json
import resource
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.config

from lambda_autotuner.sandbox.process import SandboxProcess, start_private

FUNCTIONS = 10_000
QUERIES = 500
INVOKES = 2_000
WARM_UP = 50
MOTO_FUNCTIONS = 200
LIMITS = {
    "seed_seconds": 2.0,
    "seed_memory_mb": 400.0,
    "list_seconds": 2.0,
    "queries_seconds": 1.5,
    "invokes_per_second": 500.0,
}
_SEED_CODE = """
import json, resource, time
from lambda_autotuner.sandbox.serving import Options, build_world
started, cpu = time.perf_counter(), time.process_time()
region = build_world(Options(functions={functions})).account("123456789012").region("us-east-1")
seconds, used = time.perf_counter() - started, time.process_time() - cpu
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, used, peak, len(region.functions)]))
"""


def client(service: str, endpoint_url: str | None) -> Any:
    """A boto3 client of the sandbox, or of moto without an endpoint."""
    connect: Any = boto3.client
    return connect(
        service,
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="123456789012",
        aws_secret_access_key="benchmark",  # noqa: S106 - opens nothing
        config=botocore.config.Config(retries={"max_attempts": 0}, read_timeout=120),
    )


def seeded(functions: int) -> tuple[float, float, float]:
    """(seconds, CPU seconds, peak MB) of making an account with 14 days behind it, in a process of its own."""
    code = _SEED_CODE.format(functions=functions)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    seconds, used, peak_mb, count = json.loads(done.stdout)
    assert count == functions
    return float(seconds), float(used), float(peak_mb)


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    """(seconds, result) of an action."""
    started = time.perf_counter()
    result = action()
    return time.perf_counter() - started, result


def cpu_seconds(pid: int) -> float:
    """CPU time of a process on Linux, whatever else the machine is doing."""
    return time.clock_gettime((~pid << 3) | 2)


def worked(server: SandboxProcess, action: Callable[[], Any]) -> tuple[float, float, Any]:
    """(seconds, CPU seconds of server and client together, result) of an action."""
    server_before, own_before = cpu_seconds(server.pid), time.process_time()
    seconds, result = timed(action)
    used = cpu_seconds(server.pid) - server_before + time.process_time() - own_before
    return seconds, used, result


def list_all(functions: Any) -> list[str]:
    """All names, page by page."""
    pages = functions.get_paginator("list_functions").paginate()
    return [item["FunctionName"] for page in pages for item in page["Functions"]]


def percentile_queries(names: list[str], now: dt.datetime) -> dict[str, Any]:
    """One GetMetricData call: p95 of Duration over 24 hours for 500 functions."""
    queries = [
        {
            "Id": f"q{index}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Lambda",
                    "MetricName": "Duration",
                    "Dimensions": [{"Name": "FunctionName", "Value": name}],
                },
                "Period": 86_400,
                "Stat": "p95",
            },
        }
        for index, name in enumerate(names[:QUERIES])
    ]
    return {
        "MetricDataQueries": queries,
        "StartTime": now - dt.timedelta(hours=24),
        "EndTime": now,
    }


def invoke_rate(server: SandboxProcess) -> float:
    """Invocations with a tail log per second, one after the other over one connection."""
    port = int(server.endpoint_url.rsplit(":", 1)[1])
    scope = "Credential=123456789012/20260101/us-east-1/lambda/aws4_request"
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0",
        "x-amz-log-type": "Tail",
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def one() -> None:
        path = "/2015-03-31/functions/image-resize/invocations"
        connection.request("POST", path, b"{}", headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == http.client.OK

    for _ in range(WARM_UP):
        one()
    rate = per_second(one, INVOKES)
    connection.close()
    return rate


def per_second(action: Callable[[], Any], count: int) -> float:
    """How often an action is done in a second."""
    seconds, _ = timed(lambda: [action() for _ in range(count)])
    return count / seconds


@contextmanager
def moto_account() -> Iterator[Any]:
    """Moto inside this process, with some functions in it."""
    from moto import mock_aws

    with mock_aws():
        role = client("iam", None).create_role(
            RoleName="r", AssumeRolePolicyDocument="{}", Path="/service-role/"
        )["Role"]["Arn"]
        functions = client("lambda", None)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("app.py", "def handler(event, context): return 1")
        for index in range(MOTO_FUNCTIONS):
            functions.create_function(
                FunctionName=f"f{index}",
                Runtime="python3.12",
                Role=role,
                Handler="app.handler",
                Code={"ZipFile": buffer.getvalue()},
            )
        yield functions


def measure() -> dict[str, Any]:
    """All figures of one run."""
    figures: dict[str, Any] = {}
    seconds, used, peak_mb = seeded(FUNCTIONS)
    figures |= {"seed_seconds": seconds, "seed_cpu_seconds": used, "seed_memory_mb": peak_mb}
    with start_private(functions=FUNCTIONS) as server:
        functions = client("lambda", server.endpoint_url)
        list_all(functions)
        seconds, used, names = worked(server, lambda: list_all(functions))
        figures["list_seconds"], figures["list_cpu_seconds"] = seconds, used
        assert len(names) == FUNCTIONS
        metrics = client("cloudwatch", server.endpoint_url)
        request = percentile_queries(names, dt.datetime.now(dt.UTC))
        seconds, used, answer = worked(server, lambda: metrics.get_metric_data(**request))
        figures["queries_seconds"], figures["queries_cpu_seconds"] = seconds, used
        figures["queries_with_values"] = sum(
            bool(result["Values"]) for result in answer["MetricDataResults"]
        )
    with start_private() as server:
        _, used, rate = worked(server, lambda: invoke_rate(server))
        figures["invokes_per_second"] = rate
        figures["invokes_per_cpu_second"] = (INVOKES + WARM_UP) / used
        functions = client("lambda", server.endpoint_url)
        name = "image-resize"
        figures["get_configuration_per_second"] = per_second(
            lambda: functions.get_function_configuration(FunctionName=name), 300
        )
        figures["list_us_per_function"] = 1e6 * min(
            timed(lambda: list_all(functions))[0] / len(list_all(functions)) for _ in range(3)
        )
    figures["moto"] = measure_moto()
    figures["client_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def measure_moto() -> dict[str, Any]:
    """Moto's figures for what it has; None with a reason for what it has not."""
    figures: dict[str, Any] = {}
    with moto_account() as functions:
        figures["get_configuration_per_second"] = per_second(
            lambda: functions.get_function_configuration(FunctionName="f1"), 300
        )
        seconds, names = timed(lambda: list_all(functions))
        figures["list_us_per_function"] = 1e6 * seconds / len(names)
        metrics = client("cloudwatch", None)
        metrics.put_metric_data(
            Namespace="AWS/Lambda", MetricData=[{"MetricName": "Duration", "Value": 1.0}]
        )
        request = percentile_queries(["f1"], dt.datetime.now(dt.UTC))
        try:
            metrics.get_metric_data(**request)
            figures["percentiles"] = "answered"
        except Exception as error:  # noqa: BLE001 - whatever moto raises is the figure
            figures["percentiles"] = f"not answered: {type(error).__name__}"
    figures["invokes_per_second"] = None  # it needs a container engine
    return figures


def show(figures: dict[str, Any]) -> bool:
    """Print the figures with their limits; False when one is missed."""
    higher = {"invokes_per_second"}
    good = True
    for name, limit in LIMITS.items():
        value = figures[name]
        kept = value >= limit if name in higher else value <= limit
        good &= kept
        sign = ">=" if name in higher else "<="
        print(f"{name:32s} {value:10.2f}   {sign} {limit:g}   {'kept' if kept else 'MISSED'}")
    print("CPU time of server and client, whatever else the machine does:")
    for name in ("seed_cpu_seconds", "list_cpu_seconds", "queries_cpu_seconds"):
        print(f"{name:32s} {figures[name]:10.2f}")
    print(f"{'invokes_per_cpu_second':32s} {figures['invokes_per_cpu_second']:10.0f}")
    print(f"{'p95 queries with values':32s} {figures['queries_with_values']:10d} of {QUERIES}")
    moto = figures["moto"]
    print("\nbeside moto (in process, no HTTP)    sandbox        moto")
    for name in ("get_configuration_per_second", "list_us_per_function"):
        print(f"{name:32s} {figures[name]:11.1f} {moto[name]:11.1f}")
    print(
        f"{'invokes_per_second':32s} {figures['invokes_per_second']:11.1f}        none (needs containers)"
    )
    print(f"{'p95 in GetMetricData':32s}    answered   {moto['percentiles']}")
    return good


def main() -> int:
    """Measure, print, and say by the exit code whether the limits were kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    figures = measure()
    kept = show(figures)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
