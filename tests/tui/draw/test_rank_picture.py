"""The ranks of a plan as text: groups in brackets, nodes, and the first group of each kind."""

from __future__ import annotations

from planner.document.inputs import resolve
from planner.layout.rank_map import Groups, rank_map
from planner.specs.plan import Plan
from tests.tui.driving import SMALL
from tui.draw.rank_picture import drawn, node_lines, span, stages

JOB = resolve(SMALL.inputs)  # 16 GPUs, 8 in a node
LAYOUT = rank_map(JOB, Plan(tp=4, pp=2, dp=2, dp_shard=2, zero=1))


def test_the_first_group_is_from_its_first_to_its_last_rank() -> None:
    """Adjacent ranks, ranks by their stride, and a single rank."""
    groups = [Groups("tp", size, stride, 64, 8, 8) for size, stride in ((8, 1), (8, 8), (1, 1))]
    assert [span(each) for each in groups] == ["0-7", "0-56 by 8", "0"]


def test_brackets_hold_the_tensor_parallel_groups() -> None:
    """A node has only its ranks, each group of four between brackets."""
    (first,), (second,) = (list(node_lines(LAYOUT, node, ["tp", "dp", "pp"])) for node in (0, 1))
    assert first == "node 0 [ 0   1   2   3][ 4   5   6   7]  dp 0-1"
    assert second == "node 1 [ 8   9  10  11][12  13  14  15]  pp 1  dp 0-1"


def test_the_drawing_has_every_group_and_keeps_to_its_width() -> None:
    """A line for each kind of group, the stages in a sentence, both nodes; no line is wider than requested."""
    for width in (56, 80):
        lines = list(drawn(LAYOUT, width))
        assert max(map(len, lines)) <= width and sum(line.startswith("node ") for line in lines) == 2
        assert [line.split()[0] for line in lines if line.startswith(("tp ", "cp ", "dp ", "pp "))] == ["tp", "cp", "dp", "pp"]
    assert stages(LAYOUT) == "stage 0 is ranks 0 to 7; stage 1 repeats it; ranks in brackets are one tp group"
