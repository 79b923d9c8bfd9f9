"""Keys that the sandbox issued are held to their owner's policies, in AWS's own words."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambda_autotuner.sandbox.process import SandboxProcess, start_private


@pytest.fixture(scope="module")
def server():
    with start_private(functions=48) as process:
        yield process


def client(server: SandboxProcess, service: str, key="123456789012", secret="x", token=None):
    return boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"max_attempts": 0}),
    )


def document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(*actions: str, resource="*", **more) -> dict:
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource, **more}


def deny(*actions: str, resource="*") -> dict:
    return {"Effect": "Deny", "Action": list(actions), "Resource": resource}


@pytest.fixture
def user(server: SandboxProcess, request: pytest.FixtureRequest):
    """A user with a key, and a function that gives it a policy and makes clients."""
    iam = client(server, "iam")
    name = f"user-{abs(hash(request.node.name)) % 10**8}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def with_policy(*statements: dict):
        iam.put_user_policy(UserName=name, PolicyName="test", PolicyDocument=document(*statements))
        return lambda service: client(server, service, key["AccessKeyId"], key["SecretAccessKey"])

    with_policy.name = name
    with_policy.iam = iam
    with_policy.key = key
    return with_policy


def refusal(call, *args, **kwargs) -> dict:
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    error = caught.value.response
    return {**error["Error"], "Status": error["ResponseMetadata"]["HTTPStatusCode"]}


def test_a_key_is_its_user(user, server):
    clients = user(allow("lambda:ListFunctions"))
    identity = clients("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:iam::123456789012:user/{user.name}"
    assert clients("lambda").list_functions()["Functions"]


@pytest.mark.parametrize(
    ("service", "method", "arguments", "code", "status", "words"),
    [
        ("lambda", "list_functions", {}, "AccessDeniedException", 403,
         ("lambda:ListFunctions on resource: * because no identity-based policy allows the "
         "lambda:ListFunctions action")),
        ("lambda", "get_function", {"FunctionName": "image-resize"}, "AccessDeniedException", 403,
         ("lambda:GetFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:image-resize "
         "because no identity-based policy allows the lambda:GetFunction action")),
        ("lambda", "invoke", {"FunctionName": "image-resize"}, "AccessDeniedException", 403,
         "lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:image-resize"),
        ("cloudwatch", "list_metrics", {}, "AccessDenied", 403,
         "cloudwatch:ListMetrics because no identity-based policy allows the cloudwatch:ListMetrics action"),
        ("logs", "filter_log_events", {"logGroupName": "/aws/lambda/image-resize"},
         "AccessDeniedException", 400,
         ("logs:FilterLogEvents on resource: arn:aws:logs:us-east-1:123456789012:log-group:"
         "/aws/lambda/image-resize:log-stream: because no identity-based policy allows")),
        ("iam", "get_role", {"RoleName": "x"}, "AccessDenied", 403,
         "iam:GetRole on resource: arn:aws:iam::123456789012:role/x because"),
        ("sts", "assume_role", {"RoleArn": "arn:aws:iam::123456789012:role/none", "RoleSessionName": "ab"},
         "AccessDenied", 403, "sts:AssumeRole on resource: arn:aws:iam::123456789012:role/none"),
    ],
)  # fmt: skip
def test_what_no_policy_allows_is_refused(user, service, method, arguments, code, status, words):
    clients = user(allow("ec2:DescribeRegions"))
    error = refusal(getattr(clients(service), method), **arguments)
    assert error["Code"] == code
    assert error["Status"] == status
    assert (
        f"User: arn:aws:iam::123456789012:user/{user.name} is not authorized to perform: {words}"
        in error["Message"]
    )


def test_an_explicit_deny_wins_and_says_so(user):
    clients = user(allow("lambda:*"), deny("lambda:UpdateFunctionConfiguration"))
    error = refusal(
        clients("lambda").update_function_configuration, FunctionName="image-resize", MemorySize=512
    )
    assert error["Message"].endswith("with an explicit deny in an identity-based policy")


def test_resources_conditions_and_tags_narrow_a_permission(user):
    arn = "arn:aws:lambda:us-east-1:123456789012:function:image-*"
    clients = user(
        allow("lambda:GetFunction", resource=arn),
        allow("lambda:ListTags", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}),
        allow(
            "lambda:GetFunctionConfiguration",
            Condition={"StringEquals": {"aws:ResourceTag/team": "media"}},
        ),
    )
    functions = clients("lambda")
    assert functions.get_function(FunctionName="image-resize")
    assert refusal(functions.get_function, FunctionName="log-forwarder")["Status"] == 403
    resource = "arn:aws:lambda:us-east-1:123456789012:function:image-resize"
    assert refusal(functions.list_tags, Resource=resource)["Status"] == 403
    assert functions.get_function_configuration(FunctionName="image-resize")
    assert (
        refusal(functions.get_function_configuration, FunctionName="log-forwarder")["Status"] == 403
    )


def test_passing_a_role_needs_a_permission_of_its_own(user):
    clients = user(allow("lambda:UpdateFunctionConfiguration"))
    role = "arn:aws:iam::123456789012:role/image-resize-role"
    error = refusal(
        clients("lambda").update_function_configuration, FunctionName="image-resize", Role=role
    )
    assert f"iam:PassRole on resource: {role}" in error["Message"]


def test_a_boundary_and_groups_count(user):
    iam = user.iam
    boundary = iam.create_policy(
        PolicyName=f"bound-{user.name}", PolicyDocument=document(allow("logs:*"))
    )["Policy"]["Arn"]
    clients = user(allow("ec2:DescribeRegions"))
    iam.create_group(GroupName=f"readers-{user.name}")
    iam.attach_group_policy(
        GroupName=f"readers-{user.name}", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
    )
    assert refusal(clients("lambda").list_functions)["Status"] == 403
    iam.add_user_to_group(GroupName=f"readers-{user.name}", UserName=user.name)
    assert clients("lambda").list_functions()
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=boundary)
    error = refusal(clients("lambda").list_functions)
    assert (
        "because no permissions boundary allows the lambda:ListFunctions action" in error["Message"]
    )
    assert clients("logs").describe_log_groups(limit=1)["logGroups"]


def test_an_assumed_role_is_verified_restricted_and_expires(server):
    iam = client(server, "iam")
    trust = document(
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sts:AssumeRole"}
    )  # fmt: skip
    iam.create_role(RoleName="tuner", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(
        RoleName="tuner",
        PolicyName="read",
        PolicyDocument=document(allow("lambda:Get*", "lambda:List*")),
    )
    sts = client(server, "sts")
    session = sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/tuner", RoleSessionName="demo"
    )
    held = session["Credentials"]
    keys = (held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])
    assert session["AssumedRoleUser"]["Arn"] == "arn:aws:sts::123456789012:assumed-role/tuner/demo"
    assert (
        client(server, "sts", *keys).get_caller_identity()["Arn"]
        == session["AssumedRoleUser"]["Arn"]
    )
    assert client(server, "lambda", *keys).list_functions()["Functions"]
    error = refusal(client(server, "lambda", *keys).invoke, FunctionName="image-resize")
    assert (
        "User: arn:aws:sts::123456789012:assumed-role/tuner/demo is not authorized"
        in error["Message"]
    )
    wrong = (held["AccessKeyId"], "x" * 40, held["SessionToken"])
    assert refusal(client(server, "lambda", *wrong).list_functions)["Code"] in (
        "InvalidSignatureException", "SignatureDoesNotMatch",
    )  # fmt: skip
    narrowed = sts.assume_role(
        RoleArn="arn:aws:iam::123456789012:role/tuner",
        RoleSessionName="narrow",
        Policy=document(allow("lambda:ListFunctions")),
    )["Credentials"]
    narrow = client(
        server,
        "lambda",
        narrowed["AccessKeyId"],
        narrowed["SecretAccessKey"],
        narrowed["SessionToken"],
    )
    assert narrow.list_functions()
    error = refusal(narrow.get_function, FunctionName="image-resize")
    assert "because no session policy allows the lambda:GetFunction action" in error["Message"]


def test_accounts_are_kept_apart_and_roles_cross_them(server):
    other = client(server, "iam", key="210987654321")
    trust = document(
        {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}
    )
    other.create_role(RoleName="from-outside", AssumeRolePolicyDocument=trust)
    other.attach_role_policy(
        RoleName="from-outside", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    with pytest.raises(ClientError, match="cannot be found"):
        client(server, "iam").get_role(RoleName="from-outside")
    held = client(server, "sts").assume_role(
        RoleArn="arn:aws:iam::210987654321:role/from-outside", RoleSessionName="visitor"
    )["Credentials"]
    keys = (held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])
    assert client(server, "sts", *keys).get_caller_identity()["Account"] == "210987654321"


def test_a_key_that_is_switched_off_opens_nothing(user):
    clients = user(allow("*"))
    assert clients("lambda").list_functions()
    user.iam.update_access_key(
        UserName=user.name, AccessKeyId=user.key["AccessKeyId"], Status="Inactive"
    )
    assert refusal(clients("lambda").list_functions)["Status"] == 403


def test_simulation_says_what_enforcement_does(user):
    clients = user(
        allow(
            "lambda:GetFunction", resource="arn:aws:lambda:us-east-1:123456789012:function:image-*"
        ),
        deny("lambda:DeleteFunction"),
        allow("lambda:Invoke*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
    )
    result = user.iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::123456789012:user/{user.name}",
        ActionNames=["lambda:GetFunction", "lambda:DeleteFunction", "lambda:ListFunctions", "lambda:InvokeFunction"],
        ResourceArns=["arn:aws:lambda:us-east-1:123456789012:function:image-resize"],
    )["EvaluationResults"]  # fmt: skip
    decisions = {item["EvalActionName"]: item["EvalDecision"] for item in result}
    assert decisions == {
        "lambda:GetFunction": "allowed",
        "lambda:DeleteFunction": "explicitDeny",
        "lambda:ListFunctions": "implicitDeny",
        "lambda:InvokeFunction": "implicitDeny",
    }
    assert result[3]["MissingContextValues"] == ["aws:MultiFactorAuthPresent"]
    assert result[0]["MatchedStatements"][0]["StartPosition"]["Line"] == 1
    assert clients("lambda").get_function(FunctionName="image-resize")


def test_the_administrator_and_execution_roles_are_there(server):
    iam = client(server, "iam")
    admin = iam.simulate_principal_policy(
        PolicySourceArn="arn:aws:iam::123456789012:user/admin",
        ActionNames=["lambda:DeleteFunction"],
    )["EvaluationResults"][0]
    assert admin["EvalDecision"] == "allowed"
    role = client(server, "lambda").get_function_configuration(FunctionName="image-resize")["Role"]
    name = role.rsplit("/", 1)[1]
    assert iam.get_role(RoleName=name)["Role"]["Arn"] == role
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert attached[0]["PolicyName"] == "AWSLambdaBasicExecutionRole"
    inline = iam.list_role_policies(RoleName=name)["PolicyNames"]
    held = iam.get_role_policy(RoleName=name, PolicyName=inline[0])["PolicyDocument"]
    assert held["Statement"][0]["Action"] == ["s3:GetObject", "s3:PutObject"]
