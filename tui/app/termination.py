"""Termination: signals end the program with the session written and the terminal restored, whenever they arrive.

A signal that comes while the program runs asks it to leave (tui.app.textual_app). If it has not left soon after, because it is busy
or waits for a terminal that does not accept output, a thread writes the session, restores the terminal and ends the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from tui.app import terminal_modes

if TYPE_CHECKING:
    from tui.app.textual_app import Tmplan

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
GRACE = 2.0  # seconds in which the program leaves by itself


class Termination:
    """Ends the program from outside. `code` is the exit code of the first request."""

    def __init__(self) -> None:
        self.code: int | None = None
        self.app: Tmplan | None = None
        self._modes = terminal_modes.modes()
        self._requested = threading.Event()

    def watch(self) -> None:
        """Take the signals from now on; to be called once, in the main thread."""
        with contextlib.suppress(ValueError):  # not the main thread
            for number in SIGNALS:
                signal.signal(number, self._handle)
        with contextlib.suppress(RuntimeError):  # no thread to be had
            threading.Thread(target=self._enforce, daemon=True).start()

    def request(self, code: int) -> None:
        """Have the process ended with this code soon, should it not end by itself."""
        self.code = self.code or code
        self._requested.set()

    def restore(self) -> None:
        """Restore the modes of the terminal and the screen from before, without the program's driver."""
        terminal_modes.set_modes(self._modes)
        terminal_modes.send(terminal_modes.RESTORE)

    def _handle(self, number: int, _: FrameType | None) -> None:
        """A signal has come."""
        app = self.app
        if app is None or not app.begun:  # nothing is drawn, nothing was typed
            end(128 + number)
        if (editor := app.program.external_editor.process) is not None:
            if number == signal.SIGINT:  # ctrl+c there is meant for the editor
                return
            with contextlib.suppress(OSError):
                editor.send_signal(number)
        if not self._requested.is_set():
            self.request(128 + number)
            app.request_leave(128 + number)

    def _enforce(self) -> None:
        """End the process if it does not end after a request."""
        self._requested.wait()
        time.sleep(GRACE)
        if self.app is not None:
            if (editor := self.app.program.external_editor.process) is not None:
                with contextlib.suppress(OSError):
                    editor.kill()
                time.sleep(GRACE)  # it may yet leave by itself
            for _ in range(3):  # the program may change the state while it is written
                with contextlib.suppress(Exception):
                    self.app.program.keeper.write()
                    break
        self.restore()
        os._exit(self.code or 0)


def end(code: int) -> NoReturn:
    """End the process at once: a planning thread cannot be killed, and Python would first free a million plans piece by piece."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError, RuntimeError):
            stream.flush()
    os._exit(code)
