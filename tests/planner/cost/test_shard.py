"""What a plan leaves on one rank, against values computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.cost import shard
from planner.dimensions import Count, Number, Parameters, Stage
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, FIRST_AND_LAST, round_job

JOB = round_job()
MIXTURE = round_job(model=EXPERTS)
LATENT = {"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}


def test_a_batch_is_divided_over_replicas_and_micro_batches() -> None:
    """Narayanan et al. 2021, Section 3.1: m = B / (D b). 96 sequences, 4 replicas, 3 at a time: 96 / (4 · 3) = 8, whatever tp, cp and
    sharding are."""
    assert shard.micro_batches(JOB, Plan(tp=2, cp=5, dp=4, dp_shard=2, dp_replicate=2, micro_batch=3).column()) == [8.0]


def test_tokens_are_divided_by_context_parallelism_alone() -> None:
    """3 sequences of 50 tokens over 5 context-parallel ranks: 3 · 50 / 5 = 30."""
    assert shard.tokens(JOB, Plan(tp=2, cp=5, dp=4, micro_batch=3).column()) == [30.0]


@pytest.mark.parametrize(
    ("tp", "model", "expected"),
    [
        # queries and their output 2 · 100 · 80, keys and values 2 · 100 · 40, MLP 3 · 100 · 300, two norms of 100
        (1, {}, 16_000 + 8_000 + 90_000 + 200),
        (2, {}, 8_000 + 4_000 + 45_000 + 200),
        # 4 key-value heads on 8 ranks: each rank has one, 2 · 100 · 10
        (8, {}, 2_000 + 2_000 + 11_250 + 200),
        # 3 of them on 2 ranks: two on each
        (2, {"kv_heads": 3, "heads": 6}, 100 * 2 * 30 + 100 * 2 * 20 + 45_000 + 200),
        (2, {"gated": False}, 8_000 + 4_000 + 30_000 + 200),
        # biases of queries, keys and values (40 + 20 + 20) and of the MLP's middle (2 · 300 / 2) divided, of both outputs whole
        (2, {"bias": True}, 57_200 + 80 + 300 + 100 + 100),
        (2, {"bias": True, "gated": False}, 42_200 + 80 + 150 + 100 + 100),
        (2, {"qkv_bias": True}, 57_200 + 80),
        (2, {"norm": "layernorm", "norms_per_layer": 4}, 57_000 + 4 * 2 * 100),
        # DeepSeek-V2, Section 2.1: down 100 · (30 + 20 + 5) whole; up 30 · 8 · 15 and 20 · 8 · 16, out 48 · 100 halved; norms of latents
        (2, LATENT, 5_500 + 1_800 + 1_280 + 2_400 + 45_000 + 200 + 30 + 20),
    ],
)
def test_a_layers_matrices_are_divided_and_its_norms_whole(tp: int, model: dict[str, Any], expected: float) -> None:
    """Shoeybi et al. 2019, Section 3: matrices over tensor-parallel ranks, each with at least one key-value head."""
    assert shard.layer_weights(round_job(model=model), Plan(tp=tp, cp=5).column()) == pytest.approx([expected])


def test_a_sparse_layer_has_its_shared_experts_and_router_around_the_routed_ones() -> None:
    """Attention 8,000 + 4,000, shared experts 3 · 100 · 50 / 2, norms 200, and a router of 100 · 16 on every rank."""
    assert shard.around_weights(MIXTURE, Plan(tp=2).column()) == pytest.approx([12_000 + 7_500 + 200 + 1_600])
    gate = round_job(model=EXPERTS | {"shared_gate": True})  # Qwen2-MoE: one column more of the router
    assert shard.around_weights(gate, Plan(tp=2).column()) == pytest.approx([12_000 + 7_500 + 200 + 1_700])


def test_routed_experts_are_divided_by_both_expert_degrees() -> None:
    """16 experts of 3 · 100 · 60 weights over EP 4 and ETP 2: 4 · 18,000 / 2 = 36,000, whatever tp is; biases 2 · 60 + 100 more each."""
    plan = Plan(tp=2, dp=4, ep=4, etp=2).column()
    assert shard.expert_weights(MIXTURE, plan) == pytest.approx([36_000])
    assert shard.expert_weights(round_job(model=EXPERTS | {"bias": True}), plan) == pytest.approx([4 * 18_220 / 2])
    assert shard.expert_weights(round_job(model=EXPERTS | {"gated": False}), plan) == pytest.approx([4 * 12_000 / 2])


@pytest.mark.parametrize(("multiple", "tp", "expected"), [(1, 1, 1000), (1, 3, 1002), (128, 2, 1024), (128, 8, 1024), (128, 3, 1152)])
def test_the_vocabulary_is_padded_to_a_multiple_for_every_rank(multiple: int, tp: int, expected: int) -> None:
    """Megatron-LM pads to 128 x tp: 1,000 entries on 3 ranks to 3 · 384 = 1,152."""
    assert shard.padded_vocab(round_job(stack={"vocab_multiple": multiple}), Plan(tp=tp).column()) == [expected]


def test_the_embedding_is_divided_and_its_positions_are_whole() -> None:
    """1,024 · 100 / 2 = 51,200; 64 learned positions of 100, and a LayerNorm's 2 · 100, on every rank."""
    plan = Plan(tp=2, cp=5).column()
    padded = {"vocab_multiple": 128}
    learned = {"positions": "learned", "max_positions": 64, "embedding_norm": True, "norm": "layernorm"}
    assert shard.embedding_weights(round_job(stack=padded), plan) == pytest.approx([51_200])
    assert shard.embedding_weights(round_job(stack=padded, model=learned), plan) == pytest.approx([51_200 + 6_400 + 200])


