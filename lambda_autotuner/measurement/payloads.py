"""What a function is invoked with: one event, many with weights, from S3, or recorded ones.

Mixes are dealt out evenly instead of drawn: at each size and over all sizes together, the shares
stay as close to the weights as whole numbers allow. What is left of luck, because few invocations
fall on each size, the engine divides out (`tuning.payload_mix`).
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambda_autotuner.aws.session import Account
from lambda_autotuner.errors import UsageError

MAXIMUM_BYTES = 6 * 1024 * 1024
"""Largest request of a synchronous invocation (AWS documentation, Lambda quotas)."""
_S3 = "s3://"


@dataclass(frozen=True, slots=True)
class Payload:
    """One event: its name in the evidence, the JSON bytes, and its share of the production mix.

    Raises:
        UsageError: the body is not JSON or too large, or the weight is not a positive number.
    """

    name: str
    body: bytes
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight) or self.weight <= 0:
            raise UsageError(
                f"Payload {self.name}: its weight must be above 0, not {self.weight!r}."
            )
        if len(self.body) > MAXIMUM_BYTES:
            raise UsageError(
                f"Payload {self.name} has {len(self.body):,} bytes; a synchronous invocation takes "
                f"at most {MAXIMUM_BYTES:,}.",
                remedy="Name a smaller event, or one that points to the data in S3.",
            )
        parse_json(self.body, f"Payload {self.name}")


def parse_json(text: bytes | str, what: str) -> Any:
    """Read strict JSON.

    Raises:
        UsageError: not UTF-8, not JSON, or a NaN or infinity in it.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{what} is not JSON: {error}.",
            remedy='Lambda events are JSON, such as {"id": 1}; @FILE reads one from a file.',
        ) from error


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _encode(event: Any) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class PayloadMix:
    """The events of a measurement and the order in which each place gets them.

    `recorded` says that they are production's own, so that their durations may be compared.

    Raises:
        UsageError: no payload at all, or two of the same name.
    """

    def __init__(
        self, payloads: Sequence[Payload], *, seed: int = 0, recorded: bool = False
    ) -> None:
        if not payloads:
            raise UsageError("There is no payload to invoke the function with.")
        names = [payload.name for payload in payloads]
        if len(set(names)) < len(names):
            raise UsageError("Two payloads have the same name.")
        self.payloads = tuple(payloads)
        self.recorded = recorded
        # Ties between events go by the seed, so that no order of the file has a say.
        luck = random.Random(seed)  # noqa: S311 - not a secret
        self._luck = [luck.random() for _ in payloads]
        self._ahead: dict[Hashable, list[float]] = {}
        self._ahead_in_all = [0.0] * len(payloads)

    def __len__(self) -> int:
        return len(self.payloads)

    @property
    def shares(self) -> dict[str, float]:
        """Share of each payload in the mix, adding up to 1."""
        total = sum(payload.weight for payload in self.payloads)
        return {payload.name: payload.weight / total for payload in self.payloads}

    def next(self, place: Hashable) -> Payload:
        """The event of the next invocation at `place` (a memory size and architecture).

        It is the one furthest behind its share at this place and at all places together: sizes
        with one invocation each bring different events, which is how their factors are learned.
        """
        shares = list(self.shares.values())
        here = self._ahead.setdefault(place, [0.0] * len(shares))
        everywhere = self._ahead_in_all
        for index, share in enumerate(shares):
            here[index] -= share
            everywhere[index] -= share
        chosen = min(
            range(len(shares)),
            key=lambda index: (round(here[index] + everywhere[index], 9), self._luck[index]),
        )
        here[chosen] += 1
        everywhere[chosen] += 1
        return self.payloads[chosen]


EMPTY_EVENT = Payload("default", b"{}")


def from_text(text: str, *, name: str = "default") -> Payload:
    """A payload as typed: JSON, or `@FILE`.

    Raises:
        UsageError: the file cannot be read, or what is in it is not JSON.
    """
    if text.startswith("@"):
        path = Path(text[1:]).expanduser()
        return Payload(name, _read(path))
    return Payload(name, text.encode())


