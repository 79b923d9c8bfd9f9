"""The sequence of calls that other people's tuners make, from boto3 and from JavaScript."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import pytest

SIZES = (128, 256, 512, 1024, 1536, 3008)
SCRIPT = Path(__file__).with_name("javascript") / "tuner.cjs"


def sample(functions: Any, name: str, alias: str) -> dict[str, float]:
    answer = functions.invoke(FunctionName=name, Qualifier=alias, LogType="Tail", Payload=b"{}")
    assert "FunctionError" not in answer
    log = base64.b64decode(answer["LogResult"]).decode()
    found = re.findall(r"\t([A-Z][A-Za-z ]+): ([\d.]+) (?:ms|MB)", log)
    return {key: float(value) for key, value in found}


@pytest.mark.parametrize("parallel", [1, 10])
def test_versions_and_aliases_per_size(functions: Any, connect: Callable[..., Any], parallel: int):
    name = "cart-service"
    before = functions.get_function_configuration(FunctionName=name)
    versions = functions.list_versions_by_function(FunctionName=name)["Versions"]
    made = {}
    for size in SIZES:
        functions.update_function_configuration(FunctionName=name, MemorySize=size)
        functions.get_waiter("function_updated_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 100}
        )
        number = functions.publish_version(FunctionName=name)["Version"]
        with pytest.raises(functions.exceptions.ResourceNotFoundException):
            functions.get_alias(FunctionName=name, Name=f"RAM{size}")
        functions.create_alias(FunctionName=name, Name=f"RAM{size}", FunctionVersion=number)
        made[size] = number
    assert len(set(made.values())) == len(SIZES)
    typical = {}
    for size in SIZES:
        config = functions.get_function_configuration(FunctionName=name, Qualifier=f"RAM{size}")
        assert (config["MemorySize"], config["State"]) == (size, "Active")
        with ThreadPoolExecutor(parallel) as pool:
            runs = list(
                pool.map(lambda _, alias=f"RAM{size}": sample(functions, name, alias), range(10))
            )
        assert {run["Memory Size"] for run in runs} == {size}
        # A version's first environments are new; whoever calls one after the other meets one only.
        colds = sum("Init Duration" in run for run in runs)
        assert colds == 1 if parallel == 1 else colds >= 1
        warm = [run["Duration"] for run in runs if "Init Duration" not in run]
        # One of a hundred takes several times as long: medians do not mind.
        typical[size] = median(warm) if warm else 0.0
    if parallel == 1:
        assert typical[128] > 2 * typical[512] > 2 * typical[3008] * 0.9
    for size, number in made.items():
        functions.delete_alias(FunctionName=name, Name=f"RAM{size}")
        functions.delete_function(FunctionName=name, Qualifier=number)
    functions.update_function_configuration(FunctionName=name, MemorySize=before["MemorySize"])
    left = functions.list_versions_by_function(FunctionName=name)["Versions"]
    assert [item["Version"] for item in left] == [item["Version"] for item in versions]


def test_memory_and_timeout_on_latest_and_prices(functions: Any, connect: Callable[..., Any]):
    # How a tuner explores that sets $LATEST itself and looks prices up.
    name = "geo-lookup"
    durations = {}
    for size in (128, 1088, 3008):
        functions.update_function_configuration(FunctionName=name, MemorySize=size, Timeout=900)
        functions.get_waiter("function_updated").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 100}
        )
        with ThreadPoolExecutor(4) as pool:
            runs = list(pool.map(lambda _: sample(functions, name, "$LATEST"), range(8)))
        assert {run["Memory Size"] for run in runs} == {size}
        durations[size] = min(run["Duration"] for run in runs)
    assert durations[128] > durations[1088] >= durations[3008]
    products = connect("pricing").get_products(
        ServiceCode="AWSLambda",
        Filters=[{"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"}],
    )["PriceList"]
    groups = {
        re.findall(r'"group"\s*:\s*"([^"]+)"', text)[0] for text in products if '"group"' in text
    }
    assert {"AWS-Lambda-Duration", "AWS-Lambda-Duration-ARM", "AWS-Lambda-Requests"} <= groups
    duration = next(
        text for text in products if re.search(r'"group"\s*:\s*"AWS-Lambda-Duration"', text)
    )
    prices = [float(each) for each in re.findall(r'\{"USD"\s*:\s*"([.\d]*)"}', duration)]
    assert max(prices) == pytest.approx(0.0000166667)


def packages(repository: Path) -> str:
    """Where the SDK's packages are: CI installs them below `.ci/node`."""
    for place in (
        os.environ.get("NODE_PATH", ""),
        str(repository / ".ci" / "node" / "node_modules"),
    ):
        if place and (Path(place) / "@aws-sdk" / "client-lambda").is_dir():
            return place
    pytest.skip("AWS's SDK for JavaScript is neither in NODE_PATH nor in .ci/node (npm install)")


@pytest.mark.parametrize("cold_only", [False, True])
def test_the_sdk_for_javascript(server, account_id: str, repository: Path, cold_only):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    order = json.dumps(["chat-webhook", [256, 1024], 5, cold_only])
    environment = {
        "PATH": os.environ["PATH"], "NODE_PATH": packages(repository), "NODE_NO_WARNINGS": "1",
        "AWS_ENDPOINT_URL": server.endpoint_url, "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": account_id, "AWS_SECRET_ACCESS_KEY": "sandbox",
    }  # fmt: skip
    done = subprocess.run(
        [node, str(SCRIPT), order], env=environment, capture_output=True, text=True, timeout=240,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["before"] == seen["after"]
    assert seen["events"] == ["PayloadChunk", "InvokeComplete"]
    assert all(item["missing"] for item in seen["made"])
    for size, runs in seen["samples"].items():
        assert len(runs) == 5
        assert {run["memory"] for run in runs} == {int(size)}
        assert all(run["billed"] >= run["duration"] > 0 for run in runs)
        if cold_only:
            assert all(run["init"] is not None for run in runs)
    assert seen["counted"] == ([1, 1] if cold_only else [5, 5])
