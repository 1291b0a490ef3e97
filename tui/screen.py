"""QuietScreen: lays the panes out by tui.layout and sends the terminal only the cells that changed."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import ClassVar

from rich.console import Console
from textual._compositor import ChopsUpdate, Compositor, LayoutUpdate
from textual.geometry import NULL_OFFSET, NULL_REGION, NULL_SPACING, Region, Size
from textual.layout import Layout, WidgetPlacement
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

from tui.encode import Piece, by_style, encode, pieces

Places = Callable[[int, int], dict[str, Region]]


class Desk(Layout):
    """A Textual layout that places children by id."""

    name: ClassVar[str] = "desk"

    def __init__(self, places: Places) -> None:
        self.places = places

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> list[WidgetPlacement]:
        regions = self.places(size.width, size.height)
        # One without a place gets an empty one: were it left out the order of all others would change, and all be painted.
        found = [(regions.get(child.id or "", NULL_REGION), child) for child in children]
        return [WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child, order) for order, (region, child) in enumerate(found)]


class SpansUpdate(ChopsUpdate):
    """A partial update cut at both ends of each changed span; Textual's own begins at the widget's edge."""

    width = 0

    def render_segments(self, console: Console) -> str:
        found: list[Piece] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is not None and x < x2 and end > x1:
                    found += pieces(y, max(x, x1), strip.crop(max(0, x1 - x), min(end, x2) - x))
        return encode(by_style(found), console._color_system, self.width)


class WholeUpdate(LayoutUpdate):
    """A paint of the whole screen, from the top."""

    def render_segments(self, console: Console) -> str:
        found: list[Piece] = []
        for y, strips in enumerate(self.strips, self.region.y):
            found += pieces(y, self.region.x, chain.from_iterable(strips))
        return encode(found, console._color_system, self.region.width)


class ThriftyCompositor(Compositor):
    """A compositor that sends few bytes (tui.encode)."""

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        if update is None:
            return None
        spans = SpansUpdate(update.chops, update.spans, update.chop_ends)
        spans.width = self.size.width
        return spans

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        update = super().render_full_update(simplify)
        return WholeUpdate(update.strips, update.region)


class QuietScreen(Screen[None]):
    """The one screen. Nothing on it takes Textual's focus: the program hands keys out itself (tui.program)."""

    AUTO_FOCUS = ""
    CSS = "QuietScreen { overflow: hidden; padding: 0; }"
    focused = Reactive(None, repaint=False)  # a change of focus must not repaint the screen

    def __init__(self, places: Places) -> None:
        super().__init__()
        self._compositor = ThriftyCompositor()
        self._desk = Desk(places)

    @property
    def layout(self) -> Layout:
        return self._desk

    def arrange_anew(self) -> None:
        """Lay the panes out again; only the regions that changed are painted."""
        self._clear_arrangement_cache()  # Textual keeps an arrangement as long as size and children stay
        self.refresh(repaint=False, layout=True)
