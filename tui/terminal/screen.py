"""QuietScreen: arranges the panes with tui.terminal.layout and sends the terminal only the cells that changed."""

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

from tui.terminal.encode import Piece, by_style, encode
from tui.terminal.shown import Shown

Places = Callable[[int, int], dict[str, Region]]


class Desk(Layout):
    """A Textual layout that places children by id."""

    name: ClassVar[str] = "desk"

    def __init__(self, places: Places) -> None:
        self.places = places

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> list[WidgetPlacement]:
        regions = self.places(size.width, size.height)
        # A hidden child gets an empty region: leaving it out would change the order of all others and repaint them.
        placed = [(regions.get(child.id or "", NULL_REGION), child) for child in children]
        return [WidgetPlacement(region, NULL_OFFSET, NULL_SPACING, child, order) for order, (region, child) in enumerate(placed)]


class SpansUpdate(ChopsUpdate):
    """A partial update: those cells of the changed spans that differ from what the terminal shows."""

    shown: Shown

    def render_segments(self, console: Console) -> str:
        pieces: list[Piece] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is not None and x < x2 and end > x1:
                    start = max(x, x1)
                    pieces += self.shown.differing(y, start, strip.crop(start - x, min(end, x2) - x))
        return shortest(pieces, console, self.shown.width)


class WholeUpdate(LayoutUpdate):
    """A full update: those cells of the screen that differ from what the terminal shows."""

    shown: Shown

    def render_segments(self, console: Console) -> str:
        pieces: list[Piece] = []
        for y, strips in enumerate(self.strips, self.region.y):
            pieces += self.shown.differing(y, self.region.x, chain.from_iterable(strips))
        return shortest(pieces, console, self.shown.width)


def shortest(pieces: list[Piece], console: Console, width: int) -> str:
    """The encoding of these pieces, grouped by style or from top to bottom, whichever takes fewer bytes."""
    return min(encode(by_style(pieces), console._color_system, width), encode(pieces, console._color_system, width), key=len)


class ThriftyCompositor(Compositor):
    """A compositor that sends few bytes (tui.terminal.encode), and none for cells that the terminal already shows (tui.terminal.shown)."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = Shown()

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        if update is None:
            return None
        spans = SpansUpdate(update.chops, update.spans, update.chop_ends)
        self.shown.fit(*self.size)
        spans.shown = self.shown
        return spans

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        update = super().render_full_update(simplify)
        self.shown.fit(*self.size)
        whole = WholeUpdate(update.strips, update.region)
        whole.shown = self.shown
        return whole


class QuietScreen(Screen[None]):
    """The only screen. No widget takes Textual's focus: the program dispatches keys itself (tui.app.program)."""

    AUTO_FOCUS = ""
    CSS = "QuietScreen { overflow: hidden; padding: 0; }"
    focused = Reactive(None, repaint=False)  # a change of focus must not repaint the screen

    def __init__(self, places: Places) -> None:
        super().__init__()
        self._compositor = self._thrifty = ThriftyCompositor()
        self._desk = Desk(places)

    @property
    def layout(self) -> Layout:
        return self._desk

    def paint(self) -> None:
        """Repaint everything, whatever the terminal shows now."""
        self._thrifty.shown.forget()
        self.refresh()

    def arrange_anew(self) -> None:
        """Arrange the panes again and paint only the regions that changed."""
        self._clear_arrangement_cache()  # Textual caches an arrangement while size and children are the same
        self.refresh(repaint=False, layout=True)
