"""Commands as separate processes: their streams, exit code and peak of memory, and how fast ctrl+c ends them."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.promises import Ran
from tests.tui.pseudo_terminal import PROGRAM

ROOM = 4 * 10**9  # bytes of address space: enough to see that a command takes too much, not so much that the machine suffers
POLL = 0.05


@dataclass(frozen=True)
class Ended:
    """A process that has ended: code, streams, its most memory in bytes, and the seconds from ctrl+c to its end (None: not pressed)."""

    ran: Ran
    memory: int
    seconds: float
    interrupted: float | None


def command(argv: Sequence[str]) -> list[str]:
    """The command line that runs tmplan with these arguments."""
    return [sys.executable, "-c", PROGRAM, *argv]


def run(
    argv: Sequence[str],
    folder: Path,
    *,
    patience: float,
    environment: Mapping[str, str] | None = None,
    streams: Mapping[str, Any] | None = None,
) -> Ended:
    """Run a command; after `patience` seconds press ctrl+c, and after as long again kill it. `streams` replaces those of the process."""
    out, err, began = folder / "stdout", folder / "stderr", time.monotonic()
    with open(out, "wb") as to_out, open(err, "wb") as to_err:
        given: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": to_out, "stderr": to_err} | dict(streams or {})
        process = subprocess.Popen(command(argv), env=dict(environment or os.environ), cwd=folder, preexec_fn=_begin, **given)
        memory, pressed = 0, None
        while process.poll() is None:
            memory = max(memory, _memory(process.pid))
            late = time.monotonic() - began
            if late > patience and pressed is None:
                pressed = time.monotonic()
                process.send_signal(signal.SIGINT)
            if late > 2 * patience:
                process.kill()
            time.sleep(POLL)
    texts = (path.read_bytes().decode("utf-8", "replace") for path in (out, err))
    ended = time.monotonic()
    return Ended(Ran(process.returncode, *texts), memory, (pressed or ended) - began, None if pressed is None else ended - pressed)


def _begin() -> None:
    """What the process does before it becomes the command: hear ctrl+c, and be bounded."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_AS, (ROOM, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _memory(pid: int) -> int:
    """The most memory a process has held so far."""
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
    return 0
