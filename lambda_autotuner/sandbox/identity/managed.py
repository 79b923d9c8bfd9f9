"""AWS-managed policies that matter around functions, and the roles that functions came with.

The documents grant what AWS's of the same name grant; source: AWS Managed Policy Reference.
"""

from __future__ import annotations

import json
from typing import Any, Final

_LOGS: Final = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
_VPC: Final = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]
_READ_LAMBDA: Final = [
    "cloudformation:DescribeStacks",
    "cloudformation:ListStackResources",
    "cloudwatch:GetMetricData",
    "cloudwatch:ListMetrics",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "kms:ListAliases",
    "iam:GetPolicy",
    "iam:GetPolicyVersion",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListRolePolicies",
    "iam:ListRoles",
    "logs:DescribeLogGroups",
    "lambda:Get*",
    "lambda:List*",
    "states:DescribeStateMachine",
    "states:ListStateMachines",
    "tag:GetResources",
    "xray:GetTraceSummaries",
    "xray:BatchGetTraces",
]
_FULL_LAMBDA: Final = [
    *(item for item in _READ_LAMBDA if not item.startswith("lambda:")),
    "lambda:*",
]
_PREFIX: Final = "arn:aws:iam::aws:policy/"


def _allow(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"}


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


_PASS_ROLE: Final = {
    "Effect": "Allow",
    "Action": "iam:PassRole",
    "Resource": "*",
    "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
}
_NOT_IDENTITY: Final = {
    "Effect": "Allow",
    "NotAction": ["iam:*", "organizations:*", "account:*"],
    "Resource": "*",
}
_SERVICE: Final = "service-role/"
DOCUMENTS: Final[dict[str, str]] = {
    _PREFIX + name: document
    for name, document in {
        "AdministratorAccess": _document(_allow("*")),
        "PowerUserAccess": _document(
            _NOT_IDENTITY,
            _allow(
                "iam:CreateServiceLinkedRole",
                "iam:DeleteServiceLinkedRole",
                "iam:ListRoles",
                "organizations:DescribeOrganization",
                "account:ListRegions",
            ),
        ),
        "ReadOnlyAccess": _document(
            _allow(
                "application-autoscaling:Describe*",
                "application-autoscaling:List*",
                "cloudwatch:Describe*",
                "cloudwatch:Get*",
                "cloudwatch:List*",
                "compute-optimizer:Describe*",
                "compute-optimizer:Get*",
                "iam:Generate*",
                "iam:Get*",
                "iam:List*",
                "iam:Simulate*",
                "lambda:Get*",
                "lambda:List*",
                "logs:Describe*",
                "logs:FilterLogEvents",
                "logs:Get*",
                "logs:List*",
                "logs:StartQuery",
                "logs:StopQuery",
                "logs:TestMetricFilter",
                "pricing:DescribeServices",
                "pricing:GetAttributeValues",
                "pricing:GetProducts",
                "s3:Get*",
                "s3:List*",
                "servicequotas:Get*",
                "servicequotas:List*",
                "sts:GetAccessKeyInfo",
                "sts:GetCallerIdentity",
                "sts:GetSessionToken",
                "tag:Get*",
            )
        ),
        "AWSLambda_ReadOnlyAccess": _document(
            _allow(*_READ_LAMBDA),
            _allow(
                "logs:DescribeLogStreams",
                "logs:GetLogEvents",
                "logs:FilterLogEvents",
                "logs:StartQuery",
                "logs:StopQuery",
                "logs:DescribeQueries",
                "logs:GetLogGroupFields",
                "logs:GetLogRecord",
                "logs:GetQueryResults",
            ),
        ),
        "AWSLambda_FullAccess": _document(_allow(*_FULL_LAMBDA), _PASS_ROLE),
        "CloudWatchReadOnlyAccess": _document(
            _allow(
                "application-autoscaling:DescribeScalingPolicies",
                "autoscaling:Describe*",
                "cloudwatch:Describe*",
                "cloudwatch:Get*",
                "cloudwatch:List*",
                "logs:Get*",
                "logs:List*",
                "logs:StartQuery",
                "logs:StopQuery",
                "logs:Describe*",
                "logs:TestMetricFilter",
                "logs:FilterLogEvents",
                "sns:Get*",
                "sns:List*",
            ),
        ),
        "CloudWatchFullAccess": _document(
            _allow(
                "autoscaling:Describe*",
                "cloudwatch:*",
                "logs:*",
                "sns:*",
                "iam:GetPolicy",
                "iam:GetPolicyVersion",
                "iam:GetRole",
            ),
        ),
        "CloudWatchLogsReadOnlyAccess": _document(
            _allow(
                "logs:Describe*",
                "logs:Get*",
                "logs:List*",
                "logs:StartQuery",
                "logs:StopQuery",
                "logs:TestMetricFilter",
                "logs:FilterLogEvents",
            ),
        ),
        "IAMReadOnlyAccess": _document(
            _allow("iam:Generate*", "iam:Get*", "iam:List*", "iam:Simulate*"),
        ),
        "IAMFullAccess": _document(_allow("iam:*", "organizations:Describe*")),
        "AmazonS3ReadOnlyAccess": _document(_allow("s3:Get*", "s3:List*", "s3:Describe*")),
        "AmazonDynamoDBFullAccess": _document(_allow("dynamodb:*", "dax:*")),
        "AmazonSQSFullAccess": _document(_allow("sqs:*")),
        _SERVICE + "AWSLambdaBasicExecutionRole": _document(_allow(*_LOGS)),
        _SERVICE + "AWSLambdaVPCAccessExecutionRole": _document(_allow(*_LOGS, *_VPC)),
        _SERVICE + "AWSLambdaSQSQueueExecutionRole": _document(
            _allow("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", *_LOGS)
        ),
        _SERVICE + "AWSLambdaKinesisExecutionRole": _document(
            _allow(
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
                "kinesis:ListStreams",
                "kinesis:SubscribeToShard",
                *_LOGS,
            )
        ),
        _SERVICE + "AWSLambdaDynamoDBExecutionRole": _document(
            _allow(
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
                *_LOGS,
            )
        ),
        "AWSXRayDaemonWriteAccess": _document(
            _allow(
                "xray:PutTraceSegments",
                "xray:PutTelemetryRecords",
                "xray:GetSamplingRules",
                "xray:GetSamplingTargets",
                "xray:GetSamplingStatisticSummaries",
            )
        ),
    }.items()
}
BASIC_EXECUTION: Final = _PREFIX + _SERVICE + "AWSLambdaBasicExecutionRole"
VPC_EXECUTION: Final = _PREFIX + _SERVICE + "AWSLambdaVPCAccessExecutionRole"
LAMBDA_TRUST: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "lambda.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
