"""Events: one, many by weight, recorded ones, from S3; and what is not one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_autotuner.errors import UsageError
from lambda_autotuner.measurement.payloads import (
    MAXIMUM_BYTES,
    Payload,
    PayloadMix,
    from_recorded,
    from_s3,
    from_text,
    from_weighted,
    from_weighted_file,
    is_weighted,
)


@settings(max_examples=40, deadline=None)
@given(
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=6),
    count=st.integers(1, 60),
    seed=st.integers(0, 5),
)
def test_any_prefix_of_a_mix_is_as_close_to_the_shares_as_whole_numbers_allow(
    weights: list[float], count: int, seed: int
) -> None:
    mix = PayloadMix([Payload(f"p{i}", b"{}", w) for i, w in enumerate(weights)], seed=seed)
    seen = Counter(mix.next("512").name for _ in range(count))
    for name, share in mix.shares.items():
        assert abs(seen[name] - share * count) < len(weights)
    assert sum(mix.shares.values()) == pytest.approx(1)


def test_places_are_dealt_to_apart_from_each_other() -> None:
    mix = PayloadMix([Payload("often", b"{}", 9), Payload("seldom", b"{}", 1)])
    for place in (128, 256):
        names = [mix.next(place).name for _ in range(20)]
        assert names.count("seldom") == 2


@pytest.mark.parametrize(
    ("body", "weight", "match"),
    [
        (b"{", 1, "is not JSON"),
        (b'{"x": NaN}', 1, "is not JSON"),
        (b"\xff", 1, "is not JSON"),
        (b"{}", 0, "weight"),
        (b"{}", float("nan"), "weight"),
        (b'"' + b"x" * MAXIMUM_BYTES + b'"', 1, "at most"),
    ],
)
def test_what_is_no_payload_is_refused(body: bytes, weight: float, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Payload("x", body, weight)


def test_a_mix_needs_payloads_with_names_of_their_own() -> None:
    with pytest.raises(UsageError, match="no payload"):
        PayloadMix([])
    with pytest.raises(UsageError, match="same name"):
        PayloadMix([Payload("a", b"1"), Payload("a", b"2")])


def test_a_typed_event_and_one_from_a_file(tmp_path: Path) -> None:
    assert from_text('{"a": 1}').body == b'{"a": 1}'
    (tmp_path / "event.json").write_text("[1]")
    assert from_text(f"@{tmp_path}/event.json").body == b"[1]"
    with pytest.raises(UsageError, match="cannot be read"):
        from_text(f"@{tmp_path}/missing.json")


def test_weighted_events_in_power_tunings_form(tmp_path: Path) -> None:
    document = [
        {"payload": {"a": 1}, "weight": 3},
        {"payload": '{"b":2}', "weight": 1},
        {"payload": "plain words", "weight": 0.5},
        {"payload": None, "weight": 0},
    ]
    found = from_weighted(document)
    assert [json.loads(p.body) for p in found] == [{"a": 1}, {"b": 2}, "plain words"]
    assert [p.weight for p in found] == [3, 1, 0.5]
    path = tmp_path / "weighted.json"
    path.write_text(json.dumps(document))
    assert from_weighted_file(path) == found
    assert is_weighted(document)
    assert not is_weighted([{"payload": 1}])
    assert not is_weighted([])


@pytest.mark.parametrize(
    "document", [{}, [], [1], [{"weight": 1}], [{"payload": 1, "weight": "x"}], [{"payload": 1}]]
)
def test_what_is_no_weighted_list_is_refused(document: object) -> None:
    with pytest.raises(UsageError):
        from_weighted(document)


def test_recorded_events_keep_the_mix_of_production(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    lines = ['{"kind": "a"}'] * 90 + ['{"kind":"b"}'] * 9 + ["", '{"kind": "c"}']
    path.write_text("\n".join(lines))
    found = from_recorded(path)
    assert {json.loads(p.body)["kind"]: p.weight for p in found} == {"a": 90, "b": 9, "c": 1}
    # Equal events that are written differently are one.
    assert len(from_recorded(path, sample=2)) == 2


def test_a_sample_of_recorded_events_is_fair(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("\n".join(f'{{"id": {i}}}' for i in range(20)))
    seen = Counter(
        json.loads(p.body)["id"]
        for seed in range(200)
        for p in from_recorded(path, sample=5, seed=seed)
    )
    assert sum(seen.values()) == 1000
    assert all(20 <= seen[i] <= 85 for i in range(20))


def test_a_folder_of_recorded_events(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{}")
    (tmp_path / "two.json").write_text('{"x": 1}')
    (tmp_path / "notes.txt").write_text("not an event")
    assert [p.name for p in from_recorded(tmp_path)] == ["one.json", "two.json"]
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(UsageError, match="bad.json is not JSON"):
        from_recorded(tmp_path)


def test_nothing_recorded_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(UsageError, match="no recorded events"):
        from_recorded(tmp_path / "empty.jsonl")


def test_an_s3_address_is_taken_apart() -> None:
    assert from_s3("s3://bucket/a/b.json", lambda bucket, key: f"{bucket}|{key}".encode()) == (
        b"bucket|a/b.json"
    )
    for wrong in ("bucket/key", "s3://bucket", "s3:///key"):
        with pytest.raises(UsageError, match="not an S3 address"):
            from_s3(wrong, lambda _bucket, _key: b"")


def test_sizes_with_one_invocation_each_bring_the_mix_between_them() -> None:
    mix = PayloadMix([Payload("often", b"{}", 3), Payload("seldom", b"{}", 1)], seed=2)
    names = [mix.next(place).name for place in range(128, 128 + 8 * 64, 64)]
    assert names.count("seldom") == 2
