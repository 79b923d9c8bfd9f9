"""The policy evaluator, by itself."""

from __future__ import annotations

import json

import pytest

from lambda_autotuner.sandbox.identity import managed
from lambda_autotuner.sandbox.identity.policy import (
    PolicyError,
    Request,
    evaluate,
    read,
    trusts,
)
from lambda_autotuner.sandbox.identity.state import account_of_key, key_id

ARN = "arn:aws:lambda:us-east-1:123456789012:function:api"


def document(*statements, **more):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def outcome(statement, action="lambda:GetFunction", resource=ARN, **context):
    base = {"Effect": "Allow", "Action": "lambda:*", "Resource": "*"}
    if "NotAction" in statement:
        base.pop("Action")
    if "NotResource" in statement:
        base.pop("Resource")
    policy = read(document({**base, **statement}), "p", "IAM Policy")
    named = {
        key.replace("__", ":").replace("_slash_", "/"): value for key, value in context.items()
    }
    return evaluate([policy], Request(action, resource, named)).outcome


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ({}, True),
        ({"Action": ["s3:*", "LAMBDA:get*"]}, True),
        ({"Action": "lambda:Get?unction"}, True),
        ({"Action": "lambda:GetFunctionX"}, False),
        ({"NotAction": "lambda:Delete*"}, True),
        ({"NotAction": ["lambda:*"]}, False),
        ({"Resource": "arn:aws:lambda:*:*:function:a*"}, True),
        ({"Resource": ["arn:aws:lambda:*:*:function:b*"]}, False),
        ({"NotResource": "arn:aws:lambda:*:*:function:b*"}, True),
        ({"Resource": "arn:aws:lambda:us-east-1:123456789012:function:${aws:username}"}, True),
        ({"Resource": "arn:aws:lambda:us-east-1:123456789012:function:${aws:nothing}"}, False),
        ({"Condition": {"StringEquals": {"aws:username": ["x", "api"]}}}, True),
        ({"Condition": {"StringNotEquals": {"aws:username": ["x", "api"]}}}, False),
        ({"Condition": {"StringLike": {"AWS:UserName": "a*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:nothing": "x"}}}, False),
        ({"Condition": {"StringEqualsIfExists": {"aws:nothing": "x"}}}, True),
        ({"Condition": {"StringNotEquals": {"aws:nothing": "x"}}}, True),
        ({"Condition": {"Null": {"aws:nothing": "true"}}}, True),
        ({"Condition": {"Null": {"aws:username": "true"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}, True),
        ({"Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}, False),
        ({"Condition": {"NumericLessThan": {"aws:age": "10"}}}, True),
        ({"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}}, True),
        ({"Condition": {"DateLessThan": {"aws:EpochTime": "1000"}}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, True),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}}, True),
        ({"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}}}, True),
        ({"Condition": {"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}}, False),
        ({"Condition": {"ForAnyValue:StringEquals": {"aws:TagKeys": ["b"]}}}, True),
        ({"Condition": {"StringEquals": {"aws:username": "api"}, "Bool": {"aws:SecureTransport": "true"}}}, False),
    ],
)  # fmt: skip
def test_elements_and_conditions(statement, allowed):
    held = outcome(
        statement,
        aws__username="api",
        aws__SourceIp="127.0.0.1",
        aws__age="9",
        aws__CurrentTime="2026-06-01T00:00:00Z",
        aws__EpochTime="1790000000",
        aws__SecureTransport="false",
        aws__PrincipalArn="arn:aws:iam::123456789012:user/api",
        aws__TagKeys=["a", "b"],
    )
    assert held == ("allowed" if allowed else "implicitDeny")


def test_a_deny_wins_over_any_allow():
    policies = [
        read(document({"Effect": "Allow", "Action": "*", "Resource": "*"}), "all", "IAM Policy"),
        read(document({"Effect": "Deny", "Action": "lambda:Delete*", "Resource": "*"}), "no", "IAM Policy"),
    ]  # fmt: skip
    assert evaluate(policies, Request("lambda:GetFunction", ARN)).allowed
    decision = evaluate(policies, Request("lambda:DeleteFunction", ARN))
    assert (decision.outcome, decision.matches[0].source_id) == ("explicitDeny", "no")


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", '{"Statement": []}',
        document({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
        document({"Effect": "Allow", "Resource": "*"}),
        document({"Effect": "Allow", "Action": "*"}),
        document({"Effect": "Allow", "Action": "Get", "Resource": "*"}),
        document({"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}),
        document({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Nope": {"a": "b"}}}),
        document({"Effect": "Allow", "Action": "*", "Resource": "*"}, Version="2020-01-01"),
    ],
)  # fmt: skip
def test_what_is_no_policy_is_refused(text):
    with pytest.raises(PolicyError):
        read(text, "p", "IAM Policy")


@pytest.mark.parametrize("arn", sorted(managed.DOCUMENTS))
def test_managed_policies_can_be_read(arn):
    policy = read(managed.DOCUMENTS[arn], arn, "IAM Policy")
    actions = {a for s in policy.statements for a in (s.get("Action") or s.get("NotAction"))}
    assert actions


def test_trust_policies_name_principals():
    def trust(principal):
        statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
        return read(document(statement), "t", "trust", trust=True)

    request = Request("sts:AssumeRole", "arn:aws:iam::1:role/r")
    names = ["arn:aws:iam::123456789012:user/a", "arn:aws:iam::123456789012:root"]
    assert trusts(trust({"AWS": "123456789012"}), names, request)
    assert trusts(trust({"AWS": names[0]}), names, request)
    assert trusts(trust("*"), names, request)
    assert not trusts(trust({"AWS": "210987654321"}), names, request)
    assert not trusts(trust({"Service": "lambda.amazonaws.com"}), names, request)


def test_key_ids_tell_their_account():
    held = key_id("AKIA", "123456789012", "ABCDEFGH")
    assert (len(held), account_of_key(held)) == (20, "123456789012")
    assert account_of_key("AKIA" + "1" * 16) is None
    assert account_of_key("123456789012") is None
