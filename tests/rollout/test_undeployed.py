"""What was never deployed and stands on `$LATEST` does not reach an alias."""

from __future__ import annotations

import io
import zipfile

import pytest

from lambda_autotuner.errors import RefusedError
from lambda_autotuner.rollout import ConflictError, RefusedPlanError

ALIAS = "product-search"  # traffic by the alias `live`


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("environment", {"Environment": {"Variables": {"NEW_FLAG": "1"}}}),
        ("role", {"Role": "arn:aws:iam::123456789012:role/other"}),
        ("handler", {"Handler": "other.handler"}),
        ("code", None),
        ("layer", "layer"),
    ],
)
@pytest.mark.parametrize("moment", ["before the plan", "after the approval", "while applying"])
def test_undeployed_changes_never_reach_the_alias(world, what, values, moment):
    def deploy() -> None:
        if what == "code":
            _new_code(world)
        elif what == "layer":
            _new_layer(world)
        else:
            world.update(ALIAS, **values)

    if moment == "before the plan":
        deploy()
        with pytest.raises(RefusedPlanError, match="more than this plan names"):
            world.plan(ALIAS, memory_mb=1024)
    else:
        plan = world.plan(ALIAS, memory_mb=1024)
        world.approve(plan)
        if moment == "after the approval":
            deploy()
            with pytest.raises(RefusedPlanError, match="changed since"):
                world.apply(plan)
        else:
            done = []

            def sneak(line: str) -> None:
                if line.startswith("publish") and not done:
                    done.append(line)
                    deploy()

            with pytest.raises((ConflictError, RefusedError)):
                world.apply(plan, progress=sneak)
            assert done
            assert world.state(plan) == "conflict"
    assert world.standing(ALIAS)["aliases"] == {"live": ("4", {})}
    assert set(world.standing(ALIAS)["versions"]) == {"1", "2", "3", "4"}


# Whatever else makes up a version, under AWS's own names.
_OTHERS = {
    "Runtime": "python3.13",
    "Timeout": 99,
    "EphemeralStorage": {"Size": 2048},
    "SnapStart": {"ApplyOn": "PublishedVersions"},
    "TracingConfig": {"Mode": "Active"},
    "LoggingConfig": {"LogFormat": "JSON"},
    "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:us-east-1:123456789012:dead"},
    "KMSKeyArn": "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "VpcConfig": {"SubnetIds": ["subnet-0a1b2c3d"], "SecurityGroupIds": ["sg-0a1b2c3d"]},
    "FileSystemConfigs": [
        {
            "Arn": "arn:aws:elasticfilesystem:us-east-1:123456789012:access-point/"
            "fsap-0123456789abcdef0",
            "LocalMountPath": "/mnt/data",
        }
    ],
}


def test_every_other_part_of_a_version_counts(world):
    """One after the other, each undeployed while an approved plan waits, and before a new one."""
    latest = world.account.call("lambda", "GetFunctionConfiguration", FunctionName=ALIAS)
    plan = world.plan(ALIAS, memory_mb=1024)
    world.approve(plan)
    for name, value in _OTHERS.items():
        world.update(ALIAS, **{name: value})
        found = world.account.call("lambda", "GetFunctionConfiguration", FunctionName=ALIAS)
        assert found.get(name) != latest.get(name), f"{name} was not taken"
        with pytest.raises(RefusedPlanError, match="changed since"):
            world.apply(plan)
        with pytest.raises(RefusedPlanError, match="more than this plan names"):
            world.plan(ALIAS, memory_mb=1024)
        world.update(ALIAS, **{name: _before(name, latest)})
    assert world.standing(ALIAS)["aliases"] == {"live": ("4", {})}
    # Everything is back: the values, not the revisions, decide about a new plan.
    assert world.plan(ALIAS, memory_mb=1024)


def _before(name: str, latest: dict) -> object:
    empty = {"SubnetIds": [], "SecurityGroupIds": []} if name == "VpcConfig" else None
    nothing = {
        "DeadLetterConfig": {"TargetArn": ""},
        "KMSKeyArn": "",
        "FileSystemConfigs": [],
        "VpcConfig": empty,
    }
    if name == "SnapStart":
        return {"ApplyOn": latest["SnapStart"]["ApplyOn"]}
    return latest.get(name) or nothing[name]


def _new_code(world) -> None:

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return 'undeployed'\n")
    world.account.call(
        "lambda", "UpdateFunctionCode", FunctionName=ALIAS, ZipFile=buffer.getvalue()
    )


def _new_layer(world) -> None:

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/extra.py", "X = 1\n")
    client = world.account.client("lambda", purpose="write")
    layer = client.publish_layer_version(LayerName="extra", Content={"ZipFile": buffer.getvalue()})
    world.update(ALIAS, Layers=[layer["LayerVersionArn"]])
