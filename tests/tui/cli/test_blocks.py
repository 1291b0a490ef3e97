"""JSON written block by block: the text equals that of the complete object, and at most one block is computed before it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest

from planner.layout import rank_map as rankmap
from planner.layout.rank_map import LINKS, RankMap, rank_map
from planner.specs.plan import Plan
from tests.planner.jobs import example
from tui.cli.output import Blocks, as_json_in_blocks
from tui.cli.ranks import record

LAYOUT = rank_map(example(model="mixtral-8x7b", gpus=64), Plan(tp=4, pp=2, dp=8, ep=8))


def whole(layout: RankMap) -> dict[str, Any]:
    """The object of `tmplan ranks`, computed at once."""
    return {
        "plan": layout.plan.named(), "world": layout.world, "nodes": layout.nodes, "gpus_per_node": layout.per_node,
        "link_domain": layout.job.cluster.link_domain, "node_of_rank": [rank // layout.per_node for rank in range(layout.world)],
        "groups": {
            groups.kind: {
                "size": groups.size, "count": len(groups), "leaving_node": int(groups.leaves_node.sum()), "links": groups.links(),
                "ranks": groups.ranks.tolist(), "leaves_node": groups.leaves_node.tolist(), "link": [LINKS[i] for i in groups.link],
            }
            for groups in layout.all_groups()
        },
    }  # fmt: skip


@pytest.mark.parametrize("block", [1, 3, 8, 1000])
def test_ranks_written_in_blocks_are_the_object_written_whole(block: int) -> None:
    """For any block size, the JSON of `tmplan ranks` is identical to that of the object computed at once."""
    with patch.object(rankmap, "BLOCK", block):
        text = "".join(as_json_in_blocks(record(LAYOUT) | {"advice": ["a"]}).more)
    result = json.loads(text)
    assert text == json.dumps(result) + "\n"
    assert result.pop("schema") == 1 and isinstance(result.pop("version"), str)
    assert list(result) == [*whole(LAYOUT), "advice"] and result == whole(LAYOUT) | {"advice": ["a"]}


@pytest.mark.slow
def test_no_more_than_a_block_is_written_at_once() -> None:
    """Of a world of a million ranks no piece of the text holds more than a block of it, nor is a list of all its ranks ever made."""
    layout = rank_map(example(gpus=1_000_000, model="llama-3.1-8b"), Plan(dp=1_000_000))
    with patch.object(rankmap, "BLOCK", 1 << 16), patch.object(rankmap.Groups, "ranks", property(lambda _: pytest.fail("all at once"))):
        longest = max(map(len, as_json_in_blocks(record(layout)).more))
    assert longest < 16 * (1 << 16)


def test_lists_in_blocks_are_written_as_lists() -> None:
    """Empty blocks leave no trace, a list within a list is one of its values, and blocks are requested only when they are written."""
    requested: list[int] = []
    values: list[list[Any]] = [[], [1, {"a": None}], ["é"]]

    def blocks() -> Iterator[list[Any] | Blocks]:
        for number in range(3):
            requested.append(number)
            yield values[number]
        yield Blocks([])
        yield Blocks([[1], [], [2, 3]])

    answer = as_json_in_blocks({"none": Blocks([[]]), "in": {"some": Blocks(blocks()), "empty": {}}, "last": 0})
    pieces = iter(answer.more)
    assert not requested
    text = "".join(pieces)
    result = json.loads(text)
    assert text == json.dumps(result) + "\n"
    assert {key: result[key] for key in ("none", "in", "last")} == {
        "none": [], "in": {"some": [1, {"a": None}, "é", [], [1, 2, 3]], "empty": {}}, "last": 0}  # fmt: skip
