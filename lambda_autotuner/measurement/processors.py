"""What happens around each invocation: a pre-processor makes its event, a post-processor cleans up.

A processor is a Lambda function named by its ARN, as in power tuning, or a local command that
gets JSON on standard input and may answer JSON on standard output.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from lambda_autotuner.errors import AutotunerError, UsageError
from lambda_autotuner.measurement.payloads import Payload, parse_json

_ARN = re.compile(
    r"arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(:[A-Za-z0-9_$-]+)?"
)
_TIMEOUT_SECONDS = 900.0
_SHOWN = 300

Invoke = Callable[[str, bytes], tuple[bytes, str | None]]
"""(ARN, event) -> (answer, error or None)."""


class ProcessorError(AutotunerError):
    """A pre- or post-processor failed; the measurement stops and restores everything."""


@dataclass(frozen=True, slots=True)
class Processor:
    """A Lambda function (`arn`) or a local command (`command`), one of the two."""

    arn: str | None = None
    command: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Processor:
        """Read a processor as typed.

        Raises:
            UsageError: an ARN that is not a function's, or a command that cannot be split.
        """
        if text.startswith("arn:"):
            if not _ARN.fullmatch(text):
                raise UsageError(f"{text!r} is not the ARN of a Lambda function.")
            return cls(arn=text)
        try:
            command = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError(f"The command {text!r} cannot be read: {error}.") from error
        if not command:
            raise UsageError("A processor is the ARN of a function or a local command.")
        return cls(command=command)

    def run(self, event: bytes, invoke: Invoke) -> bytes:
        """Hand over JSON and return the answer, which may be empty.

        Args:
            event: the JSON to process.
            invoke: invokes a function by ARN.

        Raises:
            ProcessorError: the function or the command failed or did not end in 15 minutes.
        """
        if self.arn is not None:
            answer, error = invoke(self.arn, event)
            if error is not None:
                raise ProcessorError(f"The processor {self.arn} failed: {error[:_SHOWN]}.")
            return b"" if answer.strip() in {b"", b"null"} else answer
        try:
            done = subprocess.run(
                self.command,
                input=event,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ProcessorError(f"The processor {self.command[0]} failed: {error}.") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-_SHOWN:]
            raise ProcessorError(
                f"The processor {self.command[0]} ended with {done.returncode}: {said or 'no message'}."
            )
        return done.stdout.strip()


@dataclass(frozen=True, slots=True)
class Processors:
    """The pair around each invocation."""

    before: Processor | None = None
    after: Processor | None = None

    def prepare(self, payload: Payload, invoke: Invoke) -> bytes:
        """The event of one invocation: the pre-processor's answer, or the payload as it is.

        Raises:
            ProcessorError: the pre-processor failed or answered something that is not JSON.
        """
        if self.before is None:
            return payload.body
        answer = self.before.run(payload.body, invoke)
        if not answer:
            return payload.body
        try:
            parse_json(answer, "The pre-processor's answer")
        except UsageError as error:
            raise ProcessorError(error.message) from error
        return answer

    def clean_up(self, answer: bytes, invoke: Invoke) -> None:
        """Give the function's answer to the post-processor.

        Raises:
            ProcessorError: the post-processor failed.
        """
        if self.after is None:
            return
        try:
            json.loads(answer)
        except ValueError:
            answer = json.dumps(answer.decode(errors="replace")).encode()
        self.after.run(answer, invoke)
