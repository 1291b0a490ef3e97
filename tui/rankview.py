"""The ranks of the plan under the cursor, drawn over the panes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.lines import Line
from tui.overlay import LEAVE, Overlay

if TYPE_CHECKING:
    from planner.rankmap import RankMap


class Ranks(Overlay):
    """Which ranks share a group, and on which nodes they lie."""

    leave = (*LEAVE, "m")
    wide = 104

    def __init__(self) -> None:
        super().__init__("ranks")
        self.laid: RankMap | None = None
        self._lines_of: tuple[int, list[Line]] = (0, [])

    def show(self, laid: RankMap) -> None:
        """Draw this layout, from the top."""
        self.laid, self.top, self.open, self._lines_of = laid, 0, True, (0, [])

    def content(self, width: int) -> list[Line]:
        if self.laid is not None and self._lines_of[0] != width:
            from tui.rankpicture import drawn

            lines: list[Line] = [[(f" {line}", "text")] for line in drawn(self.laid, width - 2)]
            self._lines_of = (width, lines)
        return self._lines_of[1]
