"""The ranks of a plan as text: the groups by kind, the nodes of the first pipeline stage, and how the others repeat it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np

from planner.degrees import EXPERTS, WORLD
from planner.layout.rank_map import KINDS, REPLICAS, Groups, RankMap
from tui.draw.aligned import aligned

WIDTH = 80
DRAWN = 8  # nodes drawn individually
AXES = (*WORLD[::-1], REPLICAS, *EXPERTS[::-1])  # order of a node's coordinates, slowest-varying first


def drawn(layout: RankMap, width: int = WIDTH) -> Iterator[str]:
    """The drawing in lines of at most `width` cells: the groups by kind, then the nodes of the first pipeline stage."""
    kinds = [kind for kind in KINDS if layout.job.model.experts or kind not in ("ep", "etp", "expert-dp")]
    job = layout.job
    nodes = f"{layout.nodes:,} node{'s' * (layout.nodes > 1)} of {layout.per_node}"
    head = f"{job.model.name}, {layout.world:,} ranks on {nodes}: {' '.join(f'{kind}={layout.degrees[kind]}' for kind in kinds)}"
    yield from textwrap.wrap(head, width)
    yield ""
    yield from table(layout, kinds, width)
    yield ""
    held = -(-layout.stage_ranks // layout.per_node)  # nodes of the first stage; all nodes of a small world
    held = layout.nodes if layout.nodes <= DRAWN else held
    yield from textwrap.wrap(stages(layout), width)
    for node in range(min(held, DRAWN)):
        yield from node_lines(layout, node, kinds, width)
    if held > DRAWN:
        yield f"... and {held - DRAWN:,} more, alike"


def stages(layout: RankMap) -> str:
    """A sentence on the pipeline stages: each repeats the first at a rank offset."""
    count, each = layout.degrees["pp"], layout.stage_ranks
    first = f"stage 0 is {f'ranks 0 to {each - 1:,}' if each > 1 else 'rank 0'}" if count > 1 else "one pipeline stage"
    rest = {1: "", 2: "; stage 1 repeats it"}.get(count, f"; stages 1 to {count - 1} repeat it, the last up to rank {layout.world - 1:,}")
    return f"{first}{rest}; ranks in brackets are one tp group" if layout.degrees["tp"] > 1 else first + rest


def table(layout: RankMap, kinds: list[str], width: int = WIDTH) -> Iterator[str]:
    """A line for each kind of group: size, number of groups, how many span nodes, their links, and the first group."""
    lines = [("group", "size", "groups", "leave a node", "links", "first group")]
    for kind in kinds:
        groups = layout.groups(kind)
        counts = groups.links()
        links = next(iter(counts)) if len(counts) == 1 else ", ".join(f"{count:,} {name}" for name, count in counts.items())
        lines.append(
            (
                kind,
                f"{groups.size:,}",
                f"{len(groups):,}",
                f"{groups.leaving_node:,}",
                links.replace("single", "-"),
                span(groups),
            )
        )
    rows = aligned(lines, left=(0, 4, 5))
    yield from rows if max(map(len, rows)) <= width else aligned([line[:-1] for line in lines], left=(0, 4))  # without the first group


def span(groups: Groups) -> str:
    """Ranks of the first group, which are evenly spaced: 0-7, or 0-504 by 8."""
    if groups.size == 1:
        return "0"
    return f"0-{groups.stride * (groups.size - 1)}" + (f" by {groups.stride}" if groups.stride > 1 else "")


def node_lines(layout: RankMap, node: int, kinds: list[str], width: int = WIDTH) -> Iterator[str]:
    """One node: its ranks, tensor-parallel groups in brackets, and their coordinates on the other axes."""
    ranks = np.arange(node * layout.per_node, min((node + 1) * layout.per_node, layout.world))
    at = layout.coordinates(ranks)
    tp, wide = layout.degrees["tp"], len(str(layout.world - 1))
    cells = []
    for rank, place in zip(ranks.tolist(), at["tp"].tolist(), strict=True):
        cells.append(f"{'[' if tp > 1 and place == 0 else ' '}{rank:>{wide}}{']' if tp > 1 and place == tp - 1 else ' '}")
    axes = [axis for axis in AXES if axis in kinds and axis != "tp" and layout.degrees[axis] > 1 and (axis != "pp" or at["pp"].any())]
    coordinates = [f"{axis} {_range(at[axis])}" for axis in axes]
    label = f"node {node:<{len(str(layout.nodes - 1))}} "
    fit = max(1, (width - len(label)) // len(cells[0]))
    rows = ["".join(cells[i : i + fit]) for i in range(0, len(cells), fit)]
    legend = "  ".join(coordinates)
    if len(rows) == 1 and len(label) + len(rows[0]) + 2 + len(legend) <= width:
        yield f"{label}{rows[0]}  {legend}".rstrip()
        return
    for i, row in enumerate(rows):
        yield f"{label if i == 0 else ' ' * len(label)}{row}".rstrip()
    if legend:
        yield f"{' ' * len(label)} {legend}"


def _range(places: Any) -> str:
    """The range of coordinates on an axis over the ranks of a node."""
    first, last = int(places.min()), int(places.max())
    return f"{first}" if first == last else f"{first}-{last}"
