"""Function URLs: their configuration. Requests to them are served by `url_serving`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.naming import refer
from lambda_autotuner.sandbox.functions.paging import page
from lambda_autotuner.sandbox.functions.records import FunctionRecord, function_arn
from lambda_autotuner.sandbox.functions.report import utc
from lambda_autotuner.sandbox.registry import Params, Result, operation
from lambda_autotuner.sandbox.wire.function_urls import PREFIX

BOOK: Final = "function-urls"


@dataclass(slots=True)
class UrlBook:
    """Which function, and which alias or "", each URL's id belongs to."""

    items: dict[str, tuple[str, str]] = field(default_factory=dict)


def _subject(call: Call, params: Params, words: str) -> tuple[FunctionRecord, str]:
    reference = refer(call, params["FunctionName"], params.get("Qualifier"))
    record = call.region.functions.get(reference.name)
    qualifier = reference.qualifier or ""
    if record is None or (qualifier and qualifier not in record.aliases):
        raise ServiceError("ResourceNotFoundException", words, 404)
    return record, qualifier


def _existing(call: Call, params: Params) -> tuple[FunctionRecord, str, dict[str, Any]]:
    words = "The resource you requested does not exist."
    record, qualifier = _subject(call, params, words)
    url = record.urls.get(qualifier)
    if url is None:
        raise ServiceError("ResourceNotFoundException", words, 404)
    return record, qualifier, url


@operation("lambda", "CreateFunctionUrlConfig")
def create_url(call: Call, params: Params) -> Result:
    """Give a function or an alias an address."""
    record, qualifier = _subject(call, params, "Function does not exist")
    if qualifier in record.urls:
        arn = function_arn(call.region_name, call.account_id, record.name, qualifier or None)
        raise ServiceError(
            "ResourceConflictException",
            "Failed to create function url config for [functionArn = "
            f"{arn}]. Error message:  FunctionUrlConfig exists for this Lambda function",
            409,
        )
    now = utc(call.now_ms)
    name = call.token(32)
    url: dict[str, Any] = {
        "UrlId": name,
        "FunctionArn": function_arn(
            call.region_name, call.account_id, record.name, qualifier or None
        ),
        "AuthType": params["AuthType"],
        "CreationTime": now,
        "LastModifiedTime": now,
        "InvokeMode": params.get("InvokeMode", "BUFFERED"),
    }
    if params.get("Cors"):
        url["Cors"] = params["Cors"]
    record.urls[qualifier] = url
    call.state(BOOK, UrlBook).items[name] = record.name, qualifier
    shown = _shown(call, url, params)
    del shown["LastModifiedTime"]
    return shown


def _whole(call: Call, url: dict[str, Any]) -> dict[str, Any]:
    # A port may be another one tomorrow: the address is made when somebody asks.
    told = {name: value for name, value in url.items() if name != "UrlId"}
    return {"FunctionUrl": f"{call.base_url}{PREFIX}{url['UrlId']}/", **told}


def _shown(call: Call, url: dict[str, Any], params: Params) -> dict[str, Any]:
    # The mode is told only to who asked for it; reading tells it always.
    hidden = set() if params.get("InvokeMode") else {"InvokeMode"}
    return {name: value for name, value in _whole(call, url).items() if name not in hidden}


@operation("lambda", "GetFunctionUrlConfig")
def get_url(call: Call, params: Params) -> Result:
    """The address of a function or an alias."""
    return _whole(call, _existing(call, params)[2])


@operation("lambda", "UpdateFunctionUrlConfig")
def update_url(call: Call, params: Params) -> Result:
    """Change how an address is guarded."""
    _subject(call, params, "Function does not exist")
    _, _, url = _existing(call, params)
    for name in ("AuthType", "Cors", "InvokeMode"):
        if params.get(name) is not None:
            url[name] = params[name]
    url["LastModifiedTime"] = utc(call.now_ms)
    return _shown(call, url, params)


@operation("lambda", "DeleteFunctionUrlConfig")
def delete_url(call: Call, params: Params) -> Result:
    """Take an address away."""
    record, qualifier, url = _existing(call, params)
    call.state(BOOK, UrlBook).items.pop(url["UrlId"], None)
    del record.urls[qualifier]
    return {}


@operation("lambda", "ListFunctionUrlConfigs")
def list_urls(call: Call, params: Params) -> Result:
    """All addresses of a function."""
    record, _ = _subject(call, params, "Function does not exist")
    return page("FunctionUrlConfigs", [_whole(call, url) for url in record.urls.values()], params)
