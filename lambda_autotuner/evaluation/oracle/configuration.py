"""Facts about how functions are set up, from the Lambda API."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from lambda_autotuner.errors import UsageError
from lambda_autotuner.evaluation.facts import Choice, Fact, Names, Number, Ranking, Words
from lambda_autotuner.evaluation.oracle.registry import (
    names_argument,
    number_argument,
    oracle,
    text_argument,
)
from lambda_autotuner.evaluation.oracle.witness import Witness
from lambda_autotuner.evaluation.schema import FactSpec

_ARCHITECTURE_WORDS = {
    "x86_64": ("x86_64", "x86-64", "x86", "intel", "amd64"),
    "arm64": ("arm64", "arm", "graviton", "aarch64"),
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "starts": lambda value, wanted: str(value).startswith(str(wanted)),
    "contains": lambda value, wanted: str(wanted) in str(value),
}
_NOTHING = (
    "no ",
    "none",
    "not ",
    "without",
    "isn't",
    "doesn't",
    "n't",
    "off",
    "disabled",
    "unset",
    "-",
)


def field(configuration: Mapping[str, Any], name: str) -> Any:
    """A value of a function's configuration in the suite's own terms.

    Raises:
        UsageError: the suite has no such term.
    """
    readers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "memory": lambda c: c["MemorySize"],
        "timeout": lambda c: c["Timeout"],
        "runtime": lambda c: c.get("Runtime") or "",
        "architecture": lambda c: c.get("Architectures", ["x86_64"])[0],
        "package_type": lambda c: c.get("PackageType", "Zip"),
        "ephemeral": lambda c: c.get("EphemeralStorage", {}).get("Size", 512),
        "code_size": lambda c: c["CodeSize"],
        "tracing": lambda c: c.get("TracingConfig", {}).get("Mode", "PassThrough"),
        "snap_start": lambda c: c.get("SnapStart", {}).get("ApplyOn", "None"),
        "name": lambda c: c["FunctionName"],
        "vpc": lambda c: bool(c.get("VpcConfig", {}).get("VpcId")),
    }
    if name not in readers:
        raise UsageError(f"There is no field {name!r}; there are {', '.join(readers)}.")
    return readers[name](configuration)


def universe(witness: Witness) -> tuple[str, ...]:
    """Every function of the account."""
    return tuple(witness.functions())


def _matching(witness: Witness, spec: FactSpec) -> tuple[str, ...]:
    name = text_argument(spec.args, "field")
    compare = _COMPARE[text_argument(spec.args, "is", "==")]
    wanted = spec.args["value"]
    return tuple(n for n, c in witness.functions().items() if compare(field(c, name), wanted))


@oracle("function_count")
def function_count(witness: Witness, spec: FactSpec) -> Fact:
    """How many functions the account has."""
    near = spec.near or ("function", "lambda")
    return Number("number of functions", len(witness.functions()), "count", 0, near=near)


@oracle("count_where", required=("field", "value"), optional=("is",))
def count_where(witness: Witness, spec: FactSpec) -> Fact:
    """How many functions have a value in a field."""
    count = len(_matching(witness, spec))
    return Number(f"functions with {spec.args['field']}", count, "count", 0, near=spec.near)


@oracle("functions_where", required=("field", "value"), optional=("is", "extra", "at_least"))
def functions_where(witness: Witness, spec: FactSpec) -> Fact:
    """Which functions have a value in a field: all of them, and no others."""
    at_least = spec.args.get("at_least")
    return Names(
        f"functions with {spec.args['field']} {spec.args.get('is', '==')} {spec.args['value']}",
        _matching(witness, spec),
        universe(witness),
        extra=int(number_argument(spec.args, "extra", 0)),
        at_least=None if at_least is None else int(number_argument(spec.args, "at_least")),
    )


@oracle("functions_named", required=("names",), optional=("extra",))
def functions_named(witness: Witness, spec: FactSpec) -> Fact:
    """Certain functions are named, and others are not."""
    names = tuple(n for n in names_argument(spec.args, "names") if n in witness.functions())
    extra = int(number_argument(spec.args, "extra", 0))
    return Names("functions", names, universe(witness), extra=extra)


@oracle("memory", required=("function",), optional=("compare_with",))
def memory(witness: Witness, spec: FactSpec) -> Fact:
    """The memory size of a function."""
    name, others = _subject(witness, spec)
    value = field(witness.function(name), "memory")
    return Number(
        "memory size",
        value,
        "mb",
        0,
        near=spec.near,
        subject=name if others else None,
        others=others,
    )


@oracle("timeout", required=("function",), optional=("compare_with",))
def timeout(witness: Witness, spec: FactSpec) -> Fact:
    """The timeout of a function."""
    name, others = _subject(witness, spec)
    value = field(witness.function(name), "timeout") * 1000
    near = spec.near or ("timeout", "time out", "seconds", "s")
    return Number(
        "timeout", value, "ms", 0, near=near, subject=name if others else None, others=others
    )


def _subject(witness: Witness, spec: FactSpec) -> tuple[str, Any]:
    """The function, and the others of the same answer when it speaks of several."""
    name = text_argument(spec.args, "function")
    if "compare_with" not in spec.args:
        return name, ()
    return name, tuple(other for other in universe(witness) if other != name)


@oracle("ephemeral_storage", required=("function",))
def ephemeral_storage(witness: Witness, spec: FactSpec) -> Fact:
    """The size of /tmp of a function."""
    value = field(witness.function(text_argument(spec.args, "function")), "ephemeral")
    return Number(
        "ephemeral storage",
        value,
        "mb",
        0,
        near=spec.near or ("ephemeral", "/tmp", "storage", "disk"),  # noqa: S108 - a word, no path
    )


@oracle("code_size", required=("function",))
def code_size(witness: Witness, spec: FactSpec) -> Fact:
    """The size of a function's package."""
    value = field(witness.function(text_argument(spec.args, "function")), "code_size") / 1024**2
    # Whether a megabyte is 1000 or 1024 kilobytes is a matter of taste here.
    return Number(
        "code size",
        value,
        "mb",
        max(spec.tolerance_pct, 6),
        near=spec.near or ("code", "package", "size"),
    )


