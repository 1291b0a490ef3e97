"""Textual's Linux driver with an input thread that blocks until there is input and is woken up to end.

Textual's thread polls ten times per second whether to end, and once more on the way out, which delays every exit by 0.2 s. When the
terminal disappears it reads in a loop; this driver sends SIGHUP to the process instead. No input can stop the thread, and an
implausible terminal size is clipped to one that can be drawn.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

from tui.terminal.input_parser import InputParser

LONE = 0.1  # seconds; an escape byte with no successor for that long is the escape key
TICKS = 3  # intervals of LONE after which every unfinished key sequence is complete
PASTE_TICKS = 10  # intervals of LONE without a byte after which the end marker of a paste counts as lost
FLOOD = 256  # bytes in one read; more than a user types, so reading pauses until the program has processed them
WIDEST, TALLEST = 1000, 500  # cells; larger screens take seconds to draw, and a wrong size could exhaust the memory


class QuietDriver(LinuxDriver):
    """LinuxDriver whose input thread sleeps until there is input."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._size = self._size or self._get_terminal_size()  # Textual's first guess is unbounded
        self._woken, self._waker = os.pipe()
        self._program: Any = self._app  # tui.app.textual_app.Tmplan
        self._resumed = False

    def start_application_mode(self) -> None:
        before, held = self.attrs_before, self._key_thread is not None and self._key_thread.is_alive()
        if held:  # stopped and continued from outside without restoring the terminal: the original modes are those saved first
            self.disable_input()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if held:
            self.attrs_before = before
        if self._resumed:  # another program had the terminal: what was drawn is gone
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
        except Exception as error:  # without input the program cannot continue
            if not self.exit_event.is_set():
                self._program.call_later(self._program._handle_exception, error)

    def run_input_thread(self) -> None:
        """Deliver input to the program until the driver stops."""
        parser = InputParser(lambda: XTermParser(self._debug))
        still = PASTE_TICKS  # ticks since the last byte
        with selectors.SelectSelector() as selector:  # select() accepts terminals on every system
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                waits = still < (PASTE_TICKS if parser.pasting else TICKS)
                ready = {key.fd for key, _ in selector.select(LONE if waits else None)}
                still += 1
                if self.fileno in ready:
                    data = self._read()
                    if not data:
                        selector.unregister(self.fileno)
                        os.kill(os.getpid(), signal.SIGHUP)  # the same exit whether or not the system sends it too
                        continue
                    still = 0
                    self._deliver(parser.feed(data))
                    if len(data) >= FLOOD:
                        self._drain()
                self._deliver(parser.tick())
                if still == PASTE_TICKS:
                    self._deliver(parser.rest())

    def _deliver(self, messages: Any) -> None:
        for message in messages:
            self.process_message(message)

    def _drain(self) -> None:
        """Wait until the program has processed the messages delivered, so that a flood of input stays in the terminal, not in memory."""
        taken = threading.Event()
        self._program.call_later(taken.set)
        while not taken.wait(LONE) and not self.exit_event.is_set():
            pass

    def _read(self) -> bytes:
        """The bytes typed; empty if the terminal is gone."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""
