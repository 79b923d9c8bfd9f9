"""Whatever bytes arrive, the next request is answered: a served sandbox under 6,000 odd requests."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import struct
import time

import cbor2
import pytest

from lambda_autotuner.sandbox.process import start_private
from lambda_autotuner.sandbox.registry import supported
from lambda_autotuner.sandbox.wire.models import SIGNING_NAMES, load_service

REQUESTS = 6_000
PER_CONNECTION = 25
_ODD = (
    None, "", " ", "x" * 300, "\x00", "\u2603", "a/../../b", "%00", "$LATEST", "-1", "1e400", 0, -1,
    2**63, 2**200, 1.5, float("inf"), True, [], [[]], {}, {"a": {"b": []}}, ["x"] * 40, b"\xff\xfe",
)  # fmt: skip
_TYPES = (
    "application/json", "application/x-amz-json-1.0", "application/x-amz-json-1.1",
    "application/cbor", "application/x-www-form-urlencoded", "text/xml", "image/png", "",
)  # fmt: skip
# The names of faults that AWS answers with; anything else in this place would be ours.
BROKEN = 500


@pytest.fixture(scope="module")
def fuzzed():
    with start_private() as process:
        yield process


def port_of(server) -> int:
    return int(server.endpoint_url.rsplit(":", 1)[1])


def scope(service: str) -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=123456789012/20260101/us-east-1/{service}/aws4_request, "
        "SignedHeaders=host, Signature=0"
    )


def value_for(shape, rng: random.Random, depth: int = 0):  # noqa: PLR0911 - one a kind
    """A value for a shape: mostly of its kind, sometimes anything."""
    if rng.random() < 0.15 or depth > 4:
        return rng.choice(_ODD)
    kind = shape.type_name
    if kind == "structure":
        names = [
            name for name in shape.members if rng.random() < 0.5 or name in shape.required_members
        ]
        return {name: value_for(shape.members[name], rng, depth + 1) for name in names[:8]}
    if kind == "list":
        return [value_for(shape.member, rng, depth + 1) for _ in range(rng.randrange(3))]
    if kind == "map":
        return {str(rng.choice(_ODD))[:40]: value_for(shape.value, rng, depth + 1)}
    if kind in {"integer", "long", "float", "double"}:
        return rng.choice([0, 1, -1, 128, 10240, 10**12])
    if kind == "timestamp":
        return rng.choice([0, 1_790_000_000, "2026-11-01T00:00:00Z", -5, 1e18])
    if kind == "boolean":
        return rng.random() < 0.5
    if shape.metadata.get("enum") and rng.random() < 0.8:
        return rng.choice(shape.metadata["enum"])
    return rng.choice(
        ["checkout-api", "live", "image-resize", "/aws/lambda/checkout-api", "x", "p95"]
    )


def plain(item):
    """What JSON can hold of a value."""
    if isinstance(item, dict):
        return {str(key): plain(value) for key, value in item.items()}
    if isinstance(item, (list, tuple)):
        return [plain(value) for value in item]
    return item.decode("latin-1") if isinstance(item, bytes) else item


def odd_request(rng: random.Random):
    """(method, path, headers, body) of one request that may make sense."""
    signing, name = rng.choice(sorted(SIGNING_NAMES.items()))
    service = load_service(name)
    answered = supported(name) if rng.random() < 0.9 else ()
    operation = service.operations[rng.choice(answered or sorted(service.operations))]
    values = value_for(operation.input_shape, rng) if operation.input_shape else {}
    document = json.dumps(plain(values)).encode()
    kind = rng.choice(_TYPES)
    headers = {"authorization": scope(signing), "content-type": kind}
    protocol = str(service.model.metadata.get("protocol"))
    path, method = "/", "POST"
    if rng.random() < 0.25 and name == "cloudwatch":
        path = f"/service/{service.target_prefix}/operation/{operation.name}"
        headers["smithy-protocol"] = "rpc-v2-cbor"
        with contextlib.suppress(Exception):
            document = cbor2.dumps(values)
    elif protocol.startswith("rest"):
        method = operation.http["method"]
        path = operation.http["requestUri"]
        while "{" in path:
            start, _, rest = path.partition("{")
            path = (
                start
                + rng.choice(["checkout-api", "x", "%00", "a%2Fb", "", "$LATEST"])
                + rest.partition("}")[2]
            )
    elif protocol == "query" or (name == "cloudwatch" and rng.random() < 0.4):
        pairs = [f"Action={operation.name}", f"Version={service.api_version}"]
        pairs += [
            f"{key}.member.{rng.randrange(3)}=%ff"
            for key in (sorted(values) if isinstance(values, dict) else ())[:3]
        ]
        document = "&".join(pairs).encode()
    else:
        headers["x-amz-target"] = f"{service.target_prefix}.{operation.name}"
    if rng.random() < 0.3:
        cut = rng.randrange(len(document) + 1)
        document = document[:cut] + bytes(rng.randrange(256) for _ in range(rng.randrange(20)))
    if rng.random() < 0.05:
        headers["authorization"] = rng.choice(["", "Bearer x", "AWS4-HMAC-SHA256 Credential=//"])
    return method, path.replace(" ", "%20"), headers, document


def wire(method: str, path: str, headers: dict[str, str], body: bytes, *, chunked: bool) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: x"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if chunked:
        lines.append("transfer-encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    else:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


def alive(server) -> None:
    """The account answers; whether a function survived the storm is its own affair."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(server), timeout=60)
    connection.request("GET", "/2015-03-31/functions/", headers={"authorization": scope("lambda")})
    with contextlib.closing(connection):
        answer = connection.getresponse()
        assert answer.status == 200
        assert "Functions" in json.loads(answer.read())


