"""Palette: every command by name, searched by typing."""

from __future__ import annotations

from collections.abc import Callable

from tui.app.actions import action
from tui.app.dialogs import Dialogs
from tui.app.layout import PaneLayout
from tui.app.loop import Loop
from tui.settings.bindings import DETAIL, FORM, PLANS, Binding, active, where

LEFT_OUT = ("palette.open", "navigation.move")


class Palette:
    """The list of commands. `perform` does what a binding says."""

    def __init__(self, layout: PaneLayout, dialogs: Dialogs, loop: Loop, perform: Callable[[Binding], None]) -> None:
        self._layout, self._dialogs, self._loop, self._perform = layout, dialogs, loop, perform

    @action
    def open(self) -> None:
        """Choose a command; one that its keys do not call in this pane is done in a pane where they do."""
        commands = {binding.id: binding for binding in active() if binding.action not in LEFT_OUT}
        choices = [(name, f"{binding.shown:<8} {binding.help}{where(binding)}") for name, binding in commands.items()]

        def done(name: str) -> None:
            binding = commands[name]
            if self._layout.context not in binding.contexts:
                self._layout.go({FORM: self._layout.form, PLANS: "plans", DETAIL: "detail"}[binding.contexts[0]])
            self._loop.next(lambda: self._perform(binding))

        self._dialogs.pick("command", choices, done)
