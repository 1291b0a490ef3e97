"""PaneLayout: the regions of the panes, the pane that has the keyboard, and the hints at the foot that go with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.geometry import Region, Size
from textual.screen import Screen

from tui.app.actions import action
from tui.app.panes import Panes
from tui.settings.bindings import DETAIL, FORM, PLANS
from tui.terminal.layout import FORMS, Wish, places, shape
from tui.terminal.screen import QuietScreen
from tui.widgets.form import Form
from tui.widgets.picker import Picker
from tui.widgets.welcome import Welcome


class PaneLayout:
    """The regions of the panes. `leaving` is called before the keyboard goes to another pane, `entered` with its name afterwards."""

    def __init__(
        self, panes: Panes, screen: Callable[[], Screen[Any]], leaving: Callable[[], None], entered: Callable[[str], None]
    ) -> None:
        self._panes, self._screen, self._leaving, self._entered = panes, screen, leaving, entered
        self.pane = "plans"
        self.form = FORMS[2]  # the form with the keyboard, or the last that had it
        self.zoomed = False
        self.tall = False  # the detail takes the room of the plans, where there is not enough for both
        self.regions: dict[str, Region] = {}

    @property
    def active_form(self) -> Form:
        """The form with the keyboard, or the last that had it."""
        return self._panes.forms[self.form]

    @property
    def context(self) -> str:
        """The context that keys are looked up in (tui.settings.bindings)."""
        return FORM if self.pane in FORMS else DETAIL if self.pane == "detail" else PLANS

    def places(self, width: int, height: int) -> dict[str, Region]:
        """The region of every pane on a screen of this size (tui.terminal.layout), and of what is open over them."""
        titled = shape(width, height) != "narrow"
        needs = {name: len(form.entries) + titled for name, form in self._panes.forms.items()}
        regions = places(width, height, Wish(self.pane, self.form, needs, self.zoomed, self.tall and self.pane == "detail"))
        if "small" not in regions:
            for overlay in self._panes.overlays:
                if overlay.open:
                    choices = len(overlay.choices) + 3 if isinstance(overlay, Picker) else height
                    tall = min(overlay.tall if isinstance(overlay, Welcome) else choices, height - 4)
                    wide = min(overlay.wide, width - 4)
                    regions[str(overlay.id)] = Region((width - wide) // 2, (height - tall) // 2, wide, tall)
        self.regions = regions
        return regions

    def shows(self, name: str) -> bool:
        """Whether a pane has a region on the screen."""
        return name in self.regions

    def resized(self, size: Size) -> None:
        """The terminal has another size."""
        self._screen().set_class(shape(*size) == "narrow", "narrow")

    def arrange(self) -> None:
        """Lay out again after the pane or what is open changed, if that moves anything."""
        screen, before = self._screen(), self.regions
        if isinstance(screen, QuietScreen) and self.places(*screen.size) != before:
            screen.arrange_anew()

    def go(self, pane: str) -> None:
        """Give a pane the keyboard."""
        if pane == self.pane:
            return
        self._leaving()
        self.pane = pane
        self.form = pane if pane in FORMS else self.form
        for widget in self._panes.main:
            widget.focus_on(widget.id == pane)
        self._panes.tabs.pane = pane
        self._panes.tabs.redraw()
        self.arrange()
        self.show_hints()
        self._entered(pane)

    def show_hints(self) -> None:
        """The hints of the pane, and what is wrong with the field under the cursor."""
        foot, form = self._panes.foot, self.active_form
        foot.context = self.context
        foot.standing, foot.about = (form.fault, form.entry.help) if self.context == FORM else ("", "")
        foot.redraw()

    @action
    def zoom(self) -> None:
        """The pane with the keyboard alone on the screen, or all panes again."""
        self.zoomed = not self.zoomed
        self.arrange()

    @action
    def repaint(self) -> None:
        """Paint the whole screen, whatever the terminal may show now."""
        screen = self._screen()
        if isinstance(screen, QuietScreen):
            screen.paint()
