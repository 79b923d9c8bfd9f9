"""The written policies, enforced: each verb works with exactly its own, and misses each action."""

from __future__ import annotations

import json

import pytest

from lambda_autotuner import rollout
from lambda_autotuner.aws import Account, AccountTarget
from lambda_autotuner.aws.policies import ROLLOUT_READS, VERBS, policy_document
from lambda_autotuner.errors import AutotunerError

WRITING = "apply, watch, rollback"
READING = "plan, approve, history"
SIMULATE = "iam:SimulatePrincipalPolicy"
CANARY = ("product-search", {"memory_mb": 1024})
DIRECT = ("image-resize", {"architecture": "arm64", "reserved_concurrency": 50})
WARM = ("provisioned-login", {"provisioned_concurrency": 7})
COLD = ("provisioned-login", {"provisioned_concurrency": None})
# Which change needs an action; whatever is not named here every change needs.
NEEDED_BY = {
    "lambda:GetFunction": DIRECT,
    "lambda:UpdateFunctionCode": DIRECT,
    "lambda:GetFunctionConcurrency": DIRECT,
    "lambda:PutFunctionConcurrency": DIRECT,
    "lambda:DeleteFunctionConcurrency": DIRECT,
    "lambda:GetProvisionedConcurrencyConfig": WARM,
    "lambda:PutProvisionedConcurrencyConfig": WARM,
    "lambda:DeleteProvisionedConcurrencyConfig": COLD,
}
# AWS asks nobody for a permission to say who calls.
FREE = {"sts:GetCallerIdentity"}


def document_for(world, verb: str, *without: str) -> dict:
    text = json.dumps(policy_document(VERBS[verb][0]))
    document = json.loads(text.replace("REGION", "us-east-1").replace("ACCOUNT", world.account_id))
    for statement in document["Statement"]:
        statement["Action"] = [item for item in statement["Action"] if item not in without]
    document["Statement"] = [item for item in document["Statement"] if item["Action"]]
    return document


def actions_of(verb: str) -> list[str]:
    document = policy_document(VERBS[verb][0])
    return sorted({item for part in document["Statement"] for item in part["Action"]} - FREE)


class Role:
    """A role of the sandbox with one policy, and an account that acts as it."""

    def __init__(self, world) -> None:
        self.world = world
        self.iam = world.account.client("iam", purpose="write")
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{world.account_id}:root"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        made = self.iam.create_role(RoleName="tuner", AssumeRolePolicyDocument=json.dumps(trust))
        session = world.account.client("sts").assume_role(
            RoleArn=made["Role"]["Arn"], RoleSessionName="test"
        )["Credentials"]
        self.account = Account.connect(
            AccountTarget(
                "sandbox",
                region="us-east-1",
                endpoint_url=world.server.endpoint_url,
                access_key_id=session["AccessKeyId"],
                secret_access_key=session["SecretAccessKey"],
                session_token=session["SessionToken"],
            )
        )

    def may(self, verb: str, *without: str) -> Account:
        self.iam.put_role_policy(
            RoleName="tuner",
            PolicyName="only",
            PolicyDocument=json.dumps(document_for(self.world, verb, *without)),
        )
        return self.account


@pytest.fixture
def world(common_world):
    """Whatever is refused or undone leaves the account as it was, and each test checks that."""
    return common_world


@pytest.fixture(scope="module")
def role(common_world):
    made = Role(common_world)
    yield made
    made.account.close()


def carry_out(world, account, change) -> list[str]:
    """Apply, watch and roll back as somebody else; what was said on the way."""
    function, values = change
    plan = world.plan(function, **values)
    world.approve(plan)
    arguments = (world.journal, world.settings, plan.id)
    said = []
    outcome = rollout.apply_plan(account, *arguments, actor="role")
    said += [finding.message for finding in outcome.findings]
    said.append(rollout.watch_plan(account, *arguments, actor="role").outcome.message)
    said.append(rollout.roll_back(account, *arguments, actor="role").message)
    return said


def test_exactly_the_written_policy_is_enough_to_change_and_undo(world, role):
    account = role.may(WRITING)
    for change in (CANARY, DIRECT, WARM, COLD):
        before = world.standing(change[0])
        said = carry_out(world, account, change)
        assert not [text for text in said if "unknown" in text], said
        assert world.standing(change[0]) == before


@pytest.mark.parametrize("action", actions_of(WRITING))
def test_each_missing_action_is_named_before_anything_is_written(world, role, action):
    change = NEEDED_BY.get(action, CANARY)
    account = role.may(WRITING, action)
    before = world.standing(change[0])
    if action == SIMULATE:
        # The check itself is missing: that is said, and the change goes on.
        said = carry_out(world, account, change)
        assert any(SIMULATE in text for text in said), said
        return
    with pytest.raises(AutotunerError) as caught:
        carry_out(world, account, change)
    assert action in str(caught.value)
    assert caught.value.exit_code in {3, 4}
    assert world.standing(change[0]) == before
    plan = world.journal.plans()[0]
    assert world.journal.actions(plan.id) == [], "nothing was sent"


WRITES = [action for action in actions_of(WRITING) if not action.split(":")[1].startswith("Get")]


@pytest.mark.parametrize("action", [item for item in WRITES if item != SIMULATE])
def test_a_denial_that_could_not_be_foreseen_is_named_and_undone(world, role, action):
    change = NEEDED_BY.get(action, CANARY)
    account = role.may(WRITING, action, SIMULATE)
    before = world.standing(change[0])
    with pytest.raises(AutotunerError) as caught:
        carry_out(world, account, change)
    assert action in str(caught.value)
    role.may(WRITING)
    rollout.reconcile(account, world.journal, world.settings)
    assert world.standing(change[0]) == before


def test_exactly_the_written_policy_is_enough_to_plan(world, role):
    draft = planned(world, role.may(READING))
    assert not [item.message for item in draft if item.severity in {"block", "warn"}]


@pytest.mark.parametrize(
    "action",
    sorted(
        {f"{service}:{name}" for service, name in ROLLOUT_READS}
        - {"lambda:ListVersionsByFunction", "lambda:GetFunctionConcurrency"}
        | {"lambda:ListAliases", "lambda:ListProvisionedConcurrencyConfigs"}
    ),
)
def test_planning_names_the_action_that_it_misses(world, role, action):
    account = role.may(READING, action)
    try:
        said = " ".join(f"{item.message} {item.remedy}" for item in planned(world, account))
    except AutotunerError as error:
        said = str(error)
    assert action in said


def planned(world, account) -> list[rollout.Finding]:
    """Plan with a reader's rights; writing rights are looked at when it is applied."""
    draft = rollout.make_plan(
        account, world.journal, world.settings, CANARY[0], changes=CANARY[1], actor="role"
    )
    found = rollout.preflight(account, world.journal, world.settings, draft.plan)
    return [*draft.findings, *(item for item in found if item.check != "permission")]
