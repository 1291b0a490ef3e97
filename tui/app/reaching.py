"""Reaching: any place on the screen, and any command by name."""

from __future__ import annotations

from tui.app.asking import Asking
from tui.settings.bindings import active, where


class Reaching(Asking):
    """The program with jumps, zoom and palette."""

    def action_zoom(self) -> None:
        """The pane at hand alone on the screen, or all of them again."""
        self.zoomed = not self.zoomed
        self.arrange()

    def action_jump(self) -> None:
        """Show a letter at every field and plan in view; the letter goes there."""
        self.jumps = {}
        letters = iter("asdfghjklqwertyuiopzxcvbnmASDFGHJKLQWERTYUIOPZXCVBNM1234567890")
        shown = [form for name, form in self.forms.items() if self.shows(name)]
        for form in shown:
            form.labels = dict(zip(form.in_view(), letters, strict=False))
            self.jumps |= {letter: (str(form.id), key) for key, letter in form.labels.items()}
        if self.shows("plans"):
            self.table.labels = dict(zip(self.table.in_view(), letters, strict=False))
            self.jumps |= {letter: ("plans", str(row)) for row, letter in self.table.labels.items()}
        self.foot.say("press a letter to go there")
        for pane in (*shown, self.table):
            pane.redraw()

    def jump(self, key: str) -> None:
        """Go where a letter stands; any other key goes nowhere."""
        place, self.jumps = self.jumps.get(key), {}
        for form in self.forms.values():
            form.labels = {}
        self.table.labels = {}
        self.foot.say("")
        if place is None:
            pass
        elif place[0] == "plans":
            self.go("plans")
            self.table.move(int(place[1]) - self.table.at)
            self.cursor_moved()
        else:
            self.go(place[0])
            self.forms[place[0]].go(place[1])
            self.show_foot()
        for pane in (*self.forms.values(), self.table):
            pane.redraw()

    def action_palette(self) -> None:
        """Every command by name, searched by typing."""
        found = {binding.id: binding for binding in active() if binding.action not in ("palette", "move")}
        choices = [(name, f"{binding.shown:<8} {binding.help}{where(binding)}") for name, binding in found.items()]

        def done(name: str) -> None:
            binding = found[name]
            if self.context not in binding.contexts:
                self.go({"form": self.form, "plans": "plans", "detail": "detail"}[binding.contexts[0]])
            self.call_next(lambda: self.perform(binding))

        self.pick("command", choices, done)
