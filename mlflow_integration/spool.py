"""The write-ahead spool: what happened is on disk before anybody tries to send it.

A process appends to a segment of its own (one `write` a record, 0600, locked for as long as
the process lives), so that several processes never wait for one another and a killed process
loses nothing that it had finished. Only the delivery worker reads segments; what it delivered
it notes in an `.ack` file beside the segment and removes both when nothing is left.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow_integration.environment import Destination
from mlflow_integration.errors import SpoolError
from mlflow_integration.records import SCHEMA, encode

_logger = logging.getLogger(__name__)
_COUNT_LENGTH = 400
_PROBE_BYTES = 4096
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
FULL = "full"
_ROTATE_BYTES = 8 * 1024 * 1024
DEFAULT_LIMIT_BYTES = 512 * 1024 * 1024
DEFAULT_LIMIT_DAYS = 14.0


def segments_dir(spool: Path) -> Path:
    """Return the folder of the segments."""
    return spool / "segments"


def producers_dir(spool: Path) -> Path:
    """Return the folder of the files that live processes keep locked."""
    return spool / "producers"


def ensure_spool(spool: Path) -> None:
    """Create the spool's folders, private to the user.

    Raises:
        SpoolError: The folder cannot be created or written.
    """
    try:
        segments_dir(spool).mkdir(parents=True, exist_ok=True)
        producers_dir(spool).mkdir(exist_ok=True)
        spool.chmod(0o700)
        probe = spool / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
        try:
            with os.fdopen(os.open(probe, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(bytes(_PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise SpoolError(
                f"There is no space left for the spool {spool}; nothing is recorded until there is.",
                remedy="Free some space, or point LAMBDA_AUTOTUNER_STATE_DIR to another disk.",
                code=FULL,
            ) from error
        raise SpoolError(
            f"The folder {spool} cannot be written: {error.strerror or error}.",
            remedy="Make it writable, or point LAMBDA_AUTOTUNER_STATE_DIR to a folder that is.",
        ) from error


class SpoolWriter:
    """Appends records for one destination; thread-safe, and safe after a fork.

    Errors of the disk never reach the caller: `append` returns False and counts the record as
    dropped, with the reason in `last_error`.
    """

    def __init__(self, spool: Path, destination: Destination) -> None:
        self.spool = spool
        self.destination = destination
        self.last_error: str | None = None
        self.dropped: Counter[str] = Counter()
        self._key = destination.key
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._path: Path | None = None
        self._pid = os.getpid()
        self._size = 0
        self._torn = False
        self._producer: tuple[str, int] | None = None
        self._pending: dict[Path, set[str]] = {}
        self.muted = False
        _writers.add(self)

    def append(self, record: dict[str, Any], *, item: str | None = None) -> bool:
        """Write one record that is already masked.

        Args:
            record: Plain data; the destination's key is added.
            item: Name of what the delivery worker will acknowledge; waited for by `outstanding`.
        """
        if self.muted:
            return False
        line = encode({**record, "to": self._key})
        with self._lock:
            try:
                fd = self._open()
                self._write(fd, line)
            except OSError as error:
                self._torn = True
                self._count_lost(str(record.get("k")), error)
                return False
            if item is not None and self._path is not None:
                self._pending.setdefault(self._path, set()).add(item)
            if self._size > _ROTATE_BYTES:
                self._close()
        return True

    def outstanding(self) -> int:
        """Return how many items of this process are not delivered yet."""
        with self._lock:
            pending = {path: set(items) for path, items in self._pending.items()}
        left = 0
        for path, items in pending.items():
            if not path.exists():
                remaining: set[str] = set()
            else:
                remaining = items - set(read_acks(path))
            left += len(remaining)
            with self._lock:
                if path in self._pending:
                    self._pending[path] -= items - remaining
                    if not self._pending[path]:
                        del self._pending[path]
        return left

    def _count_lost(self, kind: str, error: OSError) -> None:
        """Count a record that the disk refused where it survives us: in place, without new space."""
        said = self.last_error
        self.last_error = f"The spool {self.spool} cannot be written: {error.strerror or error}."
        self.dropped[kind] += 1
        if said is None:
            _logger.warning("%s What happens meanwhile is not recorded.", self.last_error)
        if self._producer is not None:
            try:
                os.pwrite(self._producer[1], _count_line(self.dropped), 0)
            except OSError:
                _logger.debug("the count of lost records could not be kept", exc_info=True)

    def close(self) -> None:
        """Close the segment, so that the delivery worker may finish and remove it."""
        with self._lock:
            self._close()

    def _open(self) -> int:
        if self._pid != os.getpid():
            self._forget_after_fork()
        if self._fd is not None:
            return self._fd
        segments_dir(self.spool).mkdir(parents=True, exist_ok=True)
        if self._producer is None:
            self._producer = _lock_producer(self.spool)
        name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}.jsonl"
        # The worker takes an unlocked file for a closed one, so it must never see one too early.
        hidden = segments_dir(self.spool) / f".{name}"
        fd = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._size = 0
            self._torn = False
            header = {
                "k": "segment",
                "schema": SCHEMA,
                "pid": os.getpid(),
                "producer": self._producer[0],
                "destination": self.destination.to_dict(),
                "to": self._key,
            }
            self._write(fd, encode(header))
            path = segments_dir(self.spool) / name
            hidden.rename(path)
        except OSError:
            os.close(fd)
            hidden.unlink(missing_ok=True)
            raise
        self._fd, self._path = fd, path
        return fd

    def _write(self, fd: int, line: bytes) -> None:
        if self._torn:
            # The last write stopped half-way: its line ends here and fails its checksum.
            line = b"\n" + line
        self._torn = True
        written = os.write(fd, line)
        self._size += written
        if written != len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._torn = False

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
        self._fd, self._path = None, None

    def _forget_after_fork(self) -> None:
        # The descriptor is shared with the parent, whose lock must not be released.
        self._pid = os.getpid()
        if self._fd is not None:
            os.close(self._fd)
        if self._producer is not None:
            os.close(self._producer[1])
        self._fd, self._path, self._producer = None, None, None
        self._pending = {}
        self.dropped = Counter()


def _lock_producer(spool: Path) -> tuple[str, int]:
    """Lock a file for as long as this process lives; the kernel lets go when it is killed."""
    producers_dir(spool).mkdir(parents=True, exist_ok=True)
    name = f"{os.getpid()}-{secrets.token_hex(6)}"
    fd = os.open(producers_dir(spool) / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # Space for the count of lost records is taken now: later there may be none.
    with contextlib.suppress(OSError):
        os.pwrite(fd, _count_line(Counter()), 0)
    return name, fd


def _count_line(counts: Counter[str]) -> bytes:
    return json.dumps(counts).encode().ljust(_COUNT_LENGTH)


def read_lost(producer: Path) -> dict[str, int]:
    """Return how many records of each kind the disk refused to a process."""
    try:
        counts = json.loads(producer.read_bytes() or b"{}")
    except (OSError, ValueError):
        return {}
    return counts if isinstance(counts, dict) else {}


_writers: weakref.WeakSet[SpoolWriter] = weakref.WeakSet()


def _after_fork() -> None:
    for writer in list(_writers):
        writer._lock = threading.Lock()  # noqa: SLF001 - the parent's lock may be held for ever


os.register_at_fork(after_in_child=_after_fork)


def ack_path(segment: Path) -> Path:
    """Return where the worker notes what it delivered from `segment`."""
    return segment.with_suffix(".ack")


def read_acks(segment: Path) -> dict[str, str]:
    """Return the acknowledged items of a segment and the note beside each."""
    try:
        text = ack_path(segment).read_bytes()
    except OSError:
        return {}
    acks: dict[str, str] = {}
    for line in text.split(b"\n")[:-1]:
        item, _, note = line.decode("utf-8", "replace").partition(" ")
        acks[item] = note
    return acks


def list_segments(spool: Path) -> Iterator[Path]:
    """Yield the segments, oldest first."""
    try:
        names = sorted(path.name for path in segments_dir(spool).iterdir())
    except OSError:
        return
    for name in names:
        if name.endswith(".jsonl") and not name.startswith("."):
            yield segments_dir(spool) / name


def is_unlocked(path: Path) -> bool:
    """Say whether no process holds `path`: a closed segment, or a process that is gone."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)