@pytest.mark.parametrize(
    ("tied", "pp", "schedule", "expected"),
    [(False, 1, 0, 50_000), (True, 1, 0, 0), (True, 2, 0, 50_000), (True, 2, 3, 0), (False, 2, 3, 50_000)],
)
def test_a_tied_head_is_a_copy_on_another_stage_alone(tied: bool, pp: int, schedule: int, expected: float) -> None:
    """1,000 · 100 / 2 parameters; tied none on the rank of the embedding (no pipeline, or stages in a V), else a copy."""
    plan = Plan(tp=2, pp=pp, vpp=2, schedule=schedule).column()
    assert shard.head_weights(round_job(model={"tied": tied}), plan) == pytest.approx([expected])


def test_a_stage_holds_its_layers_and_the_edges_their_ends() -> None:
    """Three layers of 10, the embedding's 1,000 on the first of three stages, the head's 500 on the last; all on the only one."""
    sizes = Parameters(10.0), Parameters(1000.0), Parameters(500.0)
    three = Plan(pp=3).column()
    held = [shard.stage_weights(three, Stage(i), Number(3.0), *sizes)[0] for i in range(3)]
    assert held == [3 * 10 + 1000, 3 * 10, 3 * 10 + 500]
    assert shard.stage_weights(Plan().column(), Stage(0), Number(3.0), *sizes) == [3 * 10 + 1000 + 500]


def test_a_stage_of_both_kinds_holds_prediction_with_the_head() -> None:
    """A dense layer of 10 and two sparse ones of 7 without experts. At the head 500, and for each layer of multi-token prediction
    2 · 100² + 3 · 100 (DeepSeek-V3, Section 2.2), and a second embedding where the first is on another rank."""
    counts = Number(1.0), Number(2.0)
    sizes = Parameters(10.0), Parameters(7.0), Parameters(1000.0), Parameters(500.0)
    two, one = Plan(pp=2).column(), Plan().column()
    plain = shard.mixed_weights(MIXTURE, two, FIRST_AND_LAST, *counts, *sizes)
    assert plain[:, 0].tolist() == [24 + 1000, 24 + 500]
    predicting = round_job(model=EXPERTS | {"mtp_layers": 2})
    ahead = shard.mixed_weights(predicting, two, FIRST_AND_LAST, *counts, *sizes)
    assert ahead[:, 0].tolist() == [24 + 1000, 24 + 500 + 2 * 20_300 + 1000]
    assert shard.mixed_weights(predicting, one, Stage(0), *counts, *sizes) == [24 + 1000 + 500 + 2 * 20_300]


def test_the_routed_experts_of_a_stage_are_those_of_its_sparse_layers() -> None:
    """Two sparse layers of 36,000: 72,000."""
    assert shard.stage_experts(Number(2.0), Parameters(36_000.0)) == 72_000


def test_the_heaviest_stage_decides() -> None:
    """Of 5, 9 and 7 parameters on three stages, 9: of all weights, and of routed experts."""
    stages = Parameters(np.array([[5.0], [9.0], [7.0]]))
    assert shard.heaviest_weights(stages).tolist() == shard.heaviest_experts(stages).tolist() == [9.0]


def test_sharded_states_are_divided_over_the_groups_of_the_same_parameters() -> None:
    """Dense ones over D_s · c = 4 · 5 ranks, whatever tp and the replicas; experts over what is left of t · c · D_s = 2 · 5 · 4 when EP 8
    and ETP 1, or EP 4 and ETP 2, divide them: 40 / 8 = 5."""
    plan = Plan(tp=2, cp=5, dp=8, dp_shard=4, dp_replicate=2, ep=8)
    assert shard.shard_size(plan.column()) == [20]
    assert shard.expert_shard_size(plan.column()) == [5]
    assert shard.expert_shard_size(plan.with_(ep=4, etp=2).column()) == [5]
    assert shard.expert_shard_size(plan.with_(tp=4).column()) == [10]


def test_the_degrees_of_columns_are_taken_row_by_row() -> None:
    """Of two plans each has its own: 96 / (4 · 1) and 96 / (8 · 2) micro-batches."""
    plans = Plan(dp=Count(np.array([4, 8])), micro_batch=Count(np.array([1, 2])))
    assert shard.micro_batches(JOB, plans).tolist() == [24.0, 6.0]
