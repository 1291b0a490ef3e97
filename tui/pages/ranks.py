"""The rank page: the groups of ranks, the nodes they are on, and the links each group communicates over."""

from __future__ import annotations

from planner.layout.rank_map import RankMap, rank_map
from tui.draw.lines import Line
from tui.draw.rank_picture import drawn
from tui.pages.subject import Subject


def work(subject: Subject) -> RankMap:
    """The ranks of the plan under the cursor; TmplanError for a plan that does not fill its job."""
    return rank_map(subject.job, subject.plan)


def draw(layout: RankMap, width: int) -> list[Line]:
    """The drawing that `tmplan ranks` prints."""
    return [[(f" {line}", "text")] for line in drawn(layout, width - 2)]
