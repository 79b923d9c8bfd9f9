"""Pre- and post-processors: functions and local commands."""

from __future__ import annotations

import sys

import pytest

from lambda_autotuner.errors import UsageError
from lambda_autotuner.measurement.payloads import Payload
from lambda_autotuner.measurement.processors import Processor, ProcessorError, Processors

ARN = "arn:aws:lambda:us-east-1:123456789012:function:prepare:live"


def nobody(arn: str, event: bytes) -> tuple[bytes, str | None]:
    raise AssertionError(f"{arn} was invoked with {event!r}")


def python(code: str) -> Processor:
    return Processor(command=(sys.executable, "-c", code))


def test_a_command_makes_the_event() -> None:
    code = "import json,sys; e=json.load(sys.stdin); e['n']+=1; json.dump(e, sys.stdout)"
    made = Processors(before=python(code)).prepare(Payload("p", b'{"n": 1}'), nobody)
    assert made == b'{"n": 2}'


def test_silence_leaves_the_event_as_it_is() -> None:
    assert Processors(before=python("pass")).prepare(Payload("p", b"[7]"), nobody) == b"[7]"
    assert Processors().prepare(Payload("p", b"[7]"), nobody) == b"[7]"


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("import sys; sys.exit('no database')", "no database"),
        ("print('not json')", "not JSON"),
    ],
)
def test_a_failing_command_stops_the_measurement(code: str, match: str) -> None:
    with pytest.raises(ProcessorError, match=match):
        Processors(before=python(code)).prepare(Payload("p", b"{}"), nobody)


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(ProcessorError, match="/nowhere/at-all"):
        Processor(command=("/nowhere/at-all",)).run(b"{}", nobody)


def test_a_function_makes_the_event() -> None:
    processors = Processors(before=Processor.parse(ARN))
    seen = []

    def invoke(arn: str, event: bytes) -> tuple[bytes, str | None]:
        seen.append((arn, event))
        return b'{"made": true}', None

    assert processors.prepare(Payload("p", b"{}"), invoke) == b'{"made": true}'
    assert processors.prepare(Payload("p", b"1"), lambda _a, _e: (b"null", None)) == b"1"
    assert seen == [(ARN, b"{}")]
    with pytest.raises(ProcessorError, match="out of order"):
        processors.prepare(Payload("p", b"{}"), lambda _a, _e: (b"", "out of order"))


def test_a_post_processor_gets_the_answer_as_json() -> None:
    seen = []

    def invoke(_arn: str, event: bytes) -> tuple[bytes, str | None]:
        seen.append(event)
        return b"", None

    after = Processors(after=Processor.parse(ARN))
    after.clean_up(b'{"ok":1}', invoke)
    after.clean_up(b"\xffplain", invoke)
    assert seen[0] == b'{"ok":1}'
    assert b"plain" in seen[1]
    assert seen[1].startswith(b'"')


@pytest.mark.parametrize(
    "text", ["", "arn:aws:s3:::bucket", "arn:aws:lambda:us-east-1:12:function:x", "'unclosed"]
)
def test_what_is_no_processor(text: str) -> None:
    with pytest.raises(UsageError):
        Processor.parse(text)


def test_a_command_line_is_split_as_a_shell_does() -> None:
    assert Processor.parse("make 'one event'").command == ("make", "one event")
