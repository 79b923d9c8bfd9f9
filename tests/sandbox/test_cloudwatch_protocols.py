"""CloudWatch's raw bodies in each protocol, and its limits and paging through boto3."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import xml.etree.ElementTree as ET
from typing import Any
from urllib.parse import urlencode, urlsplit

import cbor2
import pytest
from botocore.exceptions import ClientError

_SERVICE = "GraniteServiceVersion20100801"
_NAMESPACE = "{http://monitoring.amazonaws.com/doc/2010-08-01/}"


class Raw:
    """Speaks a protocol by hand, unsigned."""

    def __init__(self, server: Any, account: str) -> None:
        self.address = urlsplit(server.endpoint_url).netloc
        self.account = account

    def send(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict, bytes]:
        scope = f"{self.account}/20260101/us-east-1/monitoring/aws4_request"
        signature = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        connection = http.client.HTTPConnection(self.address)
        connection.request("POST", path, body, {"authorization": signature, **headers})
        response = connection.getresponse()
        found = response.status, dict(response.getheaders()), response.read()
        connection.close()
        return found

    def json(self, operation: str, params: dict) -> tuple[int, dict, Any]:
        headers = {
            "content-type": "application/x-amz-json-1.0",
            "x-amz-target": f"{_SERVICE}.{operation}",
        }
        status, sent, body = self.send("/", json.dumps(params).encode(), headers)
        return status, sent, json.loads(body or b"{}")

    def cbor(self, operation: str, params: dict) -> tuple[int, dict, Any]:
        headers = {"content-type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        path = f"/service/{_SERVICE}/operation/{operation}"
        status, sent, body = self.send(path, cbor2.dumps(params), headers)
        return status, sent, cbor2.loads(body) if body else {}

    def query(self, operation: str, params: dict) -> tuple[int, dict, ET.Element]:
        form = urlencode({"Action": operation, "Version": "2010-08-01", **params}).encode()
        headers = {"content-type": "application/x-www-form-urlencoded"}
        status, sent, body = self.send("/", form, headers)
        return status, sent, ET.fromstring(body)  # noqa: S314 - our own server


@pytest.fixture
def raw(server, account_id) -> Raw:
    return Raw(server, account_id)


WRONG = {"AlarmName": "a", "StateValue": "INVALID", "StateReason": "x"}
MISSING = {"AlarmName": "a", "StateValue": "OK", "StateReason": "x"}
WORDS = (
    "1 validation error detected: Value 'INVALID' at 'stateValue' failed to satisfy constraint: "
    "Member must satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]"
)


@pytest.mark.parametrize("protocol", ["json", "cbor"])
def test_raw_json_and_cbor_bodies_are_those_of_aws(raw, protocol):
    speak = getattr(raw, protocol)
    assert speak("DescribeAlarms", {})[2] == {
        "CompositeAlarms": [],
        "LogAlarms": [],
        "MetricAlarms": [],
    }
    status, headers, body = speak("SetAlarmState", WRONG)
    assert (status, body) == (
        400,
        {"__type": "com.amazon.coral.validate#ValidationException", "message": WORDS},
    )
    assert headers["x-amzn-query-error"] == "ValidationError;Sender"
    status, headers, body = speak("SetAlarmState", MISSING)
    assert (status, body) == (
        404,
        {"__type": "com.amazonaws.cloudwatch.v2010_08_01#ResourceNotFound"},
    )
    assert headers["x-amzn-query-error"] == "ResourceNotFound;Sender"


def test_raw_query_bodies_are_those_of_aws(raw):
    _, _, body = raw.query("DescribeAlarms", {})
    assert body.tag == f"{_NAMESPACE}DescribeAlarmsResponse"
    result = body.find(f"{_NAMESPACE}DescribeAlarmsResult")
    assert {child.tag.removeprefix(_NAMESPACE) for child in result} == {
        "CompositeAlarms",
        "LogAlarms",
        "MetricAlarms",
    }
    status, _, body = raw.query("SetAlarmState", WRONG)
    error = {child.tag.removeprefix(_NAMESPACE): child.text for child in body[0]}
    assert (status, error) == (
        400,
        {"Type": "Sender", "Code": "ValidationError", "Message": WORDS},
    )
    status, _, body = raw.query("SetAlarmState", MISSING)
    error = {child.tag.removeprefix(_NAMESPACE): child.text for child in body[0]}
    assert (status, error) == (404, {"Type": "Sender", "Code": "ResourceNotFound"})


def query(number: int, *, metric: str = "m", stat: str = "Sum", period: int = 60) -> dict:
    held = {"Namespace": "ns", "MetricName": metric}
    return {"Id": f"q{number}", "MetricStat": {"Metric": held, "Period": period, "Stat": stat}}


NOW = dt.datetime.now(dt.UTC).replace(second=0, microsecond=0)
HOUR = {"StartTime": NOW - dt.timedelta(hours=1), "EndTime": NOW}


def message(call, **arguments) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_more_than_500_queries_are_refused(connect):
    cw = connect("cloudwatch")
    assert message(
        cw.get_metric_data, MetricDataQueries=[query(n) for n in range(501)], **HOUR
    ) == (
        "ValidationError",
        "The collection MetricDataQueries must not have a size greater than 500.",
    )
    assert (
        len(
            cw.get_metric_data(MetricDataQueries=[query(n) for n in range(500)], **HOUR)[
                "MetricDataResults"
            ]
        )
        == 500
    )


@pytest.mark.parametrize(
    ("queries", "words"),
    [
        ([query(1), query(1)], "are not unique"),
        ([query(1, stat="p101")], "The value p101 for parameter MetricDataQueries.member.1.MetricStat.Stat"),
        ([query(1, period=45)], "The value 45 for parameter MetricDataQueries.member.1.MetricStat.Period"),
        ([{"Id": "E1", "Expression": "1"}], "expected pattern"),
        ([{"Id": "e1", "Expression": "nope * 2"}], "Error in expression 'e1': Unknown identifier 'nope'"),
        ([{"Id": "e1", "Expression": "SUM(("}], "Error in expression 'e1'"),
        ([{"Id": "e1", "Expression": "e2 + 1"}, {"Id": "e2", "Expression": "e1 + 1"}], "Circular"),
        ([{**query(1), "ReturnData": False}], "ReturnData"),
    ],
)  # fmt: skip
def test_malformed_queries_are_refused_by_name(connect, queries, words):
    code, text = message(connect("cloudwatch").get_metric_data, MetricDataQueries=queries, **HOUR)
    assert code == "ValidationError"
    assert words in text


def test_pages_hold_every_point_once_and_tokens_are_stable(connect):
    cw = connect("cloudwatch")
    minutes = [NOW - dt.timedelta(minutes=number) for number in range(1, 50)]
    for start in range(0, len(minutes), 20):
        cw.put_metric_data(
            Namespace="ns",
            MetricData=[
                {"MetricName": name, "Value": float(minute.minute), "Timestamp": minute}
                for minute in minutes[start : start + 20]
                for name in ("m", "n")
            ],
        )
    queries = [query(1), query(2, metric="n"), query(3, metric="none")]
    asked = {"MetricDataQueries": queries, **HOUR}
    whole = cw.get_metric_data(**asked)["MetricDataResults"]
    assert [len(item["Values"]) for item in whole] == [49, 49, 0]
    assert whole[0]["Timestamps"] == sorted(whole[0]["Timestamps"], reverse=True)
    pages = [cw.get_metric_data(**asked, MaxDatapoints=30)]
    while token := pages[-1].get("NextToken"):
        again = cw.get_metric_data(**asked, MaxDatapoints=30, NextToken=token)
        assert (
            again["MetricDataResults"]
            == cw.get_metric_data(**asked, MaxDatapoints=30, NextToken=token)["MetricDataResults"]
        )
        pages.append(again)
    held = {"q1": [], "q2": [], "q3": []}
    for page in pages:
        assert sum(len(item["Values"]) for item in page["MetricDataResults"]) <= 30
        for item in page["MetricDataResults"]:
            held[item["Id"]] += item["Values"]
    assert [held[item["Id"]] for item in whole] == [item["Values"] for item in whole]
    assert pages[0]["MetricDataResults"][0]["StatusCode"] == "PartialData"
    code, _ = message(
        cw.get_metric_data, **asked, MaxDatapoints=31, NextToken=pages[0]["NextToken"]
    )
    assert code == "InvalidNextToken"


def test_metric_math_works_over_the_wire(connect):
    cw = connect("cloudwatch")
    minute = NOW - dt.timedelta(minutes=5)
    data = [
        {"MetricName": name, "Value": value, "Timestamp": minute}
        for name, value in (("e", 3.0), ("i", 12.0))
    ]
    cw.put_metric_data(Namespace="ns", MetricData=data)
    reply = cw.get_metric_data(
        MetricDataQueries=[
            {**query(1, metric="e"), "ReturnData": False},
            {**query(2, metric="i"), "ReturnData": False},
            {"Id": "rate", "Expression": "100 * q1 / q2", "Label": "errors ${LAST} %"},
            {"Id": "filled", "Expression": "FILL(q1, 0)"},
            {"Id": "all", "Expression": "SEARCH('{ns} MetricName=\"e\"', 'Sum', 60)"},
        ],
        **HOUR,
    )["MetricDataResults"]
    assert [(item["Id"], item["Label"]) for item in reply] == [
        ("rate", "errors 25 %"), ("filled", "filled"), ("all", "e"),
    ]  # fmt: skip
    assert reply[0]["Values"] == [25.0]
    assert (len(reply[1]["Values"]), sum(reply[1]["Values"])) == (60, 3.0)
    assert reply[2]["Values"] == [3.0]


def test_statistic_sets_have_percentiles_only_where_they_are_distributions(connect):
    cw = connect("cloudwatch")
    minute = NOW - dt.timedelta(minutes=5)
    one = {"MetricName": "s", "Timestamp": minute}
    flat = {"SampleCount": 4.0, "Sum": 20.0, "Minimum": 5.0, "Maximum": 5.0}
    cw.put_metric_data(
        Namespace="ns", MetricData=[{**one, "StatisticValues": flat}, {**one, "Value": 10.0}]
    )
    ask = {"Namespace": "ns", "MetricName": "s", "Period": 60, **HOUR}
    (point,) = cw.get_metric_statistics(
        **ask, Statistics=["Average", "SampleCount"], ExtendedStatistics=["p50"]
    )["Datapoints"]
    assert (point["Average"], point["SampleCount"], point["ExtendedStatistics"]) == (
        6.0,
        5.0,
        {"p50": 5.0},
    )
    spread = {"SampleCount": 4.0, "Sum": 20.0, "Minimum": 1.0, "Maximum": 9.0}
    cw.put_metric_data(Namespace="ns", MetricData=[{**one, "StatisticValues": spread}])
    (point,) = cw.get_metric_statistics(**ask, Statistics=["Maximum"], ExtendedStatistics=["p50"])[
        "Datapoints"
    ]
    assert point["Maximum"] == 10.0
    assert "ExtendedStatistics" not in point


@pytest.mark.parametrize(
    ("datum", "code"),
    [
        ({"Value": float("nan")}, "InvalidParameterValue"),
        ({"Value": float("inf")}, "InvalidParameterValue"),
        ({}, "MissingParameter"),
        ({"Value": 1.0, "Timestamp": NOW - dt.timedelta(days=15)}, "InvalidParameterValue"),
        ({"Value": 1.0, "Timestamp": NOW + dt.timedelta(hours=3)}, "InvalidParameterValue"),
        ({"Value": 1.0, "Dimensions": [{"Name": f"d{n}", "Value": "v"} for n in range(31)]}, "Validation"),
    ],
)  # fmt: skip
def test_bad_data_is_refused(connect, datum, code):
    cw = connect("cloudwatch", parameter_validation=False)
    found, _ = message(
        cw.put_metric_data, Namespace="ns", MetricData=[{"MetricName": "x", **datum}]
    )
    assert found.startswith(code) or found == "InvalidParameterValue"
    assert not cw.list_metrics(Namespace="ns")["Metrics"]
