"""A share of a processor for a process, without root: stop it when its credit is used up.

Lambda gives a function memory / 1,769 MB of a virtual CPU through the kernel's bandwidth control.
Where that needs privileges that we do not have, the same is done from outside: credit flows in at
the share's rate, the process's own CPU clock draws on it, and SIGSTOP and SIGCONT keep the balance.
Credit that is not used within a period is dropped, as the kernel drops it; what was overdrawn
stays owed, so that the share is exact however coarsely the governor wakes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

PERIOD_SECONDS: Final = 0.02
STEP_SECONDS: Final = 0.0005
IDLE_STEP_SECONDS: Final = 0.005
FULL_VCPU_MB: Final = 1769
_MEMORY_CHECK_SECONDS: Final = 0.05
_KB_PER_MB: Final = 1024


def processor_share(memory_mb: int) -> float:
    """The virtual CPUs that a memory size comes with."""
    return memory_mb / FULL_VCPU_MB


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used, all threads, to the nanosecond.

    Raises:
        OSError: the process is gone.
    """
    # The clock id of another process, as clock_getcpuclockid(3) computes it on Linux.
    return time.clock_gettime((~pid << 3) | 2)


def waited_seconds(pid: int) -> float:
    """How long a process's main thread was ready to run while other programs had the processors.

    That time belongs to the machine and not to the function: it is left out of durations and of
    the account of credit. 0 where the kernel does not tell.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[1]) / 1e9
    return 0.0


def own_time(pid: int) -> float:
    """Seconds on a clock that stands still while a process waits for a processor."""
    return time.monotonic() - waited_seconds(pid)


def memory_mb(pid: int, field: str = "VmRSS") -> int:
    """Resident memory of a process (`VmHWM`: its peak), in MB; 0 when it is gone."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
            if line.startswith(f"{field}:"):
                return -(-int(line.split()[1]) // _KB_PER_MB)
    return 0


class Governor:
    """Holds a process to a share while it is switched on."""

    def __init__(self, pid: int, memory_limit_mb: int, on_overflow: Callable[[], None]) -> None:
        self.pid = pid
        self.share = processor_share(memory_limit_mb)
        self.memory_limit_mb = memory_limit_mb
        self.on_overflow = on_overflow
        self._on = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"governor-{pid}", daemon=True)
        self._thread.start()

    def start(self) -> None:
        """An invocation begins."""
        self._on.set()

    def pause(self) -> None:
        """An invocation is over: the process waits for the next one, unstopped."""
        self._on.clear()

    def close(self) -> None:
        """Govern no longer."""
        self._ended.set()
        self._on.set()
        self._thread.join(1)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGCONT)

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while not self._ended.is_set():
                self._on.wait()
                self._govern()

    def _govern(self) -> None:
        most = self.share * PERIOD_SECONDS
        # An invocation begins somewhere in a period: on average half of its credit is left.
        credit = most / 2
        used, then = cpu_seconds(self.pid), own_time(self.pid)
        checked = 0.0
        stopped = False
        while self._on.is_set() and not self._ended.is_set():
            time.sleep(STEP_SECONDS)
            now, total = own_time(self.pid), cpu_seconds(self.pid)
            credit = min(credit + self.share * (now - then), most) - (total - used)
            used, then = total, now
            if stopped and credit >= most / 2:
                os.kill(self.pid, signal.SIGCONT)
                stopped = False
            elif not stopped and credit <= 0:
                os.kill(self.pid, signal.SIGSTOP)
                stopped = True
            if now - checked > _MEMORY_CHECK_SECONDS:
                checked = now
                if memory_mb(self.pid) > self.memory_limit_mb:
                    self.on_overflow()
                    return
        if stopped:
            os.kill(self.pid, signal.SIGCONT)
