"""Prices, quotas, scaling, tags, Compute Optimizer and payload objects, through boto3."""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lambda_autotuner.sandbox.process import start_private


@pytest.fixture(scope="module")
def server():
    with start_private() as process:
        yield process


@pytest.fixture
def client(server):
    return lambda service: boto3.client(
        service,
        endpoint_url=server.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="123456789012",
        aws_secret_access_key="x",
        config=Config(retries={"max_attempts": 0}),
    )


def code(call, **arguments) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_prices_have_tiers_and_the_shape_of_the_price_list(client):
    pages = client("pricing").get_paginator("get_products")
    found = [
        json.loads(item)
        for page in pages.paginate(
            ServiceCode="AWSLambda",
            Filters=[
                {"Type": "TERM_MATCH", "Field": "regionCode", "Value": "us-east-1"},
                {"Type": "TERM_MATCH", "Field": "group", "Value": "AWS-Lambda-Duration-ARM"},
            ],
        )
        for item in page["PriceList"]
    ]
    assert len(found) == 1
    assert found[0]["product"]["attributes"]["location"] == "US East (N. Virginia)"
    (term,) = found[0]["terms"]["OnDemand"].values()
    tiers = sorted(term["priceDimensions"].values(), key=lambda item: float(item["beginRange"]))
    assert [item["endRange"] for item in tiers] == ["7500000000", "18750000000", "Inf"]
    assert float(tiers[0]["pricePerUnit"]["USD"]) == pytest.approx(0.0000133334, rel=1e-9)


def test_prices_page_through_everything_once(client):
    pages = (
        client("pricing")
        .get_paginator("get_products")
        .paginate(ServiceCode="AWSLambda", PaginationConfig={"PageSize": 20})
    )
    skus = [json.loads(item)["product"]["sku"] for page in pages for item in page["PriceList"]]
    assert len(skus) == len(set(skus)) > 40


def test_a_raised_quota_is_the_accounts_real_limit(client):
    quotas = client("service-quotas")
    before = quotas.get_service_quota(ServiceCode="lambda", QuotaCode="L-B99A9384")["Quota"]
    limit = client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    assert before["Value"] == limit
    quotas.request_service_quota_increase(
        ServiceCode="lambda", QuotaCode="L-B99A9384", DesiredValue=limit + 500
    )
    after = client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    assert after == limit + 500
    assert code(quotas.get_service_quota, ServiceCode="lambda", QuotaCode="L-X") == (
        "NoSuchResourceException"
    )


def test_scalable_targets_need_a_real_alias(client):
    scaling = client("application-autoscaling")
    target = {
        "ServiceNamespace": "lambda",
        "ResourceId": "function:order-events-consumer:live",
        "ScalableDimension": "lambda:function:ProvisionedConcurrency",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=5)
    scaling.put_scaling_policy(
        **target,
        PolicyName="track",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 0.7,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"
            },
        },
    )
    (held,) = scaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
    assert (held["MinCapacity"], held["MaxCapacity"]) == (1, 5)
    (policy,) = scaling.describe_scaling_policies(ServiceNamespace="lambda")["ScalingPolicies"]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 0.7
    scaling.deregister_scalable_target(**target)
    assert not scaling.describe_scaling_policies(ServiceNamespace="lambda")["ScalingPolicies"]
    missing = {**target, "ResourceId": "function:no-such:live"}
    assert code(scaling.register_scalable_target, **missing, MinCapacity=1, MaxCapacity=2) == (
        "ValidationException"
    )


def test_tags_are_the_functions_own(client):
    tagging = client("resourcegroupstaggingapi")
    media = [
        item["ResourceARN"]
        for page in tagging.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": "team", "Values": ["media"]}],
            ResourceTypeFilters=["lambda:function"],
            ResourcesPerPage=2,
        )
        for item in page["ResourceTagMappingList"]
    ]
    assert len(media) == len(set(media)) > 2
    tagging.tag_resources(ResourceARNList=[media[0]], Tags={"reviewed": "yes"})
    assert client("lambda").list_tags(Resource=media[0])["Tags"]["reviewed"] == "yes"
    assert "reviewed" in tagging.get_tag_keys()["TagKeys"]
    failed = tagging.tag_resources(
        ResourceARNList=["arn:aws:lambda:us-east-1:1:x"], Tags={"a": "b"}
    )
    assert failed["FailedResourcesMap"]


def test_compute_optimizer_keeps_to_its_eligibility_and_says_what_it_is(client):
    optimizer = client("compute-optimizer")
    assert optimizer.get_enrollment_status()["status"] == "Active"
    reply = optimizer.get_lambda_function_recommendations()
    assert "not AWS's model" in reply["ResponseMetadata"]["HTTPHeaders"]["x-sandbox-stand-in"]
    found = reply["lambdaFunctionRecommendations"]
    assert {item["finding"] for item in found} == {"Optimized", "NotOptimized"}
    assert all(item["currentMemorySize"] <= 1792 for item in found)
    assert all(item["numberOfInvocations"] >= 50 for item in found)
    for item in found:
        for option in item.get("memorySizeRecommendationOptions", ()):
            assert option["memorySize"] != item["currentMemorySize"]
            assert option["memorySize"] >= 128
    listed = client("lambda").get_paginator("list_functions").paginate()
    large = [
        function
        for page in listed
        for function in page["Functions"]
        if function["MemorySize"] > 1792
    ]
    (asked,) = optimizer.get_lambda_function_recommendations(
        functionArns=[large[0]["FunctionArn"]]
    )["lambdaFunctionRecommendations"]
    assert (asked["finding"], asked["findingReasonCodes"]) == ("Unavailable", ["Inconclusive"])


def test_payloads_can_be_kept_in_buckets(client):
    s3 = client("s3")
    assert code(s3.get_object, Bucket="payloads", Key="one.json") == "NoSuchBucket"
    s3.create_bucket(Bucket="payloads")
    s3.put_object(Bucket="payloads", Key="in/one.json", Body=b'{"a": 1}')
    assert s3.get_object(Bucket="payloads", Key="in/one.json")["Body"].read() == b'{"a": 1}'
    assert s3.head_object(Bucket="payloads", Key="in/one.json")["ContentLength"] == 8
    listed = s3.list_objects_v2(Bucket="payloads", Prefix="in/")
    assert [item["Key"] for item in listed["Contents"]] == ["in/one.json"]
    assert code(s3.get_object, Bucket="payloads", Key="two") == "NoSuchKey"
    s3.delete_object(Bucket="payloads", Key="in/one.json")
    assert s3.list_objects_v2(Bucket="payloads")["KeyCount"] == 0
