"""The account: session, functions, telemetry, logs, alarms, invocation and permissions."""

from lambda_autotuner.aws.configuration import LATEST, FunctionConfiguration, FunctionReference
from lambda_autotuner.aws.errors import AwsError, ErrorCode, MissingError
from lambda_autotuner.aws.sdk import AccountTarget
from lambda_autotuner.aws.session import Account

__all__ = [
    "LATEST",
    "Account",
    "AccountTarget",
    "AwsError",
    "ErrorCode",
    "FunctionConfiguration",
    "FunctionReference",
    "MissingError",
]
