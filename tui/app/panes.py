"""Panes: every widget of the screen."""

from __future__ import annotations

from textual.widget import Widget

from tui.draw.lines import LinePane
from tui.terminal.layout import FORMS
from tui.widgets.detail import Detail
from tui.widgets.form import Form
from tui.widgets.help import Help
from tui.widgets.overlay import Overlay
from tui.widgets.page_pane import PagePane
from tui.widgets.picker import Picker
from tui.widgets.status import Foot, Small, StatusLine, Tabs
from tui.widgets.table import Table
from tui.widgets.welcome import Welcome


class Panes:
    """The input forms, the plans, the detail and the comparison, the lines around them, and what opens over them."""

    def __init__(self) -> None:
        self.forms = {name: Form(name) for name in FORMS}
        self.table, self.detail, self.comparison = Table(), Detail(), PagePane("compare")
        self.status, self.tabs, self.foot, self.small = StatusLine(), Tabs(), Foot(), Small()
        self.picker, self.help, self.welcome = Picker(), Help(), Welcome()

    def widgets(self) -> list[Widget]:
        """All of them, in the order that they are painted in."""
        main = (self.table, self.detail, self.comparison)
        return [self.status, self.tabs, *self.forms.values(), *main, self.foot, self.small, *self.overlays]

    @property
    def main(self) -> tuple[LinePane, ...]:
        """The panes that can have the keyboard."""
        return (*self.forms.values(), self.table, self.detail)

    @property
    def overlays(self) -> tuple[Picker | Overlay | Welcome, ...]:
        """The widgets that open over the panes, the topmost first."""
        return (self.picker, self.help, self.welcome)

    @property
    def overlay(self) -> Picker | Overlay | Welcome | None:
        """The open overlay, if there is one."""
        return next((overlay for overlay in self.overlays if overlay.open), None)
