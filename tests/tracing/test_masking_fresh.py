"""Masking against secrets and look-alikes that are made anew from a seed, in every disguise."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
import uuid
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest

from mlflow_integration.masking import mask, mask_text
from mlflow_integration.masking_rules import ASSIGNMENT_GATES, RULES

LOWER, UPPER, DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
ALNUM, HEX = string.ascii_letters + DIGITS, "0123456789abcdef"
BASE64 = ALNUM + "+/"
Maker = Callable[[random.Random], tuple[str, str]]


def chars(rng: random.Random, count: int, alphabet: str = ALNUM) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def password(rng: random.Random) -> str:
    """At least one of each kind, as password rules demand."""
    body = [rng.choice(k) for k in (LOWER, UPPER, DIGITS, "!#$^*+~")]
    body += [rng.choice(ALNUM) for _ in range(rng.randint(6, 16))]
    rng.shuffle(body)
    return "".join(["x", *body])


def jwt(rng: random.Random) -> str:
    def part(data: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256', 'kid': chars(rng, 8)})}.{part({'sub': chars(rng, 9)})}." + (
        chars(rng, 86, ALNUM + "-_")
    )


def pem(rng: random.Random) -> tuple[str, str]:
    kind = rng.choice(["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
    lines = [chars(rng, 64, BASE64) for _ in range(rng.randint(3, 8))]
    body = "\n".join(lines)
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----", lines[1]


def same(make: Callable[[random.Random], str]) -> Maker:
    def made(rng: random.Random) -> tuple[str, str]:
        text = make(rng)
        return text, text

    return made


def around(make: Callable[[random.Random], tuple[str, str, str]]) -> Maker:
    def made(rng: random.Random) -> tuple[str, str]:
        before, secret, after = make(rng)
        return before + secret + after, secret

    return made


# The text of a secret and the part of it that must not be seen afterwards.
KINDS: dict[str, Maker] = {
    "github": same(lambda r: "gh" + r.choice("pousr") + "_" + chars(r, 36)),
    "github fine": same(lambda r: "github" + "_pat_" + chars(r, 22) + "_" + chars(r, 59)),
    "slack": same(lambda r: "xox" + r.choice("bpas") + f"-{chars(r, 11, DIGITS)}-{chars(r, 24)}"),
    "slack hook": around(
        lambda r: ("https://hooks.slack.com/services/", f"T{chars(r, 8)}/B{chars(r, 8)}", "")
    ),
    "stripe": same(lambda r: r.choice("sr") + "k_" + r.choice(["live", "test"]) + "_" + chars(r, 24)),
    "stripe hook": same(lambda r: "whsec" + "_" + chars(r, 32)),
    "google": same(lambda r: "AI" + "za" + chars(r, 35, ALNUM + "-_")),
    "google oauth": same(lambda r: "ya29" + ".a0" + chars(r, 60, ALNUM + "-_")),
    "google refresh": same(lambda r: "1//" + "0" + chars(r, 40, ALNUM + "-_")),
    "azure client": same(lambda r: f"{chars(r, 3)}8Q" + "~" + chars(r, 34, ALNUM + "-_")),
    "azure storage": around(
        lambda r: ("AccountName=a;AccountKey=", chars(r, 86, BASE64) + "==", ";EndpointSuffix=x")
    ),
    "azure sas": around(
        lambda r: ("https://a.blob.core.windows.net/c?sv=2024&sig=", chars(r, 43) + "%3D", "&se=1")
    ),
    "azure bare": same(lambda r: chars(r, 86, BASE64) + "=="),
    "jwt": same(jwt),
    "pem": pem,
    "basic url": around(lambda r: (f"https://{chars(r, 6, LOWER)}:", password(r), "@git.example.com/x")),
    "token url": around(lambda r: ("https://", chars(r, 40, HEX) + "9", "@git.example.com/x.git")),
    "mongo": around(lambda r: ("mongodb+srv://app:", password(r), "@c0.abc.example.net/db?w=1")),
    "postgres": around(lambda r: ("postgres://app:", f"p@{chars(r, 9)}@{chars(r, 5)}", "@db:5432/x")),
    "redis": around(lambda r: ("rediss://default:", password(r), "@cache.internal:6380/0")),
    "jdbc": around(lambda r: ("jdbc:mysql://db/x?user=a&password=", chars(r, 18), "&ssl=true")),
    "odbc": around(lambda r: ("Server=db;User Id=sa;Password=", chars(r, 14), ";Encrypt=yes")),
    "access key": same(lambda r: r.choice(["AK", "AS"]) + "IA" + chars(r, 16, UPPER + "234567")),
    "secret key": around(lambda r: ("aws_secret_access_key = ", chars(r, 40, BASE64), "")),
    "session token": same(lambda r: "IQoJb3JpZ2lu" + "X2Vj" + chars(r, 300, BASE64) + "=="),
    "older token": same(lambda r: "FwoGZXIvYXdz" + "E" + chars(r, 200, BASE64) + "="),
    "databricks": same(lambda r: "da" + "pi" + chars(r, 32, HEX)),
    "model key": same(lambda r: "s" + "k-" + r.choice(["proj-", "ant-api03-", ""]) + chars(r, 60)),
    "random variable": around(lambda r: (f"APP_{chars(r, 5, UPPER)}=", "aB3" + chars(r, 29), "")),
    "bearer": around(lambda r: ("Authorization: Bearer ", "a1" + chars(r, 38), "")),
    "basic": around(
        lambda r: ("authorization: Basic ", base64.b64encode(f"u:{password(r)}Z9".encode()).decode(), "")
    ),
    "named": around(
        lambda r: (f"{r.choice(['db_password', 'client-secret', 'x-api-key', 'authToken'])}: ",
                   chars(r, 16), "")
    ),
}  # fmt: skip
# How it is hidden; each returns what stands in the trace.
DISGUISES: dict[str, Callable[[str, random.Random], object]] = {
    "plain": lambda s, _: s,
    "in a line": lambda s, r: f"{uuid.UUID(int=r.getrandbits(128))} ERROR got {s} from upstream",
    "in a structure": lambda s, _: {"a": [{"b": (s, 1)}]},
    "as a key": lambda s, _: {s: "value"},
    "JSON in JSON": lambda s, _: {"body": json.dumps({"inner": json.dumps({"note": s})})},
    "JSON in JSON in a line": lambda s, _: "INFO event=" + json.dumps(json.dumps({"note": s})),
    "unicode-escaped": lambda s, r: "x " + "".join(
        f"\\u{ord(c):04x}" if c.isalnum() and r.random() < 0.3 else c for c in s.replace("\n", "\\n")
    ),
    "base64": lambda s, _: "payload " + base64.b64encode(f"value: {s}".encode()).decode(),
    "url-safe base64": lambda s, _: {"p": base64.urlsafe_b64encode(f"~~> {s}".encode()).decode()},
    "percent": lambda s, _: "redirect=" + quote(f"/next?v={s}", safe=""),
    "repr": lambda s, _: f"Event({ {'note': s}!r})",
}  # fmt: skip


def planted(seed: int) -> Iterator[tuple[str, str, object]]:
    rng = random.Random(seed)
    names = [(kind, disguise) for kind in KINDS for disguise in DISGUISES]
    rng.shuffle(names)
    for kind, disguise in names[:200]:
        text, needle = KINDS[kind](rng)
        yield f"{kind} / {disguise}", needle, DISGUISES[disguise](text, rng)


def seen(needle: str, shown: object) -> bool:
    """Whether the secret, or most of it, can still be read in any of its disguises."""
    text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, default=str)
    part = needle[len(needle) // 4 :]
    forms = {part, quote(part, safe=""), json.dumps(part)[1:-1]}
    forms |= {base64.b64encode(b"x" * pad + needle.encode()).decode()[8:-8] for pad in range(3)}
    return any(form and form in text for form in forms)


@pytest.mark.parametrize("seed", [20261126, 7, 4242])
def test_no_fresh_secret_can_be_read_afterwards(seed):
    found = list(planted(seed))
    leaked = [(name, needle, shown) for name, needle, value in found
              if seen(needle, shown := mask(value))]  # fmt: skip
    assert len(found) == 200
    assert [name for name, _, _ in leaked] == [], leaked[:5]


def lookalikes(seed: int) -> Iterator[object]:
    rng = random.Random(seed)

    def digest(size: int) -> bytes:
        return hashlib.sha512(rng.randbytes(16)).digest()[:size]

    for n in range(20):
        account, ident = chars(rng, 12, DIGITS), str(uuid.UUID(int=rng.getrandbits(128)))
        yield rng.choice(
            [
                f"arn:aws:lambda:eu-west-1:{account}:function:pay-{n}:{n}",
                f"arn:aws:secretsmanager:eu-west-1:{account}:secret:prod/db-{chars(rng, 6)}",
                f"arn:aws:iam::{account}:role/service-role/pay-{chars(rng, 8, LOWER + DIGITS)}",
                f"arn:aws:kms:eu-west-1:{account}:key/{ident}",
            ]
        )
        yield f"RequestId: {ident} Process exited before completing request"
        yield {"trace_id": "tr-" + chars(rng, 32, HEX), "span_id": chars(rng, 16, HEX)}
        yield f"X-Amzn-Trace-Id: Root=1-{chars(rng, 8, HEX)}-{chars(rng, 24, HEX)};Sampled=1"
        yield {"CodeSha256": base64.b64encode(digest(32)).decode(), "RevisionId": ident}
        yield {"sha": digest(32).hex(), "commit": digest(20).hex(), "short": digest(4).hex()}
        yield f"2026/11/{n % 28 + 1:02}/[$LATEST]{chars(rng, 32, HEX)}"
        yield {"VersionId": chars(rng, 32, ALNUM + "._"), "ETag": f'"{chars(rng, 32, HEX)}"'}
        yield rng.choice(
            [
                f"integrity sha512-{base64.b64encode(digest(64)).decode()}",
                f"{account}.dkr.ecr.eu-west-1.amazonaws.com/pay@sha256:{digest(32).hex()}",
                f"GIT_COMMIT={digest(20).hex()} IMAGE_TAG=v1.{n}.0-rc2 BUILD_ID={ident}",
                f"s3://artifacts-{account}/build/{digest(16).hex()}/bundle.zip",
            ]
        )
        yield rng.choice(
            [
                {"max_tokens": 4096, "token_usage": {"input_tokens": n}, "NextToken": None},
                f"Duration: {n}.31 ms Billed Duration: {n + 1} ms Memory Size: 512 MB",
                {"MasterArn": "m", "keyspace": "orders", "author": "ann", "pinned": True},
                f"ami-{chars(rng, 17, HEX)} vpc-{chars(rng, 17, HEX)} i-{chars(rng, 17, HEX)}",
                f"https://eu-west-1.console.aws.amazon.com/lambda/home#/functions/pay-{n}?tab=code",
                "pay%3Fregion%3Deu-west-1%26page%3D2 and 95% of it",
                {"thread": f"checkout-worker-{n}", "path": "/opt/python/lib/site-packages/x.py"},
            ]
        )


@pytest.mark.parametrize("seed", [20261126, 7, 4242])
def test_fresh_look_alikes_are_kept(seed):
    values = list(lookalikes(seed))
    changed = [(value, mask(value)) for value in values if mask(value) != value]
    assert len(values) == 200
    assert len(changed) <= 2, changed


@pytest.mark.parametrize("seed", [1, 2])
def test_a_token_that_is_folded_over_lines_is_masked_to_its_end(seed):
    rng = random.Random(seed)
    for kind in ("session token", "github fine", "access key", "model key", "jwt", "github"):
        text, needle = KINDS[kind](rng)
        width = max(12, len(text) // 2 + 1) if len(text) < 60 else 48
        lines = [text[n : n + width] for n in range(0, len(text), width)]
        for joint in ("\n", "\n    ", " \\\n  "):
            shown = mask_text(f"credentials\n{joint.join(lines)}\nthe next line stays")
            assert not any(line in shown for line in lines), (kind, joint, shown)
            assert shown.endswith("\nthe next line stays"), (kind, shown)
        del needle


def test_a_value_under_a_telling_name_may_stand_on_the_next_line():
    secret = "hunter2" + "hunter2"
    for text in (f"password:\n    {secret}\nuser: me", f'"api_key" :\n  "{secret}"',
                 f"PASSWORD='{secret}"):  # fmt: skip
        assert secret not in mask_text(text), text


def evil(length: int) -> Iterator[str]:
    """Texts that make a careless pattern try again from every position."""
    for rule in RULES:
        for gate in rule.gates:
            for glue in ("", "-", "a", " ", "."):
                piece = gate + glue
                yield piece * (length // len(piece))
    for gate in ASSIGNMENT_GATES:
        yield f"{gate}=" * (length // 8)
        yield f'{gate}="' * (length // 8)
        yield f'\\"{gate}\\": \\"' * (length // 12)
    for piece in ("a://b:", "-----BEGIN PRIVATE KEY-----", "{", '{"', "%41", "\\u0041", "a\n", "A_",
                  "A_B=", "variables={", "eyJaaaaaa.", "Basic ", "Bearer a", "&#65;", "=", "/", "\n"):  # fmt: skip
        yield piece * (length // len(piece))
    yield "a" * length
    yield "A1b" * (length // 3)


@pytest.mark.timeout(120)
def test_hostile_texts_are_masked_in_time():
    """Twenty thousand characters each; a pattern that is quadratic would take hours."""
    for text in evil(20_000):
        mask_text(text)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_hostile_megabytes_are_masked_in_time():
    import time

    slowest = []
    for text in evil(1_000_000):
        began = time.thread_time()
        mask_text(text)
        slowest.append((time.thread_time() - began, text[:30]))
    print("\nslowest megabytes:", *sorted(slowest, reverse=True)[:8], sep="\n  ")
