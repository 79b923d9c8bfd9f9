"""Just enough of S3 for payloads: buckets, and objects that are put, read, listed and deleted."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final
from xml.sax.saxutils import escape

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.identity.authorisation import demand
from lambda_autotuner.sandbox.registry import raw
from lambda_autotuner.sandbox.wire.http import Request, Response

_XMLNS: Final = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_MOST_KEYS: Final = 1000
# (method, has a key) -> IAM action
_ACTIONS: Final = {
    ("GET", True): "s3:GetObject",
    ("HEAD", True): "s3:GetObject",
    ("PUT", True): "s3:PutObject",
    ("DELETE", True): "s3:DeleteObject",
    ("GET", False): "s3:ListBucket",
    ("HEAD", False): "s3:ListBucket",
    ("PUT", False): "s3:CreateBucket",
    ("DELETE", False): "s3:DeleteBucket",
}


@dataclass(slots=True)
class StoredObject:
    """An object's bytes and what its headers say."""

    body: bytes
    content_type: str
    modified_ms: int

    @property
    def etag(self) -> str:
        """The hash that S3 shows for objects put in one piece."""
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass(slots=True)
class ObjectStore:
    """Buckets of an account; names are not shared with other accounts, unlike in AWS."""

    buckets: dict[str, dict[str, StoredObject]] = field(default_factory=dict)
    created: dict[str, int] = field(default_factory=dict)

    def age(self, delta_ms: int) -> None:
        """Let everything be older."""
        self.created = {name: when - delta_ms for name, when in self.created.items()}
        for bucket in self.buckets.values():
            for item in bucket.values():
                item.modified_ms -= delta_ms


@raw("s3")
def serve(call: Call, request: Request) -> Response:
    """Answer one request in S3's own protocol."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    try:
        return _serve(call, request, bucket, key)
    except ServiceError as error:
        text = (
            f"{_HEAD}<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}"
            f"</Message><RequestId>{call.request_id}</RequestId></Error>"
        )
        body = b"" if request.method == "HEAD" else text.encode()
        headers = {"content-type": "application/xml", "x-amz-request-id": call.request_id}
        return Response(error.status or 400, body, headers)


def _serve(call: Call, request: Request, bucket: str, key: str) -> Response:
    store = call.account_state("s3", ObjectStore)
    if not bucket:
        _permit(call, "s3:ListAllMyBuckets", "*")
        return _xml(call, _buckets(store))
    action = _ACTIONS.get((request.method, bool(key)))
    if action is None or any(name in request.query for name in ("uploads", "uploadId", "acl")):
        raise ServiceError("NotImplemented", "The sandbox keeps small objects only.", 501)
    _permit(call, action, f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}")
    if action == "s3:CreateBucket":
        store.buckets.setdefault(bucket, {})
        store.created.setdefault(bucket, call.now_ms)
        call.account.touch()
        return _plain(call, 200, {"location": f"/{bucket}"})
    held = store.buckets.get(bucket)
    if held is None:
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404)
    if not key:
        return _on_bucket(call, request, store, bucket)
    return _on_object(call, request, held, key)


def _permit(call: Call, action: str, resource: str) -> None:
    if call.principal.kind != "administrator":
        demand(call, action, resource, {})


def _on_bucket(call: Call, request: Request, store: ObjectStore, bucket: str) -> Response:
    held = store.buckets[bucket]
    if request.method == "DELETE":
        if held:
            raise ServiceError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        store.buckets.pop(bucket)
        call.account.touch()
        return _plain(call, 204)
    if request.method == "HEAD":
        return _plain(call, 200, {"x-amz-bucket-region": call.region_name})
    if "location" in request.query:
        where = "" if call.region_name == "us-east-1" else call.region_name
        return _xml(call, f"<LocationConstraint {_XMLNS}>{where}</LocationConstraint>")
    prefix = (request.query.get("prefix") or [""])[0]
    after = (request.query.get("continuation-token") or request.query.get("start-after") or [""])[0]
    names = [name for name in sorted(held) if name.startswith(prefix) and name > after]
    shown = names[:_MOST_KEYS]
    more = len(names) > len(shown)
    entries = "".join(
        f"<Contents><Key>{escape(name)}</Key><LastModified>{_iso(held[name].modified_ms)}"
        f"</LastModified><ETag>{escape(held[name].etag)}</ETag><Size>{len(held[name].body)}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
        for name in shown
    )
    token = f"<NextContinuationToken>{escape(shown[-1])}</NextContinuationToken>" if more else ""
    return _xml(
        call,
        f"<ListBucketResult {_XMLNS}><Name>{escape(bucket)}</Name><Prefix>{escape(prefix)}</Prefix>"
        f"<KeyCount>{len(shown)}</KeyCount><MaxKeys>{_MOST_KEYS}</MaxKeys>"
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>",
    )


def _on_object(call: Call, request: Request, held: dict[str, StoredObject], key: str) -> Response:
    if request.method == "PUT":
        kind = request.headers.get("content-type", "binary/octet-stream")
        held[key] = StoredObject(_payload(request), kind, call.now_ms)
        call.account.touch()
        return _plain(call, 200, {"etag": held[key].etag})
    if request.method == "DELETE":
        held.pop(key, None)
        call.account.touch()
        return _plain(call, 204)
    found = held.get(key)
    if found is None:
        raise ServiceError("NoSuchKey", "The specified key does not exist.", 404)
    headers = {
        "etag": found.etag,
        "content-type": found.content_type,
        "last-modified": formatdate(found.modified_ms / 1000, usegmt=True),
        "x-amz-request-id": call.request_id,
    }
    if request.method == "HEAD":
        return Response(200, b"", {**headers, "content-length": str(len(found.body))})
    return Response(200, found.body, headers)


def _payload(request: Request) -> bytes:
    """The body, taken out of its chunks when the client signed it chunk by chunk."""
    if "aws-chunked" not in request.headers.get("content-encoding", ""):
        return request.body
    parts, rest = [], request.body
    while rest:
        line, _, rest = rest.partition(b"\r\n")
        try:
            size = int(line.split(b";", 1)[0], 16)
        except ValueError as error:
            raise ServiceError("IncompleteBody", "The chunked body cannot be read.", 400) from error
        if not size:
            break
        parts.append(rest[:size])
        rest = rest[size + 2 :]
    return b"".join(parts)


def _buckets(store: ObjectStore) -> str:
    entries = "".join(
        f"<Bucket><Name>{escape(name)}</Name><CreationDate>{_iso(store.created[name])}"
        "</CreationDate></Bucket>"
        for name in sorted(store.buckets)
    )
    return f"<ListAllMyBucketsResult {_XMLNS}><Buckets>{entries}</Buckets></ListAllMyBucketsResult>"


def _iso(time_ms: int) -> str:
    moment = dt.datetime.fromtimestamp(time_ms / 1000, tz=dt.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _xml(call: Call, text: str) -> Response:
    headers = {"content-type": "application/xml", "x-amz-request-id": call.request_id}
    return Response(200, (_HEAD + text).encode(), headers)


def _plain(call: Call, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(status, b"", {"x-amz-request-id": call.request_id, **(headers or {})})
