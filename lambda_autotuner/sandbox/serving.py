"""The server's process: build the world, listen, serve until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lambda_autotuner.errors import AccountError, AutotunerError, UsageError
from lambda_autotuner.sandbox.clock import Clock
from lambda_autotuner.sandbox.control import Control
from lambda_autotuner.sandbox.gateway import Gateway
from lambda_autotuner.sandbox.persistence import Store
from lambda_autotuner.sandbox.server import HOST, Server, listen
from lambda_autotuner.sandbox.state import World, WorldSettings
from lambda_autotuner.sandbox.world.replay import read_curves
from lambda_autotuner.sandbox.world.seeding import open_region

log = logging.getLogger(__name__)

_PARENT_CHECK_SECONDS = 1.0
_SAVE_SECONDS = 0.25


@dataclass(slots=True)
class Options:
    """How a server is to be run."""

    port: int = 0
    seed: int = 7
    functions: int | None = None
    curves: str | None = None
    now_ms: int | None = None
    settle_seconds: float | None = None
    pace: float = 0.0
    state_dir: str | None = None
    idle_minutes: float | None = None
    parent_pid: int | None = None
    ready_fd: int | None = None
    handlers: bool = False

    def to_json(self) -> str:
        """One line, for the command line of a child process."""
        return json.dumps(asdict(self))


def build_world(options: Options) -> World:
    """A new world as ordered.

    Raises:
        UsageError: the curves cannot be read.
    """
    settings = WorldSettings(seed=options.seed, functions=options.functions, pace=options.pace)
    if options.settle_seconds is not None:
        settings.settle_ms = round(options.settle_seconds * 1000)
    curves = read_curves(Path(options.curves)) if options.curves else None
    clock = Clock(options.now_ms)
    born_ms = clock.now_ms()
    return World(settings, clock, curves=curves, born_ms=born_ms, open_region=open_region)


class Process:
    """One run of the server."""

    def __init__(self, options: Options, on_listening: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.on_listening = on_listening
        self.store = Store(Path(options.state_dir)) if options.state_dir else None
        self.world = self._load() or build_world(options)
        self.gateway = Gateway(self.world)
        self._prepare(self.world)
        self.stopping = asyncio.Event()
        self._saved = 0.0
        self._save_took = 0.0
        self.control = Control(self.gateway, self.stopping.set)
        self.control.on_reset = self._reset
        self.server = Server(self.gateway, self.control)
        self.control.on_advance = self.server.flows.forget

    def _load(self) -> World | None:
        if self.store is None:
            return None
        world = self.store.load()
        if world is None:
            return None
        world.clock = Clock(self.options.now_ms)
        world.open_region = open_region
        if self.options.curves and world.curves is None:
            world.curves = read_curves(Path(self.options.curves))
        return world

    def _prepare(self, world: World) -> None:
        if not self.options.handlers:
            return
        from lambda_autotuner.sandbox.handlers import HandlerPool, available

        if not available():
            raise UsageError(
                "Running handlers needs awslambdaric.",
                remedy="Install lambda-autotuner[handlers].",
            )
        world.handlers = HandlerPool()

    def _reset(self) -> None:
        self._close_handlers()
        self.world = build_world(self.options)
        self._prepare(self.world)
        self.gateway.world = self.world
        self.gateway.faults.clear()
        self.server.flows.forget()
        self.world.changed = True

    async def run(self) -> None:
        """Listen and serve until stopped."""
        try:
            listener = await listen(self.server, self.options.port)
        except OSError as error:
            raise AccountError(
                f"Port {self.options.port} of {HOST} cannot be used: {error.strerror}.",
                remedy="Choose another with --port.",
            ) from error
        port = listener.sockets[0].getsockname()[1]
        self.gateway.base_url = f"http://{HOST}:{port}"
        # Make the default account now, so that the first request does not wait for it.
        self.world.account(self.world.settings.default_account).region(
            self.world.settings.home_region
        )
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self.stopping.set)
        self._announce(port)
        watcher = asyncio.create_task(self._watch())
        await self.stopping.wait()
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
        # Let the answer to the shutdown request leave.
        await asyncio.sleep(0.02)
        listener.close()
        for connection in list(self.server.open):
            if connection.transport is not None:
                connection.transport.close()
        self._save(now=True)
        self._close_handlers()
        self.server.workers.shutdown(wait=False, cancel_futures=True)
        if self.store is not None:
            self.store.forget_address()

    def _close_handlers(self) -> None:
        if self.world.handlers is not None:
            self.world.handlers.close()
            self.world.handlers = None

    def _announce(self, port: int) -> None:
        facts = {"endpoint_url": self.gateway.base_url, "port": port, "pid": os.getpid()}
        if self.store is not None:
            self.store.write_address({**facts, "options": asdict(self.options)})
        if self.on_listening is not None:
            self.on_listening(self.gateway.base_url)
        if self.options.ready_fd is not None:
            os.write(self.options.ready_fd, json.dumps(facts).encode() + b"\n")
            os.close(self.options.ready_fd)

    async def _watch(self) -> None:
        last_check = time.monotonic()
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            self._save()
            if time.monotonic() - last_check < _PARENT_CHECK_SECONDS:
                continue
            last_check = time.monotonic()
            parent = self.options.parent_pid
            if parent is not None and os.getppid() != parent:
                self.stopping.set()
            idle = self.options.idle_minutes
            if idle is not None and last_check - self.server.last_request > idle * 60:
                log.info("leaving after %s idle minutes", idle)
                self.stopping.set()

    def _save(self, *, now: bool = False) -> None:
        if self.store is None or not self.world.changed:
            return
        started = time.monotonic()
        # A large account takes a while to write: at most a twentieth of the time goes into it.
        if not now and started < self._saved + 20 * self._save_took:
            return
        self.world.changed = False
        self.store.save(self.world)
        self._saved = time.monotonic()
        self._save_took = self._saved - started


def serve(options: Options, on_listening: Callable[[str], None] | None = None) -> None:
    """Run a server in this process until it is stopped.

    Raises:
        UsageError: the curves cannot be read.
        AccountError: the port is taken, or the saved state cannot be used.
    """

    async def body() -> None:
        await Process(options, on_listening).run()

    asyncio.run(body())


def main(arguments: list[str] | None = None) -> int:
    """The child process: options as one JSON argument; errors as one JSON line to the parent."""
    given = arguments if arguments is not None else sys.argv[1:]
    values: dict[str, Any] = json.loads(given[0])
    options = Options(**values)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        serve(options)
    except AutotunerError as error:
        if options.ready_fd is not None:
            line = {"error": error.message, "remedy": error.remedy, "kind": type(error).__name__}
            os.write(options.ready_fd, json.dumps(line).encode() + b"\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
