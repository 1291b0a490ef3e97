"""Leaving: signals end the program with the session written and the terminal as it was, whenever they come.

One that comes while the program stands asks it to leave (tui.app.program). If it has not left soon after, busy with what nobody foresaw or
waiting for a terminal that takes nothing, a thread that waits for this alone writes the session, restores the terminal and ends it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from tui.app.program import Program

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
GRACE = 2.0  # seconds in which the program leaves by itself
# Plain paste, lines that wrap, no reports of focus, whole frames at once no more, the screen from before, the cursor.
RESTORE = b"\x1b[?2004l\x1b[?7h\x1b[?1004l\x1b[?2026l\x1b[?1049l\x1b[?25h\x1b[m"
# What an editor that was killed may have left: reports of the mouse, keys of applications, its own screen.
AFTER_OTHERS = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1l\x1b>\x1b[?2004l\x1b[?1049l\x1b[?25h\x1b[m"


class Leaving:
    """The ways out that others decide on. `code` is the exit code of the first that was asked for."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.program: Program | None = None
        self.modes = modes()
        self._asked = threading.Event()

    def watch(self) -> None:
        """Take the signals from now on; to be called once, in the main thread."""
        with contextlib.suppress(ValueError):  # not the main thread
            for number in SIGNALS:
                signal.signal(number, self._told)
        with contextlib.suppress(RuntimeError):  # no thread to be had
            threading.Thread(target=self._insist, daemon=True).start()

    def give_up(self, code: int) -> None:
        """Have the process ended with this code soon, should it not end by itself."""
        self.code = self.code or code
        self._asked.set()

    def restore(self) -> None:
        """The terminal as it was, without the program's help: its modes, and the screen from before."""
        set_modes(self.modes)
        send(RESTORE)

    def _told(self, number: int, _: FrameType | None) -> None:
        """A signal has come."""
        program = self.program
        if program is None or not program.begun:  # nothing is drawn, nothing was typed
            end(128 + number)
        if program.guest is not None:
            if number == signal.SIGINT:  # ctrl+c there is meant for whoever has the terminal
                return
            with contextlib.suppress(OSError):
                program.guest.send_signal(number)
        if not self._asked.is_set():
            self.give_up(128 + number)
            program.ask_to_leave(128 + number)

    def _insist(self) -> None:
        """End the process if it has been asked to and does not."""
        self._asked.wait()
        time.sleep(GRACE)
        program = self.program
        if program is not None:
            if program.guest is not None:
                with contextlib.suppress(OSError):
                    program.guest.kill()
                time.sleep(GRACE)  # it may yet leave by itself
            for _ in range(3):  # whoever is busy may change the state while it is written
                with contextlib.suppress(Exception):
                    program.keep()
                    break
        self.restore()
        os._exit(self.code or 0)


def end(code: int) -> NoReturn:
    """End the process at once: a planning thread cannot be killed, and Python would first free a million plans piece by piece."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
            stream.flush()
    os._exit(code)


def modes() -> list[Any] | None:
    """The modes of the terminal on stdin; None where it has none."""
    try:
        import termios

        return termios.tcgetattr(0)
    except (ImportError, OSError, ValueError, termios.error):
        return None


def set_modes(before: list[Any] | None) -> None:
    """The terminal in these modes again."""
    if before is None:
        return
    import termios

    with contextlib.suppress(OSError, ValueError, termios.error):
        termios.tcsetattr(0, termios.TCSANOW, before)


def send(sequences: bytes) -> None:
    """Send the terminal some bytes at once, unless it takes none."""
    with contextlib.suppress(OSError, ValueError):
        if select.select([], [2], [], 0.5)[1]:
            os.write(2, sequences)
