"""Temporary folders that a killed process leaves behind and the next one clears away.

Each holds a lock for as long as its owner lives: the system lets go of it when a process dies, by
whatever signal, so a folder whose lock is free belongs to nobody.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

import filelock

_LOCK: Final = ".owner.lock"
# What a killed process started (a delivery of traces) may still read its folder for a while.
_LEAST_AGE_SECONDS: Final = 3_600.0


class ScratchFolder:
    """A temporary folder of this process, mode 0700.

    Args:
        prefix: what its name begins with; leftovers of the same prefix are cleared away.
        least_age_seconds: younger leftovers are left alone.
    """

    def __init__(self, prefix: str, *, least_age_seconds: float = _LEAST_AGE_SECONDS) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        self._lock = filelock.FileLock(self.path / _LOCK, mode=0o600)
        self._lock.acquire(timeout=0)
        for other in self.path.parent.glob(f"{prefix}*"):
            if other != self.path:
                _sweep(other, time.time() - least_age_seconds)

    def cleanup(self) -> None:
        """Remove the folder with everything in it; a second time does nothing."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def _sweep(folder: Path, before: float) -> None:
    """Remove a folder that nobody holds and that is old enough; whatever is in doubt stays."""
    held = folder / _LOCK
    # Other people's folders, links, and what is no scratch folder are none of our business.
    with contextlib.suppress(OSError, filelock.Timeout):
        if folder.is_symlink() or held.is_symlink() or held.stat().st_mtime > before:
            return
        with filelock.FileLock(held, timeout=0, mode=0o600):
            shutil.rmtree(folder, ignore_errors=True)