@oracle("runtime", required=("function",))
def runtime(witness: Witness, spec: FactSpec) -> Fact:
    """The runtime of a function."""
    value = field(witness.function(text_argument(spec.args, "function")), "runtime")
    spaced = value.rstrip("0123456789.") + " " + value[len(value.rstrip("0123456789.")) :]
    return Words("runtime", (value, spaced, spaced.replace("nodejs", "node.js").removesuffix(".x")))


@oracle("architecture", required=("function",))
def architecture(witness: Witness, spec: FactSpec) -> Fact:
    """The architecture of a function."""
    value = field(witness.function(text_argument(spec.args, "function")), "architecture")
    return Words("architecture", _ARCHITECTURE_WORDS[value], near=spec.near)


@oracle("setting", required=("function", "field"))
def setting(witness: Witness, spec: FactSpec) -> Fact:
    """A setting that reads as it is stored: handler, role, package type, description."""
    configuration = witness.function(text_argument(spec.args, "function"))
    name = text_argument(spec.args, "field")
    value = str(configuration.get(name) or field(configuration, name))
    short = value.rsplit("/", 1)[-1]
    return Words(name, (value, short), near=spec.near)


@oracle("enabled", required=("function", "field"))
def enabled(witness: Witness, spec: FactSpec) -> Fact:
    """Whether something is on: tracing, snap_start, vpc."""
    name = text_argument(spec.args, "field")
    value = field(witness.function(text_argument(spec.args, "function")), name)
    on = value not in {"PassThrough", "None", False}
    yes = (
        "yes",
        "on",
        "enabled",
        "active",
        "uses",
        "is in",
        "has",
        "publishedversions",
        "vpc-",
        "inside",
        "runs in",
    )
    return Words(f"{name} {'on' if on else 'off'}", yes if on else _NOTHING, near=spec.near)


@oracle("environment_names", required=("function",))
def environment_names(witness: Witness, spec: FactSpec) -> Fact:
    """The names of a function's environment variables (never the values)."""
    client = witness.client("lambda")
    name = text_argument(spec.args, "function")
    answer = client.get_function_configuration(FunctionName=name)
    names = tuple(answer.get("Environment", {}).get("Variables", {}))
    return Names("environment variables", names)


