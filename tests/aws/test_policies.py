"""The page of policies: complete for the code, no more than the code."""

from __future__ import annotations

import ast
from pathlib import Path

from lambda_autotuner.aws.operations import find_operation
from lambda_autotuner.aws.policies import VERBS, permissions_page, policy_document, verbs_of


def calls_in(folder: Path) -> set[tuple[str, str]]:
    """Every `account.call("service", "Operation")` and `.pages(...)` in the sources."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            words = [item.value for item in node.args[:2] if isinstance(item, ast.Constant)]
            if node.func.attr in {"call", "pages"} and len(words) == 2:
                found.add(tuple(words))
    return found


def test_every_call_in_the_code_stands_in_the_policy_of_a_verb(repository):
    found = calls_in(repository / "lambda_autotuner")
    assert len(found) > 25
    missing = {call for call in found if not verbs_of(call)}
    assert missing == set()


def test_the_reading_verbs_write_nothing():
    for verb, (calls, _) in VERBS.items():
        writes = {call for call in calls if find_operation(*call).writes}
        assert bool(writes) is (verb in {"apply, watch, rollback", "tune"}), verb


def test_a_policy_holds_the_actions_of_its_calls():
    document = policy_document([("lambda", "CreateFunction"), ("cloudwatch", "GetMetricData")])
    by_action = {
        action: statement["Resource"]
        for statement in document["Statement"]
        for action in statement["Action"]
    }
    assert by_action == {
        "lambda:CreateFunction": "arn:aws:lambda:REGION:ACCOUNT:function:*",
        "iam:PassRole": "arn:aws:iam::ACCOUNT:role/*",
        "cloudwatch:GetMetricData": "*",
    }


def test_the_written_page_is_current(repository):
    written = (repository / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert written == permissions_page(), "run `uv run just docs`"