def from_weighted(document: Any, *, what: str = "The weighted payloads") -> list[Payload]:
    """Payloads in power tuning's own form: `[{"payload": ..., "weight": 5}, ...]`.

    Raises:
        UsageError: not such a list.
    """
    if not isinstance(document, list) or not document:
        raise UsageError(f'{what} must be a list like [{{"payload": {{}}, "weight": 5}}].')
    payloads = []
    for index, entry in enumerate(document, start=1):
        weight = entry.get("weight") if isinstance(entry, Mapping) else None
        if not isinstance(entry, Mapping) or "payload" not in entry:
            raise UsageError(f"{what}: entry {index} has no `payload`.")
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise UsageError(f"{what}: entry {index} needs a numeric `weight`, not {weight!r}.")
        if weight == 0:
            continue
        name = str(entry.get("name") or f"payload-{index}")
        payloads.append(Payload(name, event_bytes(entry["payload"]), float(weight)))
    return payloads


def event_bytes(event: Any) -> bytes:
    """The bytes of an event that came as JSON; a string that holds JSON is taken as that JSON."""
    if isinstance(event, str):
        try:
            json.loads(event)
        except ValueError:
            return _encode(event)
        return event.encode()
    return _encode(event)


def from_weighted_file(path: Path) -> list[Payload]:
    """Weighted payloads from a JSON file.

    Raises:
        UsageError: the file cannot be read or is not such a list.
    """
    return from_weighted(parse_json(_read(path), str(path)), what=str(path))


def from_recorded(path: Path, *, sample: int = 10, seed: int = 0) -> list[Payload]:
    """A fair sample of recorded events: a file with one JSON event a line, or a folder of files.

    Events that occur several times are merged, with their count as weight, so that the sample
    keeps the production mix.

    Args:
        path: the file or folder.
        sample: how many different events to keep at most; the weights of the others are dropped.
        seed: which sample.

    Raises:
        UsageError: nothing can be read there, or a line is not JSON.
    """
    if path.is_dir():
        files = sorted(p for p in path.iterdir() if p.suffix == ".json" and p.is_file())
        events = [(file.name, _read(file)) for file in files]
    else:
        lines = _read(path).splitlines()
        events = [(f"{path.name}:{n}", line) for n, line in enumerate(lines, 1) if line.strip()]
    if not events:
        raise UsageError(f"{path} holds no recorded events.", remedy="One JSON event a line.")
    counts: dict[bytes, tuple[str, int]] = {}
    for where, text in events:
        body = _encode(parse_json(text, where))
        first, count = counts.get(body, (where, 0))
        counts[body] = (first, count + 1)
    bodies = list(counts)
    if len(bodies) > sample:
        weights = [counts[body][1] for body in bodies]
        bodies = _weighted_sample(bodies, weights, sample, random.Random(seed))  # noqa: S311
    return [Payload(counts[body][0], body, float(counts[body][1])) for body in bodies]


def _weighted_sample(
    bodies: Sequence[bytes], weights: Sequence[int], size: int, rng: random.Random
) -> list[bytes]:
    """Without replacement, each with a chance in proportion to its weight (Efraimidis, 2006)."""
    keys = [rng.random() ** (1 / weight) for weight in weights]
    order = sorted(range(len(bodies)), key=keys.__getitem__, reverse=True)
    return [bodies[index] for index in sorted(order[:size])]


def from_s3(address: str, fetch: Callable[[str, str], bytes]) -> bytes:
    """The document at `s3://bucket/key`.

    Args:
        address: where it is.
        fetch: reads an object of a bucket by key.

    Raises:
        UsageError: not such an address.
    """
    bucket, _, key = address.removeprefix(_S3).partition("/")
    if not address.startswith(_S3) or not bucket or not key:
        raise UsageError(f"{address!r} is not an S3 address.", remedy="Write s3://bucket/key.")
    return fetch(bucket, key)


def is_weighted(document: Any) -> bool:
    """Whether a JSON document is power tuning's list of weighted payloads."""
    return (
        isinstance(document, list)
        and bool(document)
        and all(
            isinstance(entry, Mapping) and set(entry) >= {"payload", "weight"} for entry in document
        )
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"The payload file {path} cannot be read: {error.strerror or error}."
        ) from error


def fetch_s3(account: Account, address: str) -> list[Payload]:
    """The event, or the list of weighted events, that an S3 object holds.

    Raises:
        UsageError: not an S3 address, or not JSON.
        MissingError: no such bucket or object.
        AwsError: not allowed, or the account could not be asked.
    """

    def fetch(bucket: str, key: str) -> bytes:
        answer = account.call("s3", "GetObject", Bucket=bucket, Key=key)
        body: bytes = answer["Body"].read()
        return body

    body = from_s3(address, fetch)
    document = parse_json(body, address)
    if is_weighted(document):
        return from_weighted(document, what=address)
    return [Payload("default", body)]
