"""What suggests that an invocation changes something."""

from __future__ import annotations

import pytest

from lambda_autotuner.measurement.side_effects import allowed_by, is_writing


@pytest.mark.parametrize(
    "action",
    ["*", "*:*", "dynamodb:*", "dynamodb:PutItem", "s3:Put*", "ses:SendEmail", "sqs:SendMessage",
     "sns:Publish", "lambda:InvokeFunction", "events:PutEvents", "rds-data:ExecuteStatement"],
)  # fmt: skip
def test_writing_actions(action: str) -> None:
    assert is_writing(action)


@pytest.mark.parametrize(
    "action",
    ["logs:PutLogEvents", "logs:CreateLogStream", "xray:PutTraceSegments", "dynamodb:GetItem",
     "dynamodb:Query", "s3:GetObject", "s3:List*", "sqs:ReceiveMessage", "sqs:DeleteMessage",
     "ec2:CreateNetworkInterface", "kms:Decrypt", "secretsmanager:GetSecretValue",
     "ssm:GetParameters", "kinesis:GetRecords"],
)  # fmt: skip
def test_reading_and_housekeeping_actions(action: str) -> None:
    assert not is_writing(action)


def test_a_policy_document_in_all_its_forms() -> None:
    one = {"Statement": {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}}
    assert allowed_by(one) == ["s3:PutObject"]
    several = {
        "Statement": [
            {"Effect": "Allow", "Action": ["a:Get", "a:Put"]},
            {"Effect": "Deny", "Action": "b:Put"},
            {"Effect": "Allow", "NotAction": "iam:*"},
        ]
    }
    assert allowed_by(several) == ["a:Get", "a:Put", "*"]
    assert allowed_by("%7B%22Statement%22%3A%5B%5D%7D") == []
    assert allowed_by("not json") == ["*"]
    assert allowed_by(None) == []
