"""Dashboards, and the tags of everything in CloudWatch that has any."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.cloudwatch.alarm_book import book
from lambda_autotuner.sandbox.cloudwatch.metrics import value_error
from lambda_autotuner.sandbox.cloudwatch.paging import offset_of, token_for
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_PAGE: Final = 1000


@dataclass(slots=True)
class Dashboard:
    """A dashboard's body as it was put."""

    name: str
    body: str
    modified_ms: int


@dataclass(slots=True)
class Kept:
    """Definitions of an account and region."""

    detectors: list[dict[str, Any]] = field(default_factory=list)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    streams: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        for stream in self.streams.values():
            stream["CreationDate"] -= delta_ms
            stream["LastUpdateDate"] -= delta_ms


@dataclass(slots=True)
class Dashboards:
    """Dashboards of an account; they have no region."""

    dashboards: dict[str, Dashboard] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        for dashboard in self.dashboards.values():
            dashboard.modified_ms -= delta_ms


def kept(call: Call) -> Kept:
    """Definitions of the account and region that a request is about."""
    return call.state("cloudwatch-definitions", Kept)


def _dashboards(call: Call) -> dict[str, Dashboard]:
    return call.account_state("cloudwatch-dashboards", Dashboards).dashboards


def _dashboard_arn(call: Call, name: str) -> str:
    return f"arn:aws:cloudwatch::{call.account_id}:dashboard/{name}"


@operation("cloudwatch", "PutDashboard")
def put_dashboard(call: Call, params: Params) -> Result:
    """Make or replace a dashboard."""
    name = params["DashboardName"]
    if not _NAME.match(name):
        raise value_error(
            "The value for field DashboardName contains invalid characters. It can only contain "
            "alphanumerics, dash (-) and underscore (_).\n"
        )
    try:
        body = json.loads(params["DashboardBody"])
    except ValueError as error:
        raise ServiceError(
            "DashboardInvalidInputError", "The field DashboardBody must be a valid JSON object"
        ) from error
    if not isinstance(body, dict):
        raise ServiceError(
            "DashboardInvalidInputError", "The field DashboardBody must be a valid JSON object"
        )
    _dashboards(call)[name] = Dashboard(name, params["DashboardBody"], call.now_ms)
    return {"DashboardValidationMessages": []}


@operation("cloudwatch", "GetDashboard")
def get_dashboard(call: Call, params: Params) -> Result:
    """A dashboard with its body."""
    name = params["DashboardName"]
    found = _dashboards(call).get(name)
    if found is None:
        raise ServiceError("DashboardNotFoundError", f"Dashboard {name} does not exist")
    return {
        "DashboardArn": _dashboard_arn(call, name),
        "DashboardBody": found.body,
        "DashboardName": name,
    }


@operation("cloudwatch", "ListDashboards")
def list_dashboards(call: Call, params: Params) -> Result:
    """Dashboards by name."""
    prefix = params.get("DashboardNamePrefix") or ""
    found = [item for name, item in sorted(_dashboards(call).items()) if name.startswith(prefix)]
    offset = offset_of(params.get("NextToken"), "dashboards")
    reply: dict[str, Any] = {
        "DashboardEntries": [
            {
                "DashboardName": item.name,
                "DashboardArn": _dashboard_arn(call, item.name),
                "LastModified": item.modified_ms,
                "Size": len(item.body.encode()),
            }
            for item in found[offset : offset + _PAGE]
        ]
    }
    if offset + _PAGE < len(found):
        reply["NextToken"] = token_for("dashboards", offset + _PAGE)
    return reply


@operation("cloudwatch", "DeleteDashboards")
def delete_dashboards(call: Call, params: Params) -> Result:
    """Delete dashboards, all of them or none."""
    found = _dashboards(call)
    for name in params["DashboardNames"]:
        if name not in found:
            raise ServiceError("DashboardNotFoundError", f"Dashboard {name} does not exist")
    for name in params["DashboardNames"]:
        found.pop(name)
    return {}


def _tags(call: Call, arn: str) -> dict[str, str] | None:
    """The tags of an alarm, rule or stream; None when there is no such resource."""
    if ":alarm:" in arn:
        alarm = book(call).alarms.get(arn.split(":alarm:", 1)[1])
        return alarm.tags if alarm is not None else None
    held = kept(call)
    name = arn.rsplit("/", 1)[-1]
    if name in held.rules or name in held.streams:
        return held.tags.setdefault(arn, {})
    return None


@operation("cloudwatch", "TagResource")
def tag_resource(call: Call, params: Params) -> Result:
    """Add tags."""
    held = _tags(call, params["ResourceARN"])
    if held is None:
        raise ServiceError("ResourceNotFoundException", "Unknown")
    held.update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
    return {}


@operation("cloudwatch", "UntagResource")
def untag_resource(call: Call, params: Params) -> Result:
    """Take tags away."""
    held = _tags(call, params["ResourceARN"])
    if held is None:
        raise ServiceError("ResourceNotFoundException", "Unknown")
    for key in params["TagKeys"]:
        held.pop(key, None)
    return {}


@operation("cloudwatch", "ListTagsForResource")
def list_tags_for_resource(call: Call, params: Params) -> Result:
    """Tags; an alarm that is gone has none."""
    held = _tags(call, params["ResourceARN"]) or {}
    return {"Tags": [{"Key": key, "Value": value} for key, value in held.items()]}
