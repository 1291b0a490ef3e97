"""Keyboard: each key goes to the prompt, list or editor that is open, else to the action that tui.settings.bindings gives it."""

from __future__ import annotations

from textual import events

from planner.errors import TmplanError
from tui.app.actions import Actions
from tui.app.dialogs import Dialogs
from tui.app.fields import Fields
from tui.app.jumps import Jumps
from tui.app.layout import PaneLayout
from tui.app.panes import Panes
from tui.app.quitting import Quitting
from tui.app.session_keeper import SessionKeeper
from tui.settings.bindings import FORM, Binding, lookup
from tui.state.threads import SCARCE, error_text
from tui.widgets.line_edit import LineEdit
from tui.widgets.overlay import Overlay
from tui.widgets.picker import Picker
from tui.widgets.prompt import Prompt
from tui.widgets.welcome import Welcome


class Keyboard:
    """Takes keys and pasted text."""

    def __init__(
        self,
        panes: Panes,
        layout: PaneLayout,
        dialogs: Dialogs,
        fields: Fields,
        jumps: Jumps,
        quitting: Quitting,
        keeper: SessionKeeper,
        actions: Actions,
    ) -> None:
        self._panes, self._layout, self._dialogs, self._fields = panes, layout, dialogs, fields
        self._jumps, self._quitting, self._keeper, self._actions = jumps, quitting, keeper, actions

    def press(self, event: events.Key) -> None:
        """Handle a key; an error becomes a message."""
        try:
            if event.key == "ctrl+c":
                self._quitting.quit()
                return
            self._take(event)
        except (TmplanError, OSError) as error:  # such as a folder that was removed meanwhile
            self._dialogs.say(str(error), "bad")
        except SCARCE as error:
            self._dialogs.say(f"{error_text(error)} for this", "bad")
        self._keeper.touch()

    def _take(self, event: events.Key) -> None:
        """Dispatch a key. In a terminal too small to show the panes only the key that quits works."""
        binding = lookup(self._layout.context, event.key)
        if self._layout.shows("small") and not self._quitting.asking:
            if binding and binding.id == "quit":
                self._quitting.quit()
        elif self._dialogs.prompt:
            self._take_prompt(self._dialogs.prompt, event)
        elif overlay := self._overlay():
            self._take_overlay(overlay, event)
        elif self._jumps.targets:
            self._jumps.go(event.character or event.key)
        elif not (self._layout.context == FORM and self._layout.active_form.edit and self._take_editor(event)):
            if self._dialogs.message:
                self._dialogs.say("")
            if binding:
                self.perform(binding)

    def _overlay(self) -> Picker | Overlay | Welcome | None:
        """The open overlay, if there is one; any key closes the welcome and is then handled as usual."""
        if self._panes.welcome.open:
            self._panes.welcome.open = False
            self._layout.arrange()
        return self._panes.overlay

    def perform(self, binding: Binding) -> None:
        """Do what a binding says."""
        self._actions.perform(binding)
        self._keeper.touch()

    def _take_prompt(self, prompt: Prompt, event: events.Key) -> None:
        over, foot = prompt.take(event), self._panes.foot
        if over and foot.prompt is prompt:
            foot.prompt = None
        foot.redraw()

    def _take_overlay(self, overlay: Picker | Overlay | Welcome, event: events.Key) -> None:
        if overlay.take(event):
            overlay.open = False
            self._layout.arrange()

    def _take_editor(self, event: events.Key) -> bool:
        """Give a key to the open editor; whether it is handled: a key that leaves the line also moves the cursor."""
        form = self._layout.active_form
        if event.key == "escape":
            form.end()
            self._layout.show_hints()
        elif event.key in ("enter", "tab", "shift+tab", "up", "down"):
            self._fields.enter()
            return event.key == "enter"
        else:
            form.take(event)
            self._show_fault(form.edit)
        return True

    def _show_fault(self, edit: LineEdit | None) -> None:
        """Show that an open editor has not accepted all of the text; a prompt shows it itself."""
        if edit is not None and edit.fault:
            self._dialogs.say(edit.fault, "bad")

    def paste(self, text: str) -> None:
        """Insert pasted text where typed text would go."""
        panes, prompt, form = self._panes, self._dialogs.prompt, self._layout.active_form
        picked = panes.picker.edit if panes.picker.open else None
        for widget, edit in ((panes.foot, prompt.edit if prompt else None), (panes.picker, picked), (form, form.edit)):
            if edit is not None:
                edit.insert(text)
                panes.picker.at = 0  # the list is another one
                widget.redraw()
                self._show_fault(edit)
                self._keeper.touch()
                return
