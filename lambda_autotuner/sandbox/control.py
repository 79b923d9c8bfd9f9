"""The sandbox's own paths, below `/_sandbox/`: health, advance, reset, faults, shutdown, code.

They answer JSON and only to this machine, as everything here does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from lambda_autotuner.sandbox.faults import make
from lambda_autotuner.sandbox.gateway import Gateway
from lambda_autotuner.sandbox.wire.http import Request, Response
from lambda_autotuner.sandbox.world.ageing import advance
from lambda_autotuner.sandbox.world.seeding import seeded_package

PREFIX = "/_sandbox/"


class Control:
    """Answers control requests for one gateway."""

    def __init__(self, gateway: Gateway, stop: Callable[[], None], token: str = "") -> None:
        self.gateway = gateway
        self.stop = stop
        self.token = token
        self.on_reset: Callable[[], None] = lambda: None
        self.on_advance: Callable[[], None] = lambda: None

    def __call__(self, request: Request) -> Response | None:
        """Answer, or None when there is no such path."""
        path = request.path.removeprefix(PREFIX)
        if path.startswith("code/") and request.method == "GET":
            return self._code(path.removeprefix("code/").split("/"))
        try:
            body = json.loads(request.body) if request.body.strip() else {}
        except ValueError:
            return _json({"error": "the body is not JSON"}, 400)
        if not isinstance(body, dict):
            return _json({"error": "the body is not an object"}, 400)
        return self._dispatch(request.method, path, body)

    def _dispatch(self, method: str, path: str, body: dict[str, Any]) -> Response | None:
        table: dict[tuple[str, str], Callable[[], Response]] = {
            ("GET", "health"): lambda: _json(self._health()),
            ("GET", "faults"): self._faults,
            ("DELETE", "faults"): lambda: self._do(self.gateway.faults.clear),
            ("POST", "faults"): lambda: self._fault(body),
            ("POST", "advance"): lambda: self._advance(body),
            ("POST", "reset"): lambda: self._do(self.on_reset),
            ("POST", "shutdown"): lambda: self._do(self.stop),
        }
        found = table.get((method, path))
        return found() if found else None

    def _do(self, action: Callable[[], None]) -> Response:
        action()
        return _json({})

    def _faults(self) -> Response:
        return _json({"faults": [_plain(fault) for fault in self.gateway.faults.active]})

    def _health(self) -> dict[str, Any]:
        world = self.gateway.world
        account = world.account(world.settings.default_account)
        region = account.region(world.settings.home_region)
        return {
            "status": "ok",
            "pid": os.getpid(),
            "account_id": account.account_id,
            "region": region.name,
            "functions": len(region.functions),
            "seed": world.settings.seed,
            "now_ms": world.clock.now_ms(),
            "aged_ms": account.aged_ms,
            "requests": self.gateway.requests,
            "curves": world.curves.source if world.curves else None,
        }

    def _fault(self, body: dict[str, Any]) -> Response:
        try:
            fault = make(body)
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        self.gateway.faults.add(fault)
        return _json(_plain(fault), 201)

    def _advance(self, body: dict[str, Any]) -> Response:
        try:
            seconds = float(body["seconds"])
        except (KeyError, TypeError, ValueError):
            return _json({"error": "seconds is a number"}, 400)
        if not 0 <= seconds <= 366 * 86_400:
            return _json({"error": "seconds is between 0 and one year"}, 400)
        delta_ms = round(seconds * 1000)
        account_id = body.get("account_id")
        accounts = self.gateway.world.accounts
        for account in list(accounts.values()):
            if account_id is None or account.account_id == account_id:
                advance(account, delta_ms)
        self.on_advance()
        return _json({"advanced_ms": delta_ms})

    def _code(self, parts: list[str]) -> Response | None:
        if len(parts) != 4:  # noqa: PLR2004 - account, region, function, version
            return None
        account = self.gateway.world.accounts.get(parts[0])
        region = account.regions.get(parts[1]) if account else None
        record = region.functions.get(parts[2]) if region else None
        if record is None:
            return None
        raw = record.version_code.get(parts[3], record.code)
        if raw is None:
            number = int(parts[3]) if parts[3].isdigit() else record.seeded_versions
            raw = seeded_package(record.name, record.key, number)
        return Response(200, raw, {"content-type": "application/zip"})


def _plain(fault: object) -> dict[str, Any]:
    return {name: getattr(fault, name) for name in type(fault).__slots__}  # type: ignore[attr-defined]


def _json(value: object, status: int = 200) -> Response:
    return Response(status, json.dumps(value).encode(), {"content-type": "application/json"})
