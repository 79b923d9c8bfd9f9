"""CloudWatch answers what AWS answered, in each of its three protocols (requests rebuilt by name)."""

from __future__ import annotations

import copy
import datetime as dt
import functools
import importlib.util
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

_spec = importlib.util.spec_from_file_location(
    "sandbox_conformance", Path(__file__).with_name("conformance.py")
)
conformance = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(conformance)

PROTOCOLS = ("query", "json", "smithy-rpc-v2-cbor")
TOPIC = "arn:aws:sns:us-east-1:123456789012:topic"
# Whole recorded tests that are about something that the sandbox does not have.
OUTSIDE = {
    "test_alarm_lambda_target": "the event that an alarm sends to a function, no answer of the API",
    "test_aws_sqs_metrics_created": "metrics of SQS, which is not part of the sandbox",
    "sqs-msg": "a message that SNS delivers, no answer of the API",
    "test_basic_operations_multiple_protocols": "raw bodies; test_cloudwatch_protocols.py has them",
    "test_exception_serializing_with_no_shape_in_spec": "raw bodies, as above",
}
# Differences that stay (the end of a path) with their reason.
KNOWN = {
    ".LogAlarms: AWS does not say it": "a member that the API got after the recording",
    "'error-invalid-state', '.message: AWS does not say it')": "the client's model got the error's "
    "shape after the recording, and now shows its message twice; the body is the same",
}
_accounts = itertools.count(310_000_000_001)


@functools.cache
def session_for(protocol: str) -> Any:
    """A session whose clients speak one of the protocols, whatever the model prefers."""
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    original = loader.load_service_model

    @functools.cache
    def load(name: str, kind: str, api_version: str | None = None) -> Any:
        model = original(name, kind, api_version)
        if (name, kind) == ("cloudwatch", "service-2"):
            model = copy.deepcopy(model)
            model["metadata"].update(protocols=[protocol], protocol=protocol)
        return model

    loader.load_service_model = load
    return boto3.Session(botocore_session=session)


def client(server: Any, protocol: str, account: str) -> Any:
    """A client of an account that speaks a protocol."""
    return session_for(protocol).client(
        "cloudwatch",
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=account,
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False),
    )


class Actor:
    """Does what the recorded tests did, by their names."""

    def __init__(self, server: Any, protocol: str) -> None:
        self.server = server
        self.protocol = protocol
        self.said: dict[tuple[str, str], Any] = {}
        self.start()

    def start(self) -> None:
        """A fresh account, so that tests do not see each other."""
        self.account = str(next(_accounts))
        self.cw = client(self.server, self.protocol, account=self.account)
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.minute = now.replace(second=0) - dt.timedelta(minutes=1)
        self.end = self.minute + dt.timedelta(minutes=1)

    def note(self, test: str, response: str, call: Callable[..., Any], **arguments: Any) -> Any:
        try:
            self.said[test, response] = call(**arguments)
        except ClientError as error:
            self.said[test, response] = error.response
        return self.said[test, response]

    def put(self, name: str, *values: float, unit: str | None = None, **more: Any) -> None:
        for value in values:
            datum = {"MetricName": name, "Value": value, "Timestamp": self.minute, **more}
            if unit:
                datum["Unit"] = unit
            self.cw.put_metric_data(Namespace="ns", MetricData=[datum])

    def query(
        self, query_id: str, name: str, stat: str = "Sum", period: int = 60, **more: Any
    ) -> dict:
        metric = {"Namespace": "ns", "MetricName": name}
        metric.update({key: more.pop(key) for key in ("Dimensions",) if key in more})
        return {
            "Id": query_id,
            "MetricStat": {"Metric": metric, "Period": period, "Stat": stat, **more},
        }

    def ask(self, test: str, response: str, *queries: dict) -> None:
        self.note(
            test,
            response,
            self.cw.get_metric_data,
            MetricDataQueries=list(queries),
            StartTime=self.minute,
            EndTime=self.end,
        )

    def metric_values(self) -> None:
        self.put("m-list", unit="Count", Values=[1.0, 10.0], Counts=[2, 4])
        self.cw.put_metric_data(
            Namespace="ns",
            MetricData=[
                {
                    "MetricName": "test-metric",
                    "Values": [1.0, 10.0],
                    "Counts": [2, 4],
                    "Timestamp": self.minute,
                    "Unit": "Count",
                }
            ],
        )
        window = {"Namespace": "ns", "Period": 60, "StartTime": self.minute, "EndTime": self.end}
        self.note(
            "test_put_metric_data_values_list",
            "get_metric_statistics",
            self.cw.get_metric_statistics,
            MetricName="test-metric",
            Statistics=["Maximum", "SampleCount", "Sum"],
            **window,
        )
        self.put("metric", *range(10))
        self.note(
            "test_get_metric_statistics",
            "get_metric_statistics",
            self.cw.get_metric_statistics,
            MetricName="metric",
            Statistics=["Average", "Sum", "Minimum", "Maximum", "SampleCount"],
            **window,
        )
        self.put("m-test", 10)
        self.put("m-test", 5, unit="Count")
        self.put("m-test", 1, unit="Seconds")
        reply = self.note(
            "test_handle_different_units",
            "get_metric_statistics_with_different_units",
            self.cw.get_metric_statistics,
            MetricName="m-test",
            Statistics=["Average"],
            **window,
        )
        order = ["None", "Count", "Seconds"]  # AWS gives datapoints in no order
        reply["Datapoints"].sort(key=lambda point: order.index(point["Unit"]))
        self.ask(
            "test_get_metric_data_with_different_units",
            "get_metric_data_with_different_units",
            self.query("m1", "m-test", "Average", Unit="Seconds"),
        )
        test = "test_put_metric_data_validation"
        bad = {"MetricName": "x"}
        for response, datum in (
            ("invalid-param-combination", {"Value": 1.0, "Values": [1.0]}),
            ("invalid-param-value", {"Values": [1.0, 2.0], "Counts": [1.0]}),
            (
                "invalid-param-combination-2",
                {
                    "Value": 1.0,
                    "StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1},
                },
            ),
        ):
            self.note(
                test,
                response,
                self.cw.put_metric_data,
                Namespace="ns",
                MetricData=[{**bad, **datum}],
            )

    def metric_data(self) -> None:
        self.put("metric1", 20, 30)
        self.put("metric2", 25)
        self.put("metric3", 55)
        self.ask(
            "test_get_metric_data_for_multiple_metrics",
            "get_metric_data",
            *(self.query(f"result{i}", f"metric{i}") for i in (1, 2, 3)),
        )
        self.start()
        self.put("metric1", *range(1, 12))
        for stat in ("Sum", "SampleCount", "Minimum", "Maximum", "Average"):
            self.ask(
                f"test_get_metric_data_stats[P-{stat}]",
                "get_metric_data",
                self.query("result1", "metric1", stat),
            )
        dimension = [{"Name": "InstanceId", "Value": "one"}]
        self.put("metric1", 11, Dimensions=dimension)
        self.ask(
            "test_get_metric_data_with_dimensions",
            "get_metric_data",
            self.query("result1", "metric1", Dimensions=dimension),
        )
        self.start()
        for number, units in enumerate(
            (
                {"Milliseconds": 60000, "Seconds": 60},
                {"Milliseconds": 120000, "Seconds": 60},
                {"Count": 5, "Milliseconds": 60000, "Seconds": 60},
            )
        ):
            self.start()
            for unit, value in units.items():
                self.put("m-test", value, unit=unit)
            self.ask(
                f"test_get_metric_data_different_units_no_unit_in_query[P-metric_data{number}]",
                "get_metric_data_with_no_unit_specified",
                self.query("m1", "m-test", "Average"),
            )
        self.start()
        self.put("metric1", 0, 1.5, 2, 3, 10, 100)
        self.ask(
            "test_get_metric_data_with_zero_and_labels",
            "get_metric_data_with_zero_and_labels",
            *(
                self.query(f"result_{stat}", "metric1", stat)
                for stat in ("Average", "Sum", "Minimum", "Maximum")
            ),
        )
        self.ask(
            "test_get_metric_with_null_dimensions",
            "get_metric_with_null_dimensions",
            self.query("m1", "nothing", Dimensions=[{"Name": "a", "Value": "b"}]),
        )
        self.ask("test_get_metric_with_no_results", "result", self.query("result", "nothing"))

    def labels(self) -> None:
        pairs = (
            (("Sum", 60, "Seconds"), ("Minimum", 30, "Seconds")),
            (("Sum", 60, "Seconds"), ("Minimum", 60, "Seconds")),
            (("Sum", 60, "Seconds"), ("Sum", 30, "Seconds")),
            (("Sum", 60, "Seconds"), ("Minimum", 30, "Milliseconds")),
            (("Sum", 60, "Seconds"), ("Minimum", 60, "Milliseconds")),
            (("Sum", 60, "Seconds"), ("Sum", 30, "Milliseconds")),
            (("Sum", 60, "Seconds"), ("Sum", 60, "Milliseconds")),
        )
        self.start()
        self.put("metric1", 0, 9, 100, unit="Seconds")
        for number, queries in enumerate(pairs):
            self.ask(
                f"test_label_generation[P-input_pairs{number}]",
                "label_generation",
                *(
                    self.query(f"result_{stat}_{period}_{unit}", "metric1", stat, period, Unit=unit)
                    for stat, period, unit in queries
                ),
            )


def _part(name: str) -> Any:
    """What was done about one subject: each is a file of its own."""
    spec = importlib.util.spec_from_file_location(
        f"sandbox_{name}", Path(__file__).with_name(f"{name}.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.shared
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_recorded_answer_of_cloudwatch_is_met(shared_dir, server, protocol):
    actor = Actor(server, protocol)
    for act in (
        actor.metric_values,
        actor.metric_data,
        actor.labels,
    ):
        act()
    for part in ("conformance_definitions", "conformance_alarms"):
        _part(part).act(actor)
    wanted = {}
    cases = conformance.recorded(shared_dir, "test_cloudwatch.snapshot.json")
    for (test, response), content in cases.items():
        name = test.replace(f"[{protocol}]", "").replace(f"[{protocol}-", "[P-")
        foreign = any(f"[{other}" in name for other in PROTOCOLS)
        if not foreign and not any(
            word in (*name.split("["), response) or response.endswith(word) for word in OUTSIDE
        ):
            wanted[name, response] = content
    assert set(actor.said) >= set(wanted)
    found = [
        (*case, line)
        for case, content in sorted(wanted.items())
        for line in conformance.differences(content, actor.said[case])
        if not any(line.endswith(end) or repr((*case, line)).endswith(end) for end in KNOWN)
    ]
    assert not found, "\n".join(map(str, found))
    errors = [case for case, content in wanted.items() if "Error" in content]
    assert (len(wanted), len(errors)) == (91, 8)
