"""The shared sandbox's state on disk: 0600, with a schema version, written whole or not at all."""

from __future__ import annotations

import io
import json
import os
import pickle
import tempfile
from pathlib import Path
from typing import Any, Final

from lambda_autotuner.errors import AccountError
from lambda_autotuner.sandbox.state import World

SCHEMA: Final = 1
_HEADER: Final = b"lambda-autotuner sandbox state, schema "
# What a state file may be made of. A pickle can otherwise name any code on the machine.
_OWN: Final = "lambda_autotuner.sandbox."
_PLAIN: Final = frozenset(
    {
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "bytearray"),
        ("builtins", "range"),
        ("builtins", "slice"),
        ("collections", "OrderedDict"),
        ("collections", "defaultdict"),
        ("collections", "deque"),
        ("collections", "Counter"),
        ("datetime", "datetime"),
        ("datetime", "date"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("array", "array"),
        ("array", "_array_reconstructor"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
        ("numpy.core.numeric", "_frombuffer"),
    }
)


class _Loader(pickle.Unpickler):
    """Restores the sandbox's own classes and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """The class, when it is one that a state may hold."""
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.startswith(_OWN):
            found = super().find_class(module, name)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a state file")


class Store:
    """The files of one shared sandbox."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_path = directory / "state.bin"
        self.address_path = directory / "server.json"

    def load(self) -> World | None:
        """The world as it was saved; None when there is none.

        Raises:
            AccountError: the file is of a newer schema, or broken.
        """
        try:
            raw = self.state_path.read_bytes()
        except FileNotFoundError:
            return None
        head, _, body = raw.partition(b"\n")
        schema = int(head.removeprefix(_HEADER)) if head.startswith(_HEADER) else -1
        if schema > SCHEMA:
            raise AccountError(
                f"{self.state_path} has schema {schema}; this version knows {SCHEMA}.",
                remedy="Update lambda-autotuner, or run `lambda-autotuner sandbox reset`.",
            )
        if schema != SCHEMA:
            return None
        try:
            world = _Loader(io.BytesIO(body)).load()
        except Exception as error:
            raise AccountError(
                f"{self.state_path} cannot be read: {error}.",
                remedy="Run `lambda-autotuner sandbox reset` to start anew.",
            ) from error
        return world if isinstance(world, World) else None

    def save(self, world: World) -> None:
        """Write the world."""
        clock, source, world.object_source = world.clock, world.object_source, None
        handlers, world.handlers = world.handlers, None
        opener, world.open_region = world.open_region, None
        world.clock = type(clock)()
        try:
            body = pickle.dumps(world, protocol=5)
        finally:
            world.clock, world.object_source, world.handlers = clock, source, handlers
            world.open_region = opener
        self._write(self.state_path, _HEADER + str(SCHEMA).encode() + b"\n" + body)

    def write_address(self, facts: dict[str, Any]) -> None:
        """Say where the server listens."""
        self._write(self.address_path, json.dumps(facts).encode())

    def read_address(self) -> dict[str, Any] | None:
        """Where a server said it listens; it may be gone."""
        try:
            found = json.loads(self.address_path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(found, dict) or not isinstance(found.get("endpoint_url"), str):
            return None
        return found if isinstance(found.get("pid"), int) else None

    def forget_address(self) -> None:
        """The server leaves; only its own entry is removed."""
        found = self.read_address()
        if found is not None and found.get("pid") == os.getpid():
            self.address_path.unlink(missing_ok=True)

    def remove_state(self) -> None:
        """Forget the saved world."""
        self.state_path.unlink(missing_ok=True)

    def _write(self, path: Path, data: bytes) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self.directory, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)  # noqa: PTH105 - atomic on one file system
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
