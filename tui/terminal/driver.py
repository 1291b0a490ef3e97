"""The terminal's driver: Textual's, but for the thread that reads keys, which waits for them and is woken to end.

Textual's asks ten times a second whether it should end, and once more when it does: a fifth of a second of every way out. A terminal
that is gone it reads again and again; here that hangs the program up. Whatever the thread reads, it goes on; and a size that no
terminal has is cut to one that can be drawn.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.input_parser import Typed

LONE = 0.1  # seconds after which an escape that nothing followed is the key
TICKS = 3  # of them in which whatever is unfinished has come to its end
PASTE_TICKS = 10  # of them without a byte, after which the end of a paste will not come
FLOOD = 256  # bytes at once that nobody types: no more are read until the program has taken them
WIDEST, TALLEST = 1000, 500  # cells; more take seconds to draw, and a size that is wrong would take all memory


class QuietDriver(LinuxDriver):
    """LinuxDriver whose input thread sleeps until there is a key."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._size = self._size or self._get_terminal_size()  # Textual's own first guess has no bound
        self._woken, self._waker = os.pipe()
        self._program: Any = self._app  # tui.app.actions.Tmplan
        self._resumed = False

    def start_application_mode(self) -> None:
        before, held = self.attrs_before, self._key_thread is not None and self._key_thread.is_alive()
        if held:  # stopped and continued by others, the terminal not given back: the modes from before are those of the first time
            self.disable_input()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if held:
            self.attrs_before = before
        if self._resumed:  # whoever had the terminal, nothing that was drawn is there
            self._program.call_later(self._program.repaint)
        self._resumed = True

    def disable_input(self) -> None:
        os.write(self._waker, b"\0")
        super().disable_input()
        os.read(self._woken, 1)

    def _get_terminal_size(self) -> tuple[int, int]:
        columns, rows = super()._get_terminal_size()
        return min(columns, WIDEST), min(rows, TALLEST)

    def _run_input_thread(self) -> None:
        try:
            self.run_input_thread()
        except Exception as error:  # without keys there is no going on
            if not self.exit_event.is_set():
                self._program.call_later(self._program._handle_exception, error)

    def run_input_thread(self) -> None:
        """Hand on what is typed until the driver is told to stop."""
        typed = Typed(lambda: XTermParser(self._debug))
        still = PASTE_TICKS  # ticks since a byte came
        with selectors.SelectSelector() as selector:  # which takes terminals on every system
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                waits = still < (PASTE_TICKS if typed.pasting else TICKS)
                ready = {key.fd for key, _ in selector.select(LONE if waits else None)}
                still += 1
                if self.fileno in ready:
                    data = self._read()
                    if not data:
                        selector.unregister(self.fileno)
                        os.kill(os.getpid(), signal.SIGHUP)  # one way out, whether the system sends it too or not
                        continue
                    still = 0
                    self._hand_on(typed.feed(data))
                    if len(data) >= FLOOD:
                        self._caught_up()
                self._hand_on(typed.tick())
                if still == PASTE_TICKS:
                    self._hand_on(typed.rest())

    def _hand_on(self, found: Any) -> None:
        for message in found:
            self.process_message(message)

    def _caught_up(self) -> None:
        """Wait until the program has taken what was handed on: a flood stays in the terminal, not in memory."""
        taken = threading.Event()
        self._program.call_later(taken.set)
        while not taken.wait(LONE) and not self.exit_event.is_set():
            pass

    def _read(self) -> bytes:
        """What was typed; nothing where the terminal is gone."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""
