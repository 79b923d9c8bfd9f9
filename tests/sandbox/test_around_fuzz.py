"""Whatever is sent to the services around Lambda, the answer is theirs and never a fault of ours."""

from __future__ import annotations

import os
import random
import string

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from lambda_autotuner.sandbox import registry

SERVICES = (
    "cloudwatch", "logs", "sts", "iam", "pricing", "service-quotas", "application-autoscaling",
    "resourcegroupstaggingapi", "compute-optimizer",
)  # fmt: skip
WORDS = (
    "a", "image-resize", "/aws/lambda/image-resize", "AWS/Lambda", "Duration", "lambda", "L-B99A9384",
    "arn:aws:lambda:us-east-1:123456789012:function:image-resize", "REPORT", "fields @message | limit 1",
    "stats count(*) by bin(5m)", '{"Version":"2012-10-17","Statement":[]}', "{ $.a = 1 }", "[a, b]", "p95",
    "SUM(METRICS())", "m1 / m2", "\u2603", "x" * 300, "", "AWSLambda", "function:order-events-consumer:live",
    "lambda:function:ProvisionedConcurrency", "SEARCH('{AWS/Lambda,FunctionName}', 'Sum', 300)", "%a(%", "live",
    "arn:aws:iam::123456789012:role/x", "arn:aws:logs:us-east-1:123456789012:log-group:/x:*", "ALARM(a) OR",
)  # fmt: skip
NUMBERS = (-1, 0, 1, 5, 60, 86_400, 1_795_000_000, 1_795_000_000_000, 2**31, 2**53)


def value(shape, rng, depth=0):  # noqa: PLR0911 - one per kind
    kind = shape.type_name
    if kind == "structure":
        members = shape.members.items()
        return {
            name: value(member, rng, depth + 1)
            for name, member in members
            if (name in shape.required_members and rng.random() < 0.95)
            or (depth < 5 and rng.random() < 0.4)
        }
    if kind == "list":
        return [value(shape.member, rng, depth + 1) for _ in range(rng.choice((0, 1, 1, 2)))]
    if kind == "map":
        return {rng.choice(("a", "b", "")): value(shape.value, rng, depth + 1)}
    if kind == "string":
        choices = getattr(shape, "enum", None)
        if choices and rng.random() < 0.8:
            return rng.choice(choices)
        noise = "".join(rng.choices(string.printable[:95], k=rng.randint(1, 30)))
        return rng.choice((*WORDS, noise))
    if kind in ("integer", "long"):
        return rng.choice(NUMBERS)
    if kind in ("float", "double"):
        return rng.choice((*NUMBERS, 0.5, float("nan"), float("inf")))
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "timestamp":
        return rng.choice((0, 1_794_000_000, 1_795_000_000, 4_000_000_000))
    return b"x"


def fuzz(connect, service, rounds, seed):
    rng = random.Random(seed)
    client = connect(service, parameter_validation=False)
    faults, sent = [], 0
    for name in registry.supported(service):
        method = "".join(("_" + c.lower()) if c.isupper() else c for c in name).lstrip("_")
        method = (
            next(m for m, o in client.meta.method_to_api_mapping.items() if o == name) or method
        )
        for _ in range(rounds):
            shape = client.meta.service_model.operation_model(name).input_shape
            params = value(shape, rng) if shape is not None else {}
            try:
                getattr(client, method)(**params)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status >= 500:
                    faults.append((name, params, error.response["Error"]))
            except (BotoCoreError, TypeError, ValueError, AttributeError, KeyError):
                continue  # the client itself would not send it
            sent += 1
    return faults, sent


@pytest.mark.parametrize("service", SERVICES)
def test_random_requests_never_make_a_fault(connect, service):
    faults, sent = fuzz(connect, service, 5, os.environ.get("PYTEST_SEED", "7"))
    assert not faults, faults[:3]
    assert sent > 10 or service == "sts"


@pytest.mark.soak
@pytest.mark.parametrize("service", SERVICES)
def test_many_random_requests_never_make_a_fault(connect, service):
    faults, _ = fuzz(connect, service, 60, "soak")
    assert not faults, faults[:3]
