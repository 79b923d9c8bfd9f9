"""Rules that all changes keep: revisions, one update at a time, and the history that follows."""

from __future__ import annotations

from lambda_autotuner.sandbox.call import Call
from lambda_autotuner.sandbox.errors import ServiceError
from lambda_autotuner.sandbox.functions.records import Configuration, FunctionRecord, function_arn
from lambda_autotuner.sandbox.functions.rendering import revision_id, settled

_STALE = (
    "The Revision Id provided does not match the latest Revision Id. "
    "Call the {call} API to retrieve the latest Revision Id"
)


def hold_revision(given: str | None, current: str, read_with: str = "GetFunction/GetAlias") -> None:
    """Refuse a change that was made from an older state.

    Raises:
        ServiceError: 412 PreconditionFailedException.
    """
    if given is not None and given != current:
        raise ServiceError("PreconditionFailedException", _STALE.format(call=read_with), 412)


def hold_settled(call: Call, record: FunctionRecord) -> None:
    """Refuse a change while another one is in progress.

    Raises:
        ServiceError: 409 ResourceConflictException.
    """
    if settled(record, call.now_ms):
        return
    arn = function_arn(call.region_name, call.account_id, record.name)
    if record.creating:
        message = (
            "The operation cannot be performed at this time. The function is currently in the "
            "following state: Pending"
        )
    else:
        message = (
            "The operation cannot be performed at this time. "
            f"An update is in progress for resource: {arn}"
        )
    raise ServiceError("ResourceConflictException", message, 409)


def configure(call: Call, record: FunctionRecord, configuration: Configuration) -> None:
    """Make `configuration` the function's $LATEST, from now on, with an update in progress."""
    record.latest = configuration
    record.history.append((call.now_ms, configuration))
    begin(call, record)
    # Environments that run the old settings take no further invocations.
    record.environments = [each for each in record.environments if each.version != "$LATEST"]


def begin(call: Call, record: FunctionRecord) -> None:
    """A change starts: a new revision, and a while until it has settled."""
    record.revision_id = call.uuid()
    record.modified_ms = call.now_ms
    record.settles_ms = call.now_ms + call.world.settings.settle_ms
    record.creating = False
    record.stamp += 1


def current_revision(call: Call, record: FunctionRecord) -> str:
    """The function's revision at this moment."""
    return revision_id(record, call.now_ms)
