"""Where ranks lie: groups partition the world in Megatron-LM's order, and each is told which links it needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import FieldError
from planner.layout import rank_map as rankmap
from planner.layout.rank_map import ATTENTION, EXPERTS, KINDS, LINKS, NETWORK, SCALE_UP, SINGLE, RankMap, rank_map
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.jobs import example

DEGREE = st.sampled_from([1, 2, 3, 4])


def job_of(gpus: int, per_node: int = 8, domain: int = 8) -> Job:
    """A job on so many GPUs, whatever its nodes."""
    job = example(model="mixtral-8x7b", gpus=16)
    return replace(job, cluster=replace(job.cluster, gpus=gpus, gpus_per_node=per_node, link_domain=domain))


@st.composite
def layouts(draw: st.DrawFn) -> RankMap:
    """Plans whose experts fold over the ranks of a stage, on nodes and domains of any size."""
    tp, cp, dp, pp = (draw(DEGREE) for _ in range(4))
    held = tp * cp * dp
    ep = draw(st.sampled_from([n for n in range(1, held + 1) if held % n == 0]))
    etp = draw(st.sampled_from([n for n in range(1, held // ep + 1) if held // ep % n == 0]))
    per_node, domain = draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from([1, 2, 4, 8, 72]))
    return rank_map(job_of(held * pp, per_node, domain), Plan(tp=tp, cp=cp, dp=dp, pp=pp, ep=ep, etp=etp))


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_groups_of_a_kind_partition_the_world(layout: RankMap) -> None:
    """Each rank is in exactly one group of every kind, and every group has as many ranks as the degree says."""
    for groups in layout.all_groups():
        assert groups.size == layout.degrees[groups.kind]
        assert sorted(groups.ranks.ravel().tolist()) == list(range(layout.world))


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_a_group_differs_on_its_own_axis_alone(layout: RankMap) -> None:
    """The ranks of a group stand at every place of its axis in turn, and at one place of the others that share its numbering."""
    for groups in layout.all_groups():
        at = layout.coordinates(groups.ranks)
        assert (at[groups.kind] == np.arange(groups.size)).all()
        for other in ATTENTION if groups.kind in ATTENTION else EXPERTS:
            assert other == groups.kind or (at[other] == at[other][:, :1]).all()


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_tensor_parallel_ranks_follow_each_other(layout: RankMap) -> None:
    """The ranks of a tp group, and of an etp group, are consecutive."""
    for kind in ("tp", "etp"):
        ranks = layout.groups(kind).ranks
        assert (np.diff(ranks, axis=1) == 1).all()


@settings(max_examples=150, deadline=None)
@given(layouts())
def test_experts_stay_within_a_pipeline_stage(layout: RankMap) -> None:
    """No group but those of the pipeline crosses from one stage to another, nor does ep x etp; a pipeline visits each stage once."""
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
def test_links_and_nodes_are_those_of_the_ranks(layout: RankMap) -> None:
    """A group leaves a node exactly if its ranks are on several, and uses the network exactly if it leaves node and domain too."""
    for groups in layout.all_groups():
        for ranks, leaves, link in zip(groups.ranks.tolist(), groups.leaves_node, groups.link, strict=True):
            nodes, domains = ({rank // size for rank in ranks} for size in (layout.per_node, layout.job.cluster.link_domain))
            assert leaves == (len(nodes) > 1)
            assert (link == SINGLE) == (len(ranks) == 1)
            assert (link == SCALE_UP) == (len(domains) == 1 and len(ranks) > 1)
            assert (link == NETWORK) == (len(domains) > 1 and len(nodes) > 1)
        assert sum(groups.links().values()) == len(groups)


def test_the_order_is_that_of_megatron() -> None:
    """Sixteen ranks with tp 2, cp 2, dp 2, pp 2 and ep 2, etp 1: the groups worked out by hand."""
    layout = rank_map(job_of(16), Plan(tp=2, cp=2, dp=2, pp=2, ep=2, etp=1))
    expected = {
        "tp": [0, 1], "cp": [0, 2], "dp": [0, 4], "ep": [0, 1], "etp": [0], "expert-dp": [0, 2, 4, 6], "pp": [0, 8],
    }  # fmt: skip
    assert {kind: layout.groups(kind).ranks[0].tolist() for kind in KINDS} == expected
    assert layout.groups("dp").ranks.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7], [8, 12], [9, 13], [10, 14], [11, 15]]


def test_a_rack_wide_domain_is_one_link_over_many_nodes() -> None:
    """On nodes of 4 in a domain of 72, a group of 8 leaves its node and still uses the scale-up link."""
    groups = rank_map(job_of(72, per_node=4, domain=72), Plan(tp=8, dp=9)).groups("tp")
    assert groups.leaves_node.any()
    assert groups.links() == {"scale-up": 9}


def test_cards_without_a_link_of_their_own_meet_through_the_host() -> None:
    """On a node of 8 whose GPUs share no scale-up link, a group within the node goes through the host, others over the network."""
    layout = rank_map(job_of(16, domain=1), Plan(tp=8, dp=2))
    assert (layout.groups("tp").links(), layout.groups("dp").links()) == ({LINKS[2]: 2}, {LINKS[3]: 8})


@pytest.mark.parametrize(("plan", "said"), [(Plan(tp=8), "must be the 16 GPUs"), (Plan(tp=8, dp=2, ep=3), "must divide the 16 ranks")])
def test_a_plan_that_does_not_fill_the_world_is_refused(plan: Plan, said: str) -> None:
    """Degrees that do not multiply to the GPUs, or experts that do not fold over a stage, are a sentence."""
    with pytest.raises(FieldError, match=said):
        rank_map(job_of(16), plan)


@settings(max_examples=100, deadline=None)
@given(layouts(), st.sampled_from([1, 2, 5, 64]))
def test_groups_in_blocks_are_those_of_the_whole_world(layout: RankMap, block: int) -> None:
    """Whatever a block holds, rows, nodes left and links are those worked out at once, and no block is larger than it may be."""
    for groups in layout.all_groups():
        with patch.object(rankmap, "BLOCK", block):
            rows: list[list[int]] = []
            parts = []
            for some in groups.rows():
                pieces = list(some) if isinstance(some, Iterator) else [some]
                parts += pieces
                rows += [np.concatenate(pieces).tolist()] if isinstance(some, Iterator) else some.tolist()
            numbers = list(groups.blocks())
            counted = groups.counts
        assert rows == groups.ranks.tolist()
        assert max(part.size for part in parts) <= block and max(map(len, numbers)) <= block
        assert np.concatenate(numbers).tolist() == list(range(len(groups)))
        assert counted[0] == groups.leaves_node.sum()
        assert counted[1].tolist() == np.bincount(groups.link, minlength=len(LINKS)).tolist()
