"""`tmplan ranks`: where the ranks of a plan lie, and the groups they form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from planner.checks import choice
from planner.planfile import Document
from planner.rankmap import LINKS, Groups, RankMap, rank_map
from tui.cli import NO_PLAN, Answer
from tui.cli_export import named
from tui.rankpicture import drawn

SCHEMA = 1  # of the JSON; docs/json.md


def ranks(document: Document, *, pinned: bool, format: str) -> Answer:
    """The ranks of one plan as a picture, or every group as JSON."""
    choice("format", format, ("text", "json"))
    chosen = named(document, pinned=pinned)
    if chosen is None:
        return Answer(code=NO_PLAN)
    layout = rank_map(chosen.job, chosen.plan)
    if format == "json":
        return Answer(json.dumps(as_json(layout, document.version), allow_nan=False) + "\n", chosen.code)
    return Answer("\n".join(drawn(layout)) + "\n", chosen.code)


def as_json(layout: RankMap, version: str) -> dict[str, Any]:
    """Every group, and the node of every rank."""
    return {
        "schema": SCHEMA, "version": version, "plan": layout.plan.named(), "world": layout.world, "nodes": layout.nodes,
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
