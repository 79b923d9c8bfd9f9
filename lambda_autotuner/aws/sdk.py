"""SDK sessions: one for all sandbox accounts of the process, one for each AWS target.

A sandbox account is an endpoint on this machine with dummy credentials: profiles, proxies,
`AWS_ENDPOINT_URL` and the developer's own credentials do not count there, and an endpoint that
is not on the loopback interface is refused.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from lambda_autotuner.aws.errors import AwsError, ErrorCode, translate
from lambda_autotuner.errors import SettingsError

AccountKind = Literal["sandbox", "aws"]
CREATING = threading.Lock()
"""Held while a client is made: sandbox accounts share a session, which botocore does not guard."""


@dataclass(frozen=True, slots=True)
class AccountTarget:
    """Which account to connect to; independent of any settings.

    Attributes:
        kind: "sandbox" (an endpoint on this machine) or "aws".
        region: AWS region; required for a sandbox, else found as the AWS SDK does.
        profile: AWS profile; only for "aws".
        role_arn: role to assume; only for "aws".
        endpoint_url: required for a sandbox.
        access_key_id: explicit credentials; without them the SDK's own chain is used ("aws").
        secret_access_key: the same.
        session_token: the same.
        writes_allowed: whether operations that write are let through; None means "yes" for a
            sandbox and "no" for "aws".
    """

    kind: AccountKind
    region: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    writes_allowed: bool | None = None


def require_loopback(endpoint_url: str | None) -> str:
    """Refuse an endpoint that is not on this machine.

    Raises:
        SettingsError: no endpoint, or one that is not http(s) on a loopback address.
    """
    if not endpoint_url:
        raise SettingsError("A sandbox account needs an endpoint on this machine.")
    parts = urlsplit(endpoint_url)
    host = parts.hostname or ""
    if parts.scheme in {"http", "https"} and (host == "localhost" or _is_loopback(host)):
        return endpoint_url
    raise SettingsError(
        f"The sandbox endpoint {endpoint_url!r} is not on this machine's loopback interface.",
        remedy="Use http://127.0.0.1:PORT, or choose the account `aws`.",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_session(target: AccountTarget) -> tuple[Any, str]:
    """An SDK session for a target, and its region.

    Raises:
        SettingsError: a sandbox without a loopback endpoint or without keys.
        AwsError: no credentials, no region, or a role that cannot be assumed.
    """
    return _sandbox(target) if target.kind == "sandbox" else _aws(target)


def _sandbox(target: AccountTarget) -> tuple[Any, str]:
    require_loopback(target.endpoint_url)
    if not target.access_key_id or not target.secret_access_key:
        raise SettingsError("A sandbox account needs dummy credentials.")
    with CREATING:
        session = _sandbox_session()
    return session, target.region or "us-east-1"


@functools.cache
def _sandbox_session() -> Any:
    """One session for every sandbox account of this process: making one takes longer than a call.

    Neither the profile nor the files of the person who runs this are looked at; each account's
    keys are given to its clients.
    """
    import botocore.session

    session = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": (None, None, os.devnull, None),
            "credentials_file": (None, None, os.devnull, None),
            "ca_bundle": (None, None, None, None),
        }
    )
    _read_times_quickly(session)
    return session


def _read_times_quickly(session: Any) -> None:
    """Read epoch seconds without the SDK's detour over local time: a day of minutes has 1,440."""
    from botocore.utils import parse_timestamp

    def parse(value: Any) -> datetime:
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, UTC)
        parsed: datetime = parse_timestamp(value)
        return parsed

    factory = session.get_component("response_parser_factory")
    factory.set_parser_defaults(timestamp_parser=parse)


def _aws(target: AccountTarget) -> tuple[Any, str]:
    import botocore.session
    from botocore.exceptions import BotoCoreError

    try:
        session = botocore.session.Session(profile=target.profile)
        _read_times_quickly(session)
        if target.access_key_id and target.secret_access_key:
            session.set_credentials(
                target.access_key_id, target.secret_access_key, target.session_token
            )
        region = target.region or session.get_config_variable("region")
        if session.get_credentials() is None:
            raise AwsError(
                "No AWS credentials were found.",
                code=ErrorCode.NO_CREDENTIALS,
                remedy="Name a profile with --profile, or sign in with `aws configure` or `aws sso login`.",
            )
    except BotoCoreError as error:
        raise translate(error) from error
    if not region:
        raise AwsError(
            "No AWS region is set.",
            code=ErrorCode.NO_REGION,
            remedy="Set one with --region, AWS_REGION or the profile.",
        )
    if target.role_arn:
        _assume(session, target, target.role_arn, region)
    return session, str(region)


def _assume(session: Any, target: AccountTarget, role_arn: str, region: str) -> None:
    """Make the session act as the role, refreshing its credentials when they run out."""
    from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

    def client_creator(service: str, **options: Any) -> Any:
        options.setdefault("region_name", region)
        return session.create_client(service, endpoint_url=target.endpoint_url, **options)

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=client_creator,
        source_credentials=session.get_credentials(),
        role_arn=role_arn,
        extra_args={"RoleSessionName": "lambda-autotuner"},
    )
    # botocore offers no public way to hand a session refreshable credentials.
    session._credentials = DeferredRefreshableCredentials(  # noqa: SLF001
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )
