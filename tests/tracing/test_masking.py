"""Masking: 200 planted secrets over all channels, 200 innocent look-alikes, failing closed."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlflow_integration as tracing
from mlflow_integration.masking import FAILED, Masker, MaskingError, mask, mask_text

SEED = 20261122
_ALNUM = string.ascii_letters + string.digits


def _text(rng: random.Random, length: int, alphabet: str = _ALNUM) -> str:
    return "".join(rng.choice(alphabet) for _ in range(length))


def _jwt(rng: random.Random) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(json.dumps({"sub": rng.random()}).encode()).decode()
    return f"{head}.{body.rstrip('=')}.{_text(rng, 43)}"


def _aws_secret(rng: random.Random) -> str:
    return _text(rng, 40, _ALNUM + "/+")


# Secrets that are known by their shape, wherever they stand.
SHAPES: dict[str, Callable[[random.Random], str]] = {
    "access key": lambda r: "AKIA" + _text(r, 16, string.ascii_uppercase + string.digits),
    "temporary key": lambda r: "ASIA" + _text(r, 16, string.ascii_uppercase + string.digits),
    "secret key": _aws_secret,
    "session token": lambda r: "IQoJb3JpZ2lu" + _text(r, 120, _ALNUM + "/+") + "==",
    "github": lambda r: "ghp" + "_" + _text(r, 36),
    "github fine": lambda r: "github" + "_pat_" + _text(r, 22) + "_" + _text(r, 59),
    "gitlab": lambda r: "glpat" + "-" + _text(r, 20),
    "slack": lambda r: "xoxb" + "-" + _text(r, 12, string.digits) + "-" + _text(r, 24),
    "databricks": lambda r: "dapi" + _text(r, 32, "0123456789abcdef"),
    "model key": lambda r: "sk" + "-" + _text(r, 48),
    "model key 2": lambda r: "sk" + "-ant-api03-" + _text(r, 90),
    "jwt": _jwt,
    "google": lambda r: "AIza" + _text(r, 35, _ALNUM + "-_"),
    "payment": lambda r: "sk" + "_live_" + _text(r, 24),
    "npm": lambda r: "npm" + "_" + _text(r, 36),
    "hub": lambda r: "hf" + "_" + _text(r, 34),
    "sendgrid": lambda r: "SG." + _text(r, 22) + "." + _text(r, 43),
    "bearer": lambda r: "Bearer " + _text(r, 40),
    "postgres": lambda r: f"postgresql://app:{_text(r, 18)}@db.internal:5432/shop",
    "mongo": lambda r: f"mongodb+srv://root:{_text(r, 18)}@cluster0.example.net/x",
    "redis": lambda r: f"redis://:{_text(r, 20)}@cache:6379/0",
    "amqp": lambda r: f"amqps://user:{_text(r, 15)}@mq:5671/v",
    "presigned": lambda r: (
        "https://b.s3.amazonaws.com/k?X-Amz-Signature=" + _text(r, 64, "0123456789abcdef")
    ),
    "pem": lambda r: (
        "-----BEGIN RSA " + "PRIVATE KEY-----\n" + _text(r, 120) + "\n-----END RSA PRIVATE KEY-----"
    ),
    "storage": lambda r: f"AccountName=x;AccountKey={_text(r, 60)}==;EndpointSuffix=core",
}
# Secrets that only their name gives away.
NAMES = (
    "DB_PASSWORD", "password", "API_KEY", "apiKey", "client_secret", "SECRET_TOKEN", "auth_token",
    "Authorization", "private_key", "STRIPE_SECRET", "connection_string", "sessionToken",
    "aws_secret_access_key", "PGPASSWORD", "webhook_secret",
)  # fmt: skip


def _needle(secret: str) -> str:
    """The part of a secret that must not be found anywhere."""
    if "://" in secret and "@" in secret:
        return secret.split("://", 1)[1].split("@", maxsplit=1)[0].split(":")[1]
    for mark in ("X-Amz-Signature=", "AccountKey=", "Bearer "):
        if mark in secret:
            return secret.split(mark)[1].split(";", maxsplit=1)[0]
    if "PRIVATE KEY" in secret:
        return secret.split("\n")[1]
    return secret


def planted(seed: int = SEED) -> list[tuple[str, str, object]]:
    """200 secrets: label, needle, and the value in which it is planted."""
    rng = random.Random(seed)
    found: list[tuple[str, str, object]] = []
    frames: list[Callable[[str], object]] = [
        lambda s: s,
        lambda s: f"2026-11-22 ERROR call failed with {s} in handler",
        lambda s: {"outer": [{"inner": s}]},
        lambda s: json.dumps({"message": f"got {s}"}),
        lambda s: f"url={s}, next",
    ]
    for number, (label, make) in enumerate(SHAPES.items()):
        for turn in range(5):
            secret = make(rng)
            found.append((label, _needle(secret), frames[(turn + number) % 5](secret)))
    named: list[Callable[[str, str], object]] = [
        lambda k, s: {k: s},
        lambda k, s: f"{k}={s} started",
        lambda k, s: json.dumps({"config": {k: s}}),
        lambda k, s: f"loaded {{'{k}': '{s}'}}",
    ]
    for name in NAMES:
        for frame in named:
            secret = _text(rng, rng.choice([10, 16, 24]))
            found.append((f"named {name}", secret, frame(name, secret)))
    while len(found) < 200:
        secret = _text(rng, 14)
        variables = {"Environment": {"Variables": {f"SETTING_{len(found)}": secret}}}
        value: object = variables if len(found) % 2 else json.dumps(variables)
        found.append(("environment", secret, value))
    return found[:200]


def innocent(seed: int = SEED) -> list[object]:
    """200 values that look like secrets and are none."""
    rng = random.Random(seed + 1)
    found: list[object] = []
    for n in range(20):
        account = _text(rng, 12, string.digits)
        digest = hashlib.sha256(str(n).encode())
        found += [
            f"arn:aws:lambda:us-east-1:{account}:function:checkout-{n}:prod",
            f"arn:aws:iam::{account}:role/service-role/lambda-exec-{n}",
            f"RequestId: {uuid.UUID(int=rng.getrandbits(128))}",
            digest.hexdigest(),
            hashlib.sha1(str(n).encode(), usedforsecurity=False).hexdigest(),
            {"CodeSha256": base64.b64encode(digest.digest()).decode(), "MemorySize": 512},
            f"/aws/lambda/orders/processor/of/the/{n}/queue/handler",
            {
                "total_tokens": 1200 + n,
                "max_tokens": 4096,
                "input_tokens": n,
                "tags": {"team": "x"},
            },
            f"https://console.aws.amazon.com/lambda/home?region=eu-west-1#/functions/f{n}",
            (
                f"REPORT RequestId: {uuid.UUID(int=rng.getrandbits(128))}\tDuration: {n}.4 ms\t"
                f"Billed Duration: {n + 1} ms\tMemory Size: 512 MB\tMax Memory Used: 91 MB"
            ),
        ]
    return found


def test_the_sets_have_200_members_each():
    assert len(planted()) == 200
    assert len(innocent()) == 200


def test_no_planted_secret_comes_through():
    leaked = [
        (label, value) for label, needle, value in planted() if needle in json.dumps(mask(value))
    ]
    assert leaked == []


def test_masking_never_gives_up_on_ordinary_values():
    for _, _, value in planted():
        assert FAILED not in json.dumps(mask(value)), value


def test_an_assignment_inside_another_is_masked():
    text = "RuntimeError: DB_PASSWORD=" + "TENzwGXF9dwQ" + " started, api key is " + "abcd1234efgh"
    assert mask_text(text) == (
        "RuntimeError: DB_PASSWORD=[masked:named] started, api key is [masked:named]"
    )


def test_innocent_values_stay_as_they_are():
    changed = [value for value in innocent() if mask(value) != value]
    assert len(changed) <= 2, changed


def test_other_random_secrets_are_masked_too():
    rng = random.Random()
    for make in SHAPES.values():
        secret = make(rng)
        assert _needle(secret) not in mask_text(f"x {secret} y"), secret


def test_the_guides_own_attributes_are_kept():
    attributes = {"custom_tag": "my_value", "environment": "production", "api": "lambda"}
    assert mask(attributes) == attributes


def test_references_flags_and_levels_are_kept():
    value = {
        "Environment": {"Variables": {"LOG_LEVEL": "DEBUG", "FEATURE": "true", "AWS_REGION": "eu"}},
        "password": None,
        "secret_arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:x",
        "token_count": 12,
        "secret": "${SECRET}",
    }
    assert mask(value) == value


class _Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_what_cannot_be_masked_is_left_out():
    assert mask(_Broken()) == FAILED
    assert mask({"a": [_Broken()]}) == FAILED
    endless: list[object] = []
    endless.append(endless)
    assert "masked" in json.dumps(mask(endless))


def test_a_configured_pattern_is_masked_and_a_bad_one_is_refused():
    masker = Masker.with_patterns([r"CUST-\d{6}"])
    assert masker.mask({"a": "see CUST-123456"}) == {"a": "see [masked:custom]"}
    with pytest.raises(MaskingError, match="not a regular expression"):
        Masker.with_patterns(["("])


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_masking_keeps_the_shape_and_is_settled(value):
    once = mask(value)
    assert type(once) is type(value)
    assert mask(once) == once
    json.dumps(once)


@pytest.mark.parametrize(
    "share",
    [pytest.param(10, id="a tenth"), pytest.param(1, id="all", marks=pytest.mark.soak)],
)
def test_no_secret_reaches_the_spool_or_the_back_end_by_any_channel(start, share):
    secrets = planted()[::share]
    custom = "CUST-" + "482913"
    traced = start(masking_patterns=[r"CUST-\d{6}"])
    for label, _, value in secrets:
        with tracing.track_agent_execution(
            f"question {value}",
            session_id=str(value),
            user=str(value),
            tags={"note": value, "custom": custom},
        ) as execution:
            _plant(label, value)
            execution.classify("refusal", str(value))
            execution.record_approval("apply", "rejected", arguments={"v": value}, by=str(value))
            execution.set_error(ValueError(str(value)))
            execution.set_answer(str(value))
        tracing.log_assessment(execution.trace_id, "helpful", False, rationale=str(value))
        tracing.set_trace_tags(execution.trace_id, {"late": value})
    needles = [needle for _, needle, _ in secrets] + [custom]
    text = traced.spooled_text()
    assert [needle for needle in needles if needle in text] == []
    result = traced.deliver(240)
    assert result["delivered"]["traces"] == len(secrets)
    assert not result["rejected"]
    stored = b"".join(
        path.read_bytes() for path in traced.state.rglob("*") if path.is_file()
    ).decode("utf-8", "replace")
    assert [needle for needle in needles if needle in stored] == []


def _plant(label: str, value: object) -> None:
    """Put a value into every part of a span."""
    shaped = label in SHAPES
    name = str(value)[:80] if shaped else "step"
    try:
        with tracing.create_trace_context(name, "TOOL", {"in": value}, {"attr": value}) as span:
            span.set_outputs([value])
            span.add_event(name, {"detail": str(value)})
            if shaped:
                span.set_attribute(str(value)[:80], 1)
            tracing.annotate_span({"later": value})
            raise RuntimeError(str(value))  # noqa: TRY301 - exception text is a channel too
    except RuntimeError:
        return


def test_when_masking_itself_fails_nothing_of_the_content_is_stored(traced, monkeypatch):
    def broken(*_: object) -> str:
        raise RuntimeError("masking failed")

    monkeypatch.setattr(Masker, "is_clean", broken)
    with (
        tracing.track_agent_execution("secret-question") as execution,
        tracing.create_trace_context("secret-name", "TOOL", {"in": "secret-input"}),
    ):
        execution.set_answer("secret-answer")
    assert "secret-" not in traced.spooled_text()
    traced.deliver()
    (trace,) = traced.traces()
    assert {span.name for span in trace.data.spans} == {FAILED}
    assert trace.info.state.value == "OK"
