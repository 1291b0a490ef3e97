"""Panes: where everything lies, which pane has the keyboard, and what is open over them."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.geometry import Region
from textual.widget import Widget

from tui.app.program import Program
from tui.settings.bindings import DETAIL, FORM, PLANS
from tui.terminal.layout import FORMS, Wish, places, shape
from tui.terminal.screen import QuietScreen
from tui.widgets.form import Form
from tui.widgets.line_edit import LineEdit
from tui.widgets.picker import Picker
from tui.widgets.prompt import Prompt
from tui.widgets.welcome import Welcome


class Panes(Program):
    """The program with its layout."""

    tall = False  # the detail takes the place of the plans, where there is no room for both

    def places(self, width: int, height: int) -> dict[str, Region]:
        """Where everything lies now (tui.terminal.layout), and what is open over it."""
        titled = shape(width, height) != "narrow"
        needs = {name: len(form.entries) + titled for name, form in self.forms.items()}
        found = places(width, height, Wish(self.pane, self.form, needs, self.zoomed, self.tall and self.pane == "detail"))
        if "small" not in found:
            for over in self.overs:
                if over.open:
                    tall = len(over.choices) + 3 if isinstance(over, Picker) else over.tall if isinstance(over, Welcome) else height
                    wide, tall = min(over.wide, width - 4), min(tall, height - 4)
                    found[str(over.id)] = Region((width - wide) // 2, (height - tall) // 2, wide, tall)
        self._placed = found
        return found

    def shows(self, name: str) -> bool:
        """Whether a pane has a place on the screen."""
        return name in self._placed

    def on_resize(self, event: events.Resize) -> None:
        self.screen.set_class(shape(*event.size) == "narrow", "narrow")

    def repaint(self) -> None:
        """Paint everything, whatever the terminal may show now."""
        if isinstance(self.screen, QuietScreen):
            self.screen.paint()

    def arrange(self) -> None:
        """Lay out again after the pane or what is open changed, if that moves anything."""
        screen = self.screen
        placed = self._placed
        if isinstance(screen, QuietScreen) and self.places(*screen.size) != placed:
            screen.arrange_anew()

    def go(self, pane: str) -> None:
        """Give a pane the keyboard."""
        if pane == self.pane:
            return
        self.pane = pane
        self.form = pane if pane in FORMS else self.form
        panes: tuple[Widget, ...] = (*self.forms.values(), self.table, self.detail)
        for widget in panes:
            widget.focus_on(widget.id == pane)  # type: ignore[attr-defined]
        self.tabs.pane = pane
        self.tabs.redraw()
        self.arrange()
        self.show_foot()
        self.arrived(pane)

    def arrived(self, pane: str) -> None:
        """A pane has got the keyboard."""

    @property
    def context(self) -> str:
        """Where keys are looked up."""
        return FORM if self.pane in FORMS else DETAIL if self.pane == "detail" else PLANS

    @property
    def active_form(self) -> Form:
        """The form with the keyboard, or the last that had it."""
        return self.forms[self.form]

    def show_foot(self) -> None:
        """Hints of the pane, and what is wrong with the field under the cursor."""
        self.foot.context = self.context
        form = self.active_form
        self.foot.standing, self.foot.about = (form.fault, form.entry.help) if self.context == FORM else ("", "")
        self.foot.redraw()

    def ask(self, prompt: Prompt) -> None:
        """Ask in the message line, with what was typed there when the program was closed."""
        if left := self.asked.take(prompt.label):
            prompt.edit = LineEdit.of(left)
        self.foot.prompt = prompt
        self.foot.redraw()

    def pick(self, title: str, choices: list[tuple[str, str]], done: Callable[[str], None], *, at: str = "", freely: bool = False) -> None:
        """Ask by a list over the panes."""
        self.picker.ask(title, choices, done, at=at, freely=freely)
        if freely and (left := self.asked.take(title)):
            self.picker.edit = LineEdit.of(left)
        self.arrange()
