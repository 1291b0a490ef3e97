"""`tmplan ranks`: where the ranks of a plan lie, and the groups they form."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.checks import choice
from planner.planfile import Document
from planner.rankmap import LINKS, Groups, RankMap, rank_map
from tui.choosing import Lacking, code, misfit, named
from tui.cli import Answer
from tui.data import as_json
from tui.rankpicture import drawn

NUMBERS = ("plan", "world", "nodes", "gpus_per_node", "link_domain")
NONE: dict[str, Any] = dict.fromkeys(NUMBERS) | {"node_of_rank": [], "groups": {}}  # the record of no plan


def ranks(document: Document, *, pinned: bool, format: str, width: int) -> Answer:
    """The ranks of one plan as a picture, or every group as JSON."""
    choice("format", format, ("text", "json"))
    chosen = named(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return chosen.answer(format, NONE, indent=None)
    layout = rank_map(chosen.job, chosen.plan)
    if format == "json":
        return as_json(record(layout) | {"advice": misfit(chosen)}, code(chosen), indent=None)
    return Answer("\n".join(drawn(layout, width)) + "\n", code(chosen))


def record(layout: RankMap) -> dict[str, Any]:
    """Every group, and the node of every rank."""
    return {
        "plan": layout.plan.named(), "world": layout.world, "nodes": layout.nodes,
        "gpus_per_node": layout.per_node, "link_domain": layout.job.cluster.link_domain,
        "node_of_rank": layout.node_of(np.arange(layout.world)).tolist(),
        "groups": {groups.kind: as_record(groups) for groups in layout.all_groups()},
    }  # fmt: skip


def as_record(groups: Groups) -> dict[str, Any]:
    """The groups of one kind as plain values."""
    return {
        "size": groups.size, "count": len(groups), "leaving_node": int(groups.leaves_node.sum()), "links": groups.links(),
        "ranks": groups.ranks.tolist(), "leaves_node": groups.leaves_node.tolist(), "link": [LINKS[i] for i in groups.link],
    }  # fmt: skip
