"""`tmplan ranks`: the placement of the ranks of a plan on nodes, and their groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from planner.document.planfile import Document
from planner.layout.rank_map import LINKS, Groups, RankMap, rank_map, spans
from planner.specs.validate import choice
from tui.cli.answer import Answer
from tui.cli.chosen_plan import Lacking, code, misfit, named
from tui.cli.output import Blocks, as_json_in_blocks
from tui.draw.rank_picture import drawn

NUMBERS = ("plan", "world", "nodes", "gpus_per_node", "link_domain")
NONE: dict[str, Any] = dict.fromkeys(NUMBERS) | {"node_of_rank": [], "groups": {}}  # the record of no plan


def ranks(document: Document, *, pinned: bool, format: str, width: int) -> Answer:
    """The ranks of one plan as a drawing, or every group as JSON."""
    choice("format", format, ("text", "json"))
    chosen = named(document, pinned=pinned)
    if isinstance(chosen, Lacking):
        return chosen.answer(format, NONE, indent=None)
    layout = rank_map(chosen.job, chosen.plan)
    if format == "json":
        return as_json_in_blocks(record(layout) | {"advice": misfit(chosen)}, code(chosen))
    return Answer("\n".join(drawn(layout, width)) + "\n", code(chosen))


def record(layout: RankMap) -> dict[str, Any]:
    """Every group, and the node of every rank, written block by block."""
    return {
        "plan": layout.plan.named(), "world": layout.world, "nodes": layout.nodes,
        "gpus_per_node": layout.per_node, "link_domain": layout.job.cluster.link_domain,
        "node_of_rank": Blocks(layout.node_of(some).tolist() for some in spans(layout.world)),
        "groups": {groups.kind: as_record(groups) for groups in layout.all_groups()},
    }  # fmt: skip


def as_record(groups: Groups) -> dict[str, Any]:
    """The groups of one kind as plain values, with lists in blocks."""
    return {
        "size": groups.size, "count": len(groups), "leaving_node": groups.leaving_node, "links": groups.links(),
        "ranks": Blocks(rows(groups)), "leaves_node": Blocks(groups.reach(some)[0].tolist() for some in groups.blocks()),
        "link": Blocks([LINKS[i] for i in groups.reach(some)[1].tolist()] for some in groups.blocks()),
    }  # fmt: skip


def rows(groups: Groups) -> Iterator[list[Any] | Blocks]:
    """The ranks of each group, several groups at a time, or a large group in blocks."""
    for some in groups.rows():
        yield Blocks(part.tolist() for part in some) if isinstance(some, Iterator) else some.tolist()
