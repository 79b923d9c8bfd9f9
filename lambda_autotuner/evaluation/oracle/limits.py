"""Facts about the account itself: who it is, its limits, its alarms, dashboards and log groups."""

from __future__ import annotations

from lambda_autotuner.evaluation.facts import Absent, Fact, Names, Number, Words
from lambda_autotuner.evaluation.oracle.registry import oracle, text_argument
from lambda_autotuner.evaluation.oracle.witness import REGION, Witness
from lambda_autotuner.evaluation.schema import FactSpec


@oracle("account_id")
def account_id(witness: Witness, spec: FactSpec) -> Fact:
    """The twelve digits of the account."""
    del spec
    return Words("account", (witness.account_id,))


@oracle("region")
def region(witness: Witness, spec: FactSpec) -> Fact:
    """The region."""
    del witness, spec
    return Words("region", (REGION,))


@oracle("account_concurrency")
def account_concurrency(witness: Witness, spec: FactSpec) -> Fact:
    """The account's limit of concurrent executions."""
    limits = witness.client("lambda").get_account_settings()["AccountLimit"]
    near = spec.near or ("limit", "quota", "concurren")
    return Number(
        "concurrency limit",
        limits["ConcurrentExecutions"],
        "count",
        0,
        near=near,
        kind="concurrency limit",
    )


@oracle("unreserved_concurrency")
def unreserved_concurrency(witness: Witness, spec: FactSpec) -> Fact:
    """What is left of the account's concurrency for functions without a reservation."""
    limits = witness.client("lambda").get_account_settings()["AccountLimit"]
    value = limits["UnreservedConcurrentExecutions"]
    return Number(
        "unreserved concurrency",
        value,
        "count",
        0,
        near=spec.near or ("unreserved", "left", "remaining", "available"),
        kind="unreserved",
    )


@oracle("reserved_concurrency", required=("function",))
def reserved_concurrency(witness: Witness, spec: FactSpec) -> Fact:
    """A function's reserved concurrency, or that it has none."""
    name = text_argument(spec.args, "function")
    answer = witness.client("lambda").get_function_concurrency(FunctionName=name)
    value = answer.get("ReservedConcurrentExecutions")
    if value is None:
        return Absent("reserved concurrency", ("reserv", "concurrency limit", "cap", "limit"))
    near = spec.near or ("reserv", "concurren", "limit")
    return Number("reserved concurrency", value, "count", 0, near=near)


@oracle("provisioned_concurrency", required=("function",))
def provisioned_concurrency(witness: Witness, spec: FactSpec) -> Fact:
    """A function's provisioned concurrency, or that it has none."""
    name = text_argument(spec.args, "function")
    client = witness.client("lambda")
    answer = client.list_provisioned_concurrency_configs(FunctionName=name)
    configurations = answer["ProvisionedConcurrencyConfigs"]
    if not configurations:
        return Absent("provisioned concurrency", ("provisioned", "warm"))
    value = sum(item["RequestedProvisionedConcurrentExecutions"] for item in configurations)
    return Number(
        "provisioned concurrency", value, "count", 0, near=spec.near or ("provisioned", "warm")
    )


@oracle("alarms", optional=("state", "prefix"))
def alarms(witness: Witness, spec: FactSpec) -> Fact:
    """The alarms of the account (in one state, when given)."""
    found = witness.client("cloudwatch").describe_alarms(MaxRecords=100)["MetricAlarms"]
    state = spec.args.get("state")
    names = [a["AlarmName"] for a in found if state is None or a["StateValue"] == state]
    return Names("alarms", tuple(names), tuple(a["AlarmName"] for a in found))


@oracle("dashboards")
def dashboards(witness: Witness, spec: FactSpec) -> Fact:
    """The dashboards of the account."""
    del spec
    found = witness.client("cloudwatch").list_dashboards()["DashboardEntries"]
    return Names("dashboards", tuple(item["DashboardName"] for item in found))


@oracle("log_group", required=("function",))
def log_group(witness: Witness, spec: FactSpec) -> Fact:
    """The log group that a function writes to."""
    configuration = witness.function(text_argument(spec.args, "function"))
    name = configuration.get("LoggingConfig", {}).get("LogGroup")
    return Words("log group", (name or f"/aws/lambda/{configuration['FunctionName']}",))


@oracle("retention", required=("function",))
def retention(witness: Witness, spec: FactSpec) -> Fact:
    """For how many days a function's logs are kept, or that they never expire."""
    group = f"/aws/lambda/{text_argument(spec.args, 'function')}"
    found = witness.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    days = next((g.get("retentionInDays") for g in found if g["logGroupName"] == group), None)
    if days is None:
        return Words(
            "no expiry",
            (
                "never",
                "no expir",
                "no retention",
                "indefinite",
                "forever",
                "not set",
                "none",
                "not expire",
            ),
        )
    return Number(
        "retention",
        days * 86_400_000,
        "ms",
        0,
        near=spec.near or ("retention", "kept", "keep", "days"),
    )
