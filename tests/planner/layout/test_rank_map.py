"""Placement of ranks: groups partition the world in Megatron-LM's order, and have the right links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.degrees import WORLD
from planner.errors import FieldError
from planner.layout import rank_map as rank_map_module
from planner.layout.rank_map import EXPERT_ORDER, KINDS, LINKS, NETWORK, SCALE_UP, SINGLE, RankMap, rank_map
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import example

DEGREE = st.sampled_from([1, 2, 3, 4])


def job_of(gpus: int, per_node: int = 8, domain: int = 8) -> Job:
    """A job on a number of GPUs, on nodes of any size."""
    job = example(model="mixtral-8x7b", gpus=16)
    return replace(job, cluster=replace(job.cluster, gpus=gpus, gpus_per_node=per_node, link_domain=domain))


@st.composite
def layouts(draw: st.DrawFn) -> RankMap:
    """Plans with expert parallelism folded over the ranks of a stage, on nodes and domains of any size."""
    tp, cp, dp, pp = (draw(DEGREE) for _ in range(4))
    stage_ranks = tp * cp * dp
    ep = draw(st.sampled_from([n for n in range(1, stage_ranks + 1) if stage_ranks % n == 0]))
    etp = draw(st.sampled_from([n for n in range(1, stage_ranks // ep + 1) if stage_ranks // ep % n == 0]))
    per_node, domain = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([1, 2, 4, 8, 72]))
    return rank_map(job_of(stage_ranks * pp, per_node, domain), Plan(tp=tp, cp=cp, dp=dp, pp=pp, ep=ep, etp=etp))


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_groups_of_a_kind_partition_the_world(layout: RankMap) -> None:
    """Each rank is in exactly one group of every kind, and the group size is the degree."""
    for groups in layout.all_groups():
        assert groups.size == layout.degrees[groups.kind]
        assert sorted(groups.ranks.ravel().tolist()) == list(range(layout.world))


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_a_group_varies_along_its_axis_only(layout: RankMap) -> None:
    """The ranks of a group have every position on its axis in order, and one position on the other axes of its numbering."""
    for groups in layout.all_groups():
        at = layout.coordinates(groups.ranks)
        assert (at[groups.kind] == np.arange(groups.size)).all()
        for other in WORLD if groups.kind in WORLD else EXPERT_ORDER:
            assert other == groups.kind or (at[other] == at[other][:, :1]).all()


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_tensor_parallel_ranks_are_consecutive(layout: RankMap) -> None:
    """The ranks of a tp group, and of an etp group, are consecutive."""
    for kind in ("tp", "etp"):
        ranks = layout.groups(kind).ranks
        assert (np.diff(ranks, axis=1) == 1).all()


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_experts_stay_within_a_pipeline_stage(layout: RankMap) -> None:
    """Only pipeline groups cross stages, ep x etp does not; a pipeline group visits each stage once."""
    for groups in layout.all_groups():
        stages = groups.ranks // layout.stage_ranks
        if groups.kind == "pp":
            assert (stages == np.arange(layout.degrees["pp"])).all()
        else:
            assert (stages == stages[:, :1]).all()
    both = np.arange(layout.world).reshape(-1, layout.degrees["ep"] * layout.degrees["etp"]) // layout.stage_ranks
    assert (both == both[:, :1]).all()


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_links_and_nodes_follow_from_the_ranks(layout: RankMap) -> None:
    """A group leaves a node exactly if its ranks are on several, and uses the network exactly if it leaves node and domain."""
    for groups in layout.all_groups():
        for ranks, leaves, link in zip(groups.ranks.tolist(), groups.leaves_node, groups.link, strict=True):
            nodes, domains = ({rank // size for rank in ranks} for size in (layout.per_node, layout.job.cluster.link_domain))
            assert leaves == (len(nodes) > 1)
            assert (link == SINGLE) == (len(ranks) == 1)
            assert (link == SCALE_UP) == (len(domains) == 1 and len(ranks) > 1)
            assert (link == NETWORK) == (len(domains) > 1 and len(nodes) > 1)
        assert sum(groups.links().values()) == len(groups)


def test_the_rank_order_is_megatrons() -> None:
    """Sixteen ranks with tp 2, cp 2, dp 2, pp 2, ep 2, etp 1: groups derived by hand."""
    layout = rank_map(job_of(16), Plan(tp=2, cp=2, dp=2, pp=2, ep=2, etp=1))
    expected = {
        "tp": [0, 1], "cp": [0, 2], "dp": [0, 4], "ep": [0, 1], "etp": [0], "expert-dp": [0, 2, 4, 6], "pp": [0, 8],
    }  # fmt: skip
    assert {kind: layout.groups(kind).ranks[0].tolist() for kind in KINDS} == expected
    assert layout.groups("dp").ranks.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7], [8, 12], [9, 13], [10, 14], [11, 15]]


def test_a_rack_wide_domain_is_one_link_over_many_nodes() -> None:
    """On nodes of 4 in a domain of 72, a group of 8 leaves its node but uses the scale-up link."""
    groups = rank_map(job_of(72, per_node=4, domain=72), Plan(tp=8, dp=9)).groups("tp")
    assert groups.leaves_node.any()
    assert groups.links() == {"scale-up": 9}


def test_gpus_without_a_scale_up_link_communicate_through_the_host() -> None:
    """Without a scale-up link a group within a node uses the host, others the network."""
    layout = rank_map(job_of(16, domain=1), Plan(tp=8, dp=2))
    assert (layout.groups("tp").links(), layout.groups("dp").links()) == ({LINKS[2]: 2}, {LINKS[3]: 8})


@pytest.mark.parametrize(("plan", "message"), [(Plan(tp=8), "must be the 16 GPUs"), (Plan(tp=8, dp=2, ep=3), "must divide the 16 ranks")])
def test_a_plan_that_does_not_fill_the_world_is_refused(plan: Plan, message: str) -> None:
    """Degrees that do not multiply to the GPUs, or experts that do not fold over a stage, are refused."""
    with pytest.raises(FieldError, match=message):
        rank_map(job_of(16), plan)


@settings(max_examples=100, deadline=None)
@given(layouts(), st.sampled_from([1, 2, 5, 64]))
def test_blocks_equal_the_whole_world(layout: RankMap, block: int) -> None:
    """For any block size, rows, nodes left and links equal those computed at once, and no block exceeds its size."""
    for groups in layout.all_groups():
        with patch.object(rank_map_module, "BLOCK", block):
            rows: list[list[int]] = []
            parts = []
            for rows_or_parts in groups.rows():
                pieces = list(rows_or_parts) if isinstance(rows_or_parts, Iterator) else [rows_or_parts]
                parts += pieces
                rows += [np.concatenate(pieces).tolist()] if isinstance(rows_or_parts, Iterator) else rows_or_parts.tolist()
            numbers = list(groups.blocks())
            counted = groups.counts
        assert rows == groups.ranks.tolist()
        assert max(part.size for part in parts) <= block and max(map(len, numbers)) <= block
        assert np.concatenate(numbers).tolist() == list(range(len(groups)))
        assert counted[0] == groups.leaves_node.sum()
        assert counted[1].tolist() == np.bincount(groups.link, minlength=len(LINKS)).tolist()
