"""The page of ranks: which share a group, on which nodes they lie, and the links each group meets over."""

from __future__ import annotations

from planner.layout.rank_map import RankMap, rank_map
from tui.draw.lines import Line
from tui.draw.rank_picture import drawn
from tui.pages.subject import Subject


def work(subject: Subject) -> RankMap:
    """The ranks of the plan under the cursor; TmplanError for a plan that does not fill its job."""
    return rank_map(subject.job, subject.plan)


def draw(found: RankMap, width: int) -> list[Line]:
    """The picture that `tmplan ranks` prints."""
    return [[(f" {line}", "text")] for line in drawn(found, width - 2)]
