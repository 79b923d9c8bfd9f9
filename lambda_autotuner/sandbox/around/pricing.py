"""The Price List API for AWS Lambda, told from the product's price data file.

The engine reads the same file with code of its own; here it is only put into the shape of the
Price List: products with attributes, and on-demand terms with tiers.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from importlib import resources
from typing import Any, Final

import botocore.loaders

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.registry import Params, Result, operation

SERVICE: Final = "AWSLambda"
_TERM: Final = "JRTCKXETXF"
_PAGE: Final = 100
# Price list group, usage type, unit, description, and where the file has the price.
_PRODUCTS: Final = (
    ("AWS-Lambda-Duration", "Lambda-GB-Second", "Lambda-GB-Second",
     "Invocation duration weighted by memory assigned to function, measured in GB-s",
     "duration_tiers"),
    ("AWS-Lambda-Requests", "Request", "Requests", "Invocation call for a Lambda function",
     "request"),
    ("AWS-Lambda-Storage-Duration", "Lambda-Storage-GB-Second", "Lambda-GB-Second",
     "Ephemeral Storage allocated per GB*Sec", "ephemeral_gb_second"),
    ("AWS-Lambda-Provisioned-Concurrency", "Lambda-Provisioned-Concurrency", "Lambda-GB-Second",
     "Concurrency weighted by memory assigned to function, measured in GB-s",
     "provisioned_idle_gb_second"),
    ("AWS-Lambda-Duration-Provisioned", "Lambda-Provisioned-GB-Second", "Lambda-GB-Second",
     ("Invocation duration weighted by memory assigned to function, measured in GB-s for "
     "Provisioned Concurrency"), "provisioned_active_gb_second"),
)  # fmt: skip


@functools.cache
def _prices() -> dict[str, Any]:
    text = resources.files("lambda_autotuner.data").joinpath("prices.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@functools.cache
def _region_names() -> dict[str, str]:
    """Region code -> the name that the price list calls a location."""
    data = botocore.loaders.create_loader().load_data("endpoints")
    return {
        code: region["description"].replace("Europe", "EU")
        for partition in data["partitions"]
        for code, region in partition["regions"].items()
    }


@functools.cache
def _products() -> tuple[dict[str, Any], ...]:
    """Every product of every region in the file, in a stable order."""
    found = []
    for region, architectures in sorted(_prices()["regions"].items()):
        for architecture, prices in sorted(architectures.items(), reverse=True):
            for group, usage, unit, about, member in _PRODUCTS:
                if prices.get(member) is None:
                    continue
                suffix = "-ARM" if architecture == "arm64" else ""
                attributes = {
                    "group": group + suffix,
                    "groupDescription": about,
                    "usagetype": _usage(region, usage + suffix),
                    "regionCode": region,
                    "location": _region_names().get(region, region),
                    "locationType": "AWS Region",
                    "servicecode": SERVICE,
                    "servicename": "AWS Lambda",
                    "operation": "",
                }
                found.append(_product(attributes, unit, prices[member]))
    return tuple(found)


def _usage(region: str, usage: str) -> str:
    """Usage types carry a prefix outside of us-east-1."""
    if region == "us-east-1":
        return usage
    area, side, number = region.rsplit("-", 2)
    return f"{area.upper()}{''.join(part[0] for part in side.split('-')).upper()}{number}-{usage}"


def _product(attributes: dict[str, str], unit: str, price: Any) -> dict[str, Any]:
    name = "/".join(attributes[key] for key in ("regionCode", "group"))
    sku = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()[:16]
    tiers = price if isinstance(price, list) else [{"up_to_gb_seconds": None, "usd": price["usd"]}]
    begin = "0"
    dimensions = {}
    for number, tier in enumerate(tiers):
        upper = tier["up_to_gb_seconds"]
        end = "Inf" if upper is None else f"{upper:.0f}"
        rate = (
            f"{sku}.{_TERM}.{hashlib.sha256(f'{name}{number}'.encode()).hexdigest()[:10].upper()}"
        )
        dimensions[rate] = {
            "unit": unit,
            "beginRange": begin,
            "endRange": end,
            "description": f"{attributes['group']} - {attributes['location']} - Tier-{number + 1}",
            "appliesTo": [],
            "rateCode": rate,
            "pricePerUnit": {"USD": f"{tier['usd']:.10f}"},
        }
        begin = end
    term = {
        "priceDimensions": dimensions,
        "sku": sku,
        "effectiveDate": f"{_prices()['as_of']}T00:00:00Z",
        "offerTermCode": _TERM,
        "termAttributes": {},
    }
    return {
        "product": {"productFamily": "Serverless", "attributes": attributes, "sku": sku},
        "serviceCode": SERVICE,
        "terms": {"OnDemand": {f"{sku}.{_TERM}": term}},
        "version": _prices()["as_of"].replace("-", ""),
        "publicationDate": f"{_prices()['as_of']}T00:00:00Z",
    }


def _matches(product: dict[str, Any], condition: dict[str, Any]) -> bool:
    attributes: dict[str, str] = {**product["product"]["attributes"], "productFamily": "Serverless"}
    held = attributes.get(condition["Field"])
    wanted, kind = str(condition["Value"]), str(condition["Type"])
    if held is None:
        return kind == "NONE_OF"
    if kind == "CONTAINS":
        return wanted.lower() in held.lower()
    if kind in ("ANY_OF", "NONE_OF"):
        return (held in wanted.split(",")) == (kind == "ANY_OF")
    return held == wanted


def _page(params: Params, items: list[Any]) -> tuple[list[Any], str | None]:
    offset = 0
    if params.get("NextToken"):
        try:
            offset = int(base64.urlsafe_b64decode(params["NextToken"].encode()))
        except ValueError as error:
            raise ServiceError("InvalidNextTokenException", "Invalid next token.") from error
    limit = int(params.get("MaxResults") or _PAGE)
    more = offset + limit < len(items)
    token = base64.urlsafe_b64encode(str(offset + limit).encode()).decode() if more else None
    return items[offset : offset + limit], token


@operation("pricing", "GetProducts")
def get_products(call: Call, params: Params) -> Result:
    """Products of AWSLambda that meet every filter; other services have none here."""
    del call
    found: list[dict[str, Any]] = []
    if params["ServiceCode"] == SERVICE:
        filters = params.get("Filters") or ()
        found = [item for item in _products() if all(_matches(item, each) for each in filters)]
    shown, token = _page(params, found)
    return {
        "FormatVersion": "aws_v1",
        "PriceList": [json.dumps(item, separators=(",", ":")) for item in shown],
        "NextToken": token,
    }


@operation("pricing", "DescribeServices")
def describe_services(call: Call, params: Params) -> Result:
    """The one service that has prices here, and its attributes."""
    del call
    if params.get("ServiceCode") not in (None, SERVICE):
        return {"FormatVersion": "aws_v1", "Services": []}
    names = sorted({*_products()[0]["product"]["attributes"], "productFamily", "termType"})
    return {
        "FormatVersion": "aws_v1",
        "Services": [{"ServiceCode": SERVICE, "AttributeNames": names}],
    }


@operation("pricing", "GetAttributeValues")
def get_attribute_values(call: Call, params: Params) -> Result:
    """Values that an attribute has over all products."""
    del call
    if params["ServiceCode"] != SERVICE:
        raise ServiceError("NotFoundException", f"Service {params['ServiceCode']} is not found")
    name = params["AttributeName"]
    values = sorted(
        {
            item["product"]["attributes"][name]
            for item in _products()
            if name in item["product"]["attributes"]
        }
    )
    shown, token = _page(params, values)
    return {"AttributeValues": [{"Value": value} for value in shown], "NextToken": token}