@oracle("tag", required=("function", "key"))
def tag(witness: Witness, spec: FactSpec) -> Fact:
    """The value of a function's tag."""
    arn = witness.function(text_argument(spec.args, "function"))["FunctionArn"]
    tags = witness.client("lambda").list_tags(Resource=arn)["Tags"]
    key = text_argument(spec.args, "key")
    return Words(f"tag {key}", (tags[key],), near=spec.near)


@oracle("tagged", required=("key", "value"), optional=("extra",))
def tagged(witness: Witness, spec: FactSpec) -> Fact:
    """Which functions carry a tag with a value."""
    client = witness.client("lambda")
    key, value = text_argument(spec.args, "key"), text_argument(spec.args, "value")
    names = tuple(
        name
        for name, c in witness.functions().items()
        if client.list_tags(Resource=c["FunctionArn"])["Tags"].get(key) == value
    )
    extra = int(number_argument(spec.args, "extra", 0))
    return Names(f"functions with {key}={value}", names, universe(witness), extra=extra)


@oracle("aliases", required=("function",))
def aliases(witness: Witness, spec: FactSpec) -> Fact:
    """The names of a function's aliases."""
    name = text_argument(spec.args, "function")
    found = witness.client("lambda").list_aliases(FunctionName=name)["Aliases"]
    if not found:
        return Words("no aliases", ("no alias", "no aliases", "none", "without", "not have"))
    return Names("aliases", tuple(item["Name"] for item in found))


@oracle("alias_version", required=("function", "alias"))
def alias_version(witness: Witness, spec: FactSpec) -> Fact:
    """The version that an alias points to."""
    name, alias = text_argument(spec.args, "function"), text_argument(spec.args, "alias")
    found = witness.client("lambda").get_alias(FunctionName=name, Name=alias)
    version = float(found["FunctionVersion"])
    return Number(f"version of {alias}", version, "count", 0, near=spec.near or ("version", alias))


@oracle("event_source", required=("function",))
def event_source(witness: Witness, spec: FactSpec) -> Fact:
    """What feeds a function: the name of its queue or stream."""
    name = text_argument(spec.args, "function")
    found = witness.client("lambda").list_event_source_mappings(FunctionName=name)
    sources = [item["EventSourceArn"] for item in found["EventSourceMappings"]]
    return Names(
        "event sources", tuple(arn.rsplit("/", 1)[-1].rsplit(":", 1)[-1] for arn in sources)
    )


@oracle("last_modified", required=("function",))
def last_modified(witness: Witness, spec: FactSpec) -> Fact:
    """The day of a function's last change."""
    stamp = witness.function(text_argument(spec.args, "function"))["LastModified"]
    from datetime import datetime

    day = datetime.fromisoformat(stamp[:19])
    return Words(
        "last modified",
        (
            stamp[:10],
            f"{day:%B} {day.day}",
            f"{day.day} {day:%B}",
            f"{day:%b} {day.day}",
            f"{day.day} {day:%b}",
        ),
    )


@oracle("ranking_by_setting", required=("field",), optional=("top", "ascending"))
def ranking_by_setting(witness: Witness, spec: FactSpec) -> Fact:
    """The functions with the largest (or smallest) value of a numeric setting."""
    name = text_argument(spec.args, "field")
    direction = 1 if spec.args.get("ascending") else -1
    ordered = sorted(witness.functions().values(), key=lambda c: direction * field(c, name))
    return Ranking(
        f"order by {name}",
        tuple(c["FunctionName"] for c in ordered),
        tuple(float(field(c, name)) for c in ordered),
        universe(witness),
        top=int(number_argument(spec.args, "top", 1)),
    )


@oracle("setting_choice", required=("field", "functions", "more"), optional=("less", "ascending"))
def setting_choice(witness: Witness, spec: FactSpec) -> Fact:
    """Which of some functions has the larger (or smaller) value of a numeric setting."""
    name, functions = text_argument(spec.args, "field"), names_argument(spec.args, "functions")
    direction = 1 if spec.args.get("ascending") else -1
    ordered = sorted(functions, key=lambda n: direction * field(witness.function(n), name))
    return Choice(
        f"by {name}",
        ordered[0],
        tuple(ordered[1:]),
        names_argument(spec.args, "more"),
        names_argument(spec.args, "less"),
    )
