"""The terminal's driver: Textual's, but for the thread that reads keys, which waits for them and is woken to end.

Textual's asks ten times a second whether it should end, and once more when it does: a fifth of a second of every way out. A terminal
that is gone it reads again and again; here that leaves the program.
"""

from __future__ import annotations

import codecs
import os
import selectors
import signal
from typing import Any

from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

LONE = 0.1  # seconds after which an escape that nothing followed is the key
TICKS = 3  # of them in which whatever is unfinished has come to its end


class QuietDriver(LinuxDriver):
    """LinuxDriver whose input thread sleeps until there is a key."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._woken, self._waker = os.pipe()
        self._program: Any = self._app  # tui.actions.Tmplan
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

    def run_input_thread(self) -> None:
        """Hand on what is typed until the driver is told to stop."""
        parser, decode = XTermParser(self._debug), codecs.getincrementaldecoder("utf-8")("replace").decode
        unfinished = 0
        with selectors.SelectSelector() as selector:  # which takes terminals on every system
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                ready = {key.fd for key, _ in selector.select(LONE if unfinished else None)}
                unfinished = max(0, unfinished - 1)
                if self.fileno in ready:
                    typed = self._typed()
                    if not typed:
                        selector.unregister(self.fileno)
                        self._program.call_later(self._program.leave, 128 + signal.SIGHUP)
                        continue
                    unfinished = TICKS
                    for event in parser.feed(decode(typed)):
                        self.process_message(event)
                for event in parser.tick():
                    self.process_message(event)

    def _typed(self) -> bytes:
        """What was typed; nothing where the terminal is gone."""
        try:
            return os.read(self.fileno, 4096)
        except OSError:
            return b""
