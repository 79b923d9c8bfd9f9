"""The `lambda-autotuner` command: a table of verbs, each imported only when it is used."""

from __future__ import annotations

import importlib
import io
import logging
import os
import sys
from typing import Any

import click

from lambda_autotuner import __version__
from lambda_autotuner.cli.door import Door
from lambda_autotuner.errors import EXIT_INTERRUPTED, EXIT_NEGATIVE, EXIT_USAGE, AutotunerError

_LOG = logging.getLogger(__name__)

# The engine multiplies many small matrices. Threads of a BLAS that wait for each other make that
# four times dearer on two cores, and are read when numpy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# verb -> (module below lambda_autotuner.cli, attribute, one line for the overview)
VERBS: dict[str, tuple[str, str, str]] = {
    "demo": ("demo", "command", "See the whole product work, in a private sandbox."),
    "ask": ("ask", "command", "Ask one question ('-' reads it from standard input)."),
    "chat": ("chat", "command", "Talk to the agent."),
    "sessions": ("sessions", "command", "List and purge conversations."),
    "scan": ("scan", "command", "Rank the whole account by what it would save."),
    "recommend": ("recommend", "command", "Size a function from its telemetry alone."),
    "tune": ("tune", "command", "Size a function by measuring it."),
    "plan": ("plan", "command", "Write down a change and check it."),
    "approve": ("approve", "command", "Agree to a plan, once."),
    "apply": ("apply", "command", "Carry out an approved plan."),
    "watch": ("watch", "command", "Verify a change against its traffic; promote or roll back."),
    "rollback": ("rollback", "command", "Put back exactly what stood before."),
    "history": ("history", "command", "What was planned, done and seen."),
    "evaluate": ("evaluate", "command", "Run the suite of synthetic questions."),
    "compare": ("compare", "command", "Compare two evaluations."),
    "questions": ("questions", "command", "List, check and start questions of the suite."),
    "traces": ("traces", "command", "Read, rate and deliver traces."),
    "doctor": ("doctor", "command", "Check tracing and the account hop by hop."),
    "ui": ("ui", "command", "Open MLflow's UI on the local traces."),
    "sandbox": ("sandbox", "command", "Serve, start, stop and age the embedded account."),
    "config": ("config", "command", "Show each setting and where it comes from."),
    "mcp": ("mcp", "command", "Serve the toolbox over the Model Context Protocol."),
}


# What to type first; the last line of the verb's help page.
EXAMPLES: dict[str, str] = {
    "demo": "",
    "ask": '"Which functions cost the most?"',
    "chat": "--session monday",
    "sessions": "list",
    "scan": "--deep 5 --csv account.csv",
    "recommend": "FUNCTION --objective 'slo:p95<800ms'",
    "tune": "FUNCTION --dry-run",
    "plan": "FUNCTION --memory 1024",
    "approve": "PLAN",
    "apply": "PLAN",
    "watch": "PLAN",
    "rollback": "PLAN",
    "history": "--json",
    "evaluate": "--sample-size 20",
    "compare": "RUN_A RUN_B",
    "questions": "list",
    "traces": "list --filter \"attributes.success = 'False'\"",
    "doctor": "--account aws --profile my-profile",
    "ui": "--port 5001",
    "sandbox": "serve --port 4600",
    "config": "show agent",
    "mcp": "--account sandbox",
}

# The engine's matrices are small: threads inside the linear algebra slow them down tenfold.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class LazyGroup(click.Group):
    """Knows every verb's name and line without importing its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        """Import a verb on use."""
        if cmd_name not in VERBS:
            return None
        module_name, attribute, _ = VERBS[cmd_name]
        module = importlib.import_module(f"lambda_autotuner.cli.{module_name}")
        command: click.Command = getattr(module, attribute)
        command.epilog = f"Example: lambda-autotuner {cmd_name} {EXAMPLES[cmd_name]}".rstrip()
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """The overview, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, _, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest verb for a mistyped one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            nearest = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = (
                f" Did you mean {nearest[0]!r}?" if nearest else " See `lambda-autotuner --help`."
            )
            raise click.UsageError(f"No such command {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lambda-autotuner")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Right-size AWS Lambda functions, change them safely, and show the work in MLflow."""
    ctx.ensure_object(Door)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and end with an exit code of the documented set."""
    for variable in _ONE_THREAD:
        os.environ.setdefault(variable, "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets a question mark, not a crash.
            stream.reconfigure(errors="replace")
    sys.exit(run(cli, arguments))


def run(command: click.Command, arguments: list[str] | None = None, **extra: Any) -> int:
    """Run a click command; every failure becomes one clear line and its exit code."""
    try:
        return _run(command, arguments, extra)
    except Exception as error:  # noqa: BLE001 - the outermost door: nobody is shown a stack trace
        _LOG.debug("an unexpected error", exc_info=True)
        click.echo(
            f"error: unexpected {type(error).__name__}: {' '.join(str(error).split())[:300]}. This is "
            "a defect of lambda-autotuner; `-vv` shows where.",
            err=True,
        )
        return EXIT_NEGATIVE


def _run(command: click.Command, arguments: list[str] | None, extra: dict[str, Any]) -> int:
    try:
        result = command.main(
            args=arguments, prog_name="lambda-autotuner", standalone_mode=False, **extra
        )
    except AutotunerError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "lambda-autotuner"
        click.echo(f"error: {error.format_message()} (`{path} --help` shows how)", err=True)
        return EXIT_USAGE
    except BrokenPipeError:
        # The reader of our output (head, less) has left; that is not a failure of ours.
        sys.stderr.close()
        return 0
    return result if isinstance(result, int) else 0