@pytest.mark.timeout(900)
def test_odd_requests_get_errors_in_aws_shapes(fuzzed):
    rng = random.Random(20261123)
    statuses: dict[int, int] = {}
    faults = []
    # The time limit is what a request may take on a busy machine.
    connection = http.client.HTTPConnection("127.0.0.1", port_of(fuzzed), timeout=120)
    for number in range(REQUESTS):
        if number % PER_CONNECTION == 0:
            connection.close()
        method, path, headers, body = odd_request(rng)
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.read()
        statuses[answer.status] = statuses.get(answer.status, 0) + 1
        if answer.status == BROKEN:
            faults.append((method, path, headers, body[:300], said[:200]))
        elif 400 <= answer.status < 500 and method != "HEAD":
            assert said, (method, path)
            assert b"Traceback" not in said
    connection.close()
    print(sorted(statuses.items()))
    assert sum(statuses.values()) == REQUESTS
    assert not faults, f"{len(faults)}: {faults[:5]}"
    alive(fuzzed)


@pytest.mark.timeout(300)
def test_broken_bytes_slow_senders_and_cut_connections(fuzzed):
    rng = random.Random(7)
    port = port_of(fuzzed)
    idle = []
    for number in range(600):
        raw = wire(*odd_request(rng), chunked=number % 2 == 0)
        kind = number % 6
        if kind == 0:  # garbage in the middle
            at = rng.randrange(len(raw))
            raw = raw[:at] + bytes(rng.randrange(256) for _ in range(30)) + raw[at:]
        elif kind == 1:  # never finished, and left open
            raw = raw[: rng.randrange(len(raw))]
        elif kind == 2:  # a chunk size that is none
            raw = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nabc\r\n"
        elif kind == 3:  # a length that lies
            raw = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\nabc"
        elif kind == 4:  # two lengths
            raw = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ncontent-length: 9\r\n\r\nabc"
        connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        with contextlib.suppress(OSError):
            connection.sendall(raw)
        if kind in {1, 3} and len(idle) < 150:
            idle.append(connection)
            continue
        if number % 3 == 0:  # hang up with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    alive(fuzzed)
    slow = socket.create_connection(("127.0.0.1", port), timeout=30)
    text = (
        "GET /2015-03-31/functions/ HTTP/1.1\r\nhost: x\r\n"
        f"authorization: {scope('lambda')}\r\n\r\n"
    )
    for character in text:
        slow.sendall(character.encode())
        time.sleep(0.001)
    assert slow.recv(12) == b"HTTP/1.1 200"
    for connection in [slow, *idle]:
        connection.close()
    alive(fuzzed)


@pytest.mark.timeout(300)
def test_a_huge_body_is_refused_without_being_kept(fuzzed):
    connection = socket.create_connection(("127.0.0.1", port_of(fuzzed)), timeout=120)
    head = f"POST /x HTTP/1.1\r\nhost: x\r\nauthorization: {scope('s3')}\r\n"
    connection.sendall(f"{head}content-length: {100 * 1024 * 1024}\r\n\r\n".encode())
    block = b"x" * (1024 * 1024)
    with contextlib.suppress(OSError):
        for _ in range(100):
            connection.sendall(block)
    with contextlib.suppress(OSError):
        assert connection.recv(12) == b"HTTP/1.1 413"
    connection.close()
    alive(fuzzed)
