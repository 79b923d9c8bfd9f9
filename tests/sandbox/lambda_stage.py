"""Plays requests under the names of recorded responses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from .conftest import zip_of
from .recordings import plain

Scenario = Callable[["Stage"], None]
SCENARIOS: dict[str, Scenario] = {}


def scenario(*names: str) -> Callable[[Scenario], Scenario]:
    """Register what replays the recorded tests of these names."""

    def register(function: Scenario) -> Scenario:
        for name in names:
            SCENARIOS[name] = function
        return function

    return register


class Stage:
    """One recorded test: a client, a function's name, and the answers so far."""

    def __init__(self, client: Any, account_id: str, test: str) -> None:
        self.client = client
        self.account_id = account_id
        self.test = test
        self.parameter = test.partition("[")[2].removesuffix("]")
        self.name = "conformance"
        self.answers: dict[str, Any] = {}
        self.role = f"arn:aws:iam::{account_id}:role/test"

    def arn(self, name: str | None = None, qualifier: str | None = None) -> str:
        """A function's ARN in the test's account."""
        text = f"arn:aws:lambda:us-east-1:{self.account_id}:function:{name or self.name}"
        return f"{text}:{qualifier}" if qualifier else text

    def __call__(self, response: str, operation: str, **params: Any) -> Any:
        """Perform an operation and keep its answer, or its error, under a response's name."""
        try:
            answer = plain(getattr(self.client, operation)(**params))
        except ClientError as error:
            answer = plain(error.response)
        if hasattr(answer.get("Payload"), "read"):
            raw = answer["Payload"].read()
            answer["Payload"] = json.loads(raw) if raw else ""
        for name in ("Policy", "Statement"):
            if isinstance(answer.get(name), str):
                answer[name] = json.loads(answer[name])
        self.answers[response] = answer
        return answer

    def do(self, operation: str, **params: Any) -> Any:
        """Perform an operation that was not recorded."""
        return getattr(self.client, operation)(**params)

    def create(self, response: str | None = None, name: str | None = None, **params: Any) -> Any:
        """Create a function directly, as recorded under `create_response` and the like."""
        settings = {
            "FunctionName": name or self.name,
            "Runtime": "python3.12",
            "Role": self.role,
            "Handler": "index.handler",
            "Code": {"ZipFile": params.pop("code", zip_of())},
            **params,
        }
        if response is None:
            answer = self.do("create_function", **settings)
        else:
            answer = self(response, "create_function", **settings)
        self.settle(name)
        return answer

    def fixture(self, response: str | None = None, name: str | None = None, **params: Any) -> None:
        """Create a function as the recording's fixture does, which wraps the answer."""
        settings = {
            "FunctionName": name or self.name,
            "Runtime": "python3.12",
            "Role": self.role,
            "Handler": "handler.handler",
            "Timeout": 30,
            "Environment": {"Variables": {}},
            "Code": {"ZipFile": params.pop("code", zip_of())},
            **params,
        }
        answer = plain(self.do("create_function", **settings))
        if response is not None:
            self.answers[response] = {
                "CreateEventSourceMappingResponse": None,
                "CreateFunctionResponse": answer,
            }
        self.settle(name)

    def settle(self, name: str | None = None) -> None:
        """Wait until the last change has come to its end."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            shown = self.do("get_function_configuration", FunctionName=name or self.name)
            if shown["State"] == "Active" and shown["LastUpdateStatus"] == "Successful":
                return
            time.sleep(0.005)
        raise AssertionError("the function does not settle")
