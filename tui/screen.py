"""QuietScreen: lays the panes out by tui.layout and sends the terminal only the cells that changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import NULL_OFFSET, NULL_SPACING, Region, Size
from textual.layout import Layout, WidgetPlacement
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

Places = Callable[[int, int], dict[str, Region]]


class Desk(Layout):
    """A Textual layout that places children by id; those without a place are not shown."""

    name: ClassVar[str] = "desk"

    def __init__(self, places: Places) -> None:
        self.places = places

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> list[WidgetPlacement]:
        regions = self.places(size.width, size.height)
        return [
            WidgetPlacement(regions[child.id], NULL_OFFSET, NULL_SPACING, child, order)
            for order, child in enumerate(children)
            if child.id in regions
        ]


class SpansUpdate(ChopsUpdate):
    """Textual's partial update, cut at the left of each changed span as well as at its right.

    Textual 8.2 sends a widget's line from its first cell up to the last that changed (a TODO in its source).
    """

    def render_segments(self, console: Console) -> str:
        out: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                if x1 > x or x2 < end:
                    strip = strip.crop(max(0, x1 - x), min(end, x2) - x)
                out += (Control.move_to(max(x, x1), y).segment.text, strip.render(console))
        return "".join(out)


class SpansCompositor(Compositor):
    """A compositor whose partial updates are SpansUpdates."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return SpansUpdate(update.chops, update.spans, update.chop_ends) if update else None


class QuietScreen(Screen[None]):
    """The one screen. Nothing on it takes Textual's focus: the program hands keys out itself (tui.program)."""

    AUTO_FOCUS = ""
    CSS = "QuietScreen { overflow: hidden; padding: 0; }"
    focused = Reactive(None, repaint=False)  # a change of focus must not repaint the screen

    def __init__(self, places: Places) -> None:
        super().__init__()
        self._compositor = SpansCompositor()
        self._desk = Desk(places)

    @property
    def layout(self) -> Layout:
        return self._desk

    def arrange_anew(self) -> None:
        """Lay the panes out again; only the regions that changed are painted."""
        self.refresh(repaint=False, layout=True)
