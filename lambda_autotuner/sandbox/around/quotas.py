"""Service Quotas of AWS Lambda: the concurrency limit that the account really has, and the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

CONCURRENCY: Final = "L-B99A9384"
# code -> (name, default, unit, adjustable)
_LAMBDA: Final[dict[str, tuple[str, float, str, bool]]] = {
    CONCURRENCY: ("Concurrent executions", 1000.0, "None", True),
    "L-2ACBD22F": ("Function and layer storage", 75.0, "Gigabytes", True),
    "L-9FEE3D26": ("Elastic network interfaces per VPC", 500.0, "None", True),
}
_NAMES: Final = {
    "lambda": "AWS Lambda",
    "monitoring": "Amazon CloudWatch",
    "logs": "Amazon CloudWatch Logs",
}


@dataclass(slots=True)
class QuotaRequests:
    """Requests for higher quotas, in order."""

    requests: list[dict[str, Any]] = field(default_factory=list)

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        for item in self.requests:
            item["Created"] -= delta_ms
            item["LastUpdated"] -= delta_ms


def _quota(call: Call, service: str, code: str, *, default: bool) -> dict[str, Any]:
    if service != "lambda" or code not in _LAMBDA:
        raise ServiceError(
            "NoSuchResourceException", "The request failed because the specified quota or service "
            "does not exist."
        )  # fmt: skip
    name, value, unit, adjustable = _LAMBDA[code]
    applied = value
    if code == CONCURRENCY and not default:
        applied = float(call.region.concurrency_limit)
    return {
        "ServiceCode": service,
        "ServiceName": _NAMES[service],
        "QuotaArn": f"arn:aws:servicequotas:{call.region_name}:"
        + (f":{service}/{code}" if default else f"{call.account_id}:{service}/{code}"),
        "QuotaCode": code,
        "QuotaName": name,
        "Value": applied,
        "Unit": unit,
        "Adjustable": adjustable,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": None if default else "ACCOUNT",
    }


@operation("service-quotas", "GetServiceQuota")
def get_service_quota(call: Call, params: Params) -> Result:
    """A quota as it applies to the account."""
    return {"Quota": _quota(call, params["ServiceCode"], params["QuotaCode"], default=False)}


@operation("service-quotas", "GetAWSDefaultServiceQuota")
def get_aws_default_service_quota(call: Call, params: Params) -> Result:
    """A quota as every account starts with."""
    return {"Quota": _quota(call, params["ServiceCode"], params["QuotaCode"], default=True)}


def _list(call: Call, params: Params, *, default: bool) -> Result:
    if params["ServiceCode"] not in _NAMES:
        raise ServiceError(
            "NoSuchResourceException", "The request failed because the specified service does not "
            "exist."
        )  # fmt: skip
    codes = list(_LAMBDA) if params["ServiceCode"] == "lambda" else []
    wanted = params.get("QuotaCode")
    return {
        "Quotas": [
            _quota(call, "lambda", code, default=default)
            for code in codes
            if wanted in (None, code)
        ]
    }


@operation("service-quotas", "ListServiceQuotas")
def list_service_quotas(call: Call, params: Params) -> Result:
    """The account's quotas of a service."""
    return _list(call, params, default=False)


@operation("service-quotas", "ListAWSDefaultServiceQuotas")
def list_aws_default_service_quotas(call: Call, params: Params) -> Result:
    """Every account's quotas of a service."""
    return _list(call, params, default=True)


@operation("service-quotas", "ListServices")
def list_services(call: Call, params: Params) -> Result:
    """Services whose quotas are known here."""
    del call, params
    return {
        "Services": [
            {"ServiceCode": code, "ServiceName": name} for code, name in sorted(_NAMES.items())
        ]
    }


@operation("service-quotas", "RequestServiceQuotaIncrease")
def request_service_quota_increase(call: Call, params: Params) -> Result:
    """Raise a quota; the sandbox approves at once, and concurrency really rises."""
    quota = _quota(call, params["ServiceCode"], params["QuotaCode"], default=False)
    desired = float(params["DesiredValue"])
    if not quota["Adjustable"] or desired <= quota["Value"]:
        raise ServiceError(
            "IllegalArgumentException",
            "You must provide a quota value greater than the current quota value."
            if quota["Adjustable"]
            else "The quota is not adjustable.",
        )
    if params["QuotaCode"] == CONCURRENCY:
        call.region.concurrency_limit = int(desired)
    request = {
        "Id": call.token(40),
        "ServiceCode": params["ServiceCode"],
        "ServiceName": quota["ServiceName"],
        "QuotaCode": params["QuotaCode"],
        "QuotaName": quota["QuotaName"],
        "DesiredValue": desired,
        "Status": "APPROVED",
        "Created": call.now_ms,
        "LastUpdated": call.now_ms,
        "Requester": _requester(call),
        "QuotaArn": quota["QuotaArn"],
        "GlobalQuota": False,
        "Unit": quota["Unit"],
    }
    call.state("quota-requests", QuotaRequests).requests.append(request)
    return {"RequestedQuota": request}


def _requester(call: Call) -> str:
    return f'{{"accountId":"{call.account_id}","callerArn":"{call.principal.arn}"}}'


@operation("service-quotas", "ListRequestedServiceQuotaChangeHistory")
def list_requested_service_quota_change_history(call: Call, params: Params) -> Result:
    """Requests for higher quotas."""
    found = call.state("quota-requests", QuotaRequests).requests
    return {
        "RequestedQuotas": [
            item for item in found if params.get("ServiceCode") in (None, item["ServiceCode"])
        ]
    }
