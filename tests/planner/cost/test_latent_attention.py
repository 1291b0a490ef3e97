"""Latent attention by hand: activations, parameters, products."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.cost import compute, memory
from planner.dimensions import Count, Tokens
from planner.specs import parameters
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.planner.jobs import bare, small

TOKENS = 4096.0

TINY = Model("tiny", layers=2, hidden=64, heads=4, kv_heads=4, head_dim=16, ffn=128, vocab=1000, max_positions=4096,
             kv_rank=32, q_rank=48, rope_dim=8, v_dim=12)  # fmt: skip


@pytest.mark.parametrize("tp", [1, 2])
def test_latent_attention_keeps_its_latents_and_the_heads_drawn_out_of_them(tp: int) -> None:
    """A token keeps latents of queries (48), of keys and values (32) before and behind their norms, and shared positions (8); then of
    each head its query (24), key with positions copied in (24), key and value as drawn (16 + 12), and output (12): 2 bytes each."""
    job = bare(replace(small(), model=TINY))
    terms = memory.activation_terms(job, Plan(tp=tp, sequence_parallel=int(tp > 1)).column())
    assert terms["latent"] == pytest.approx(2 * (2 * 48 + 2 * 32 + 8) / tp)
    assert terms["qkv"] == pytest.approx(2 * (24 + 24 + 16 + 12) * 4 / tp)
    assert terms["attention_out"] == pytest.approx(2 * 12 * 4 / tp)


def test_latent_attention_has_the_parameters_of_its_projections() -> None:
    """Down to 48 and to 32 + 8, up to queries of 24, keys of 16 and values of 12 a head, out of 12 a head; tp leaves the first whole."""
    down, up, out = 64 * 48 + 64 * (32 + 8), 48 * 4 * 24 + 32 * 4 * (16 + 12), 4 * 12 * 64
    assert parameters.attention_matrices(TINY) == down + up + out
    rest = 3 * 64 * 128
    vectors = 2 * 64 + 48 + 32
    assert parameters.layer_parameters(TINY) == down + up + out + rest + vectors
    assert parameters.layer_parameters_per_rank(TINY, Count(2)) == down + (up + out + rest) / 2 + vectors


def test_products_and_squares_of_latent_attention() -> None:
    """A token's products are 2 FLOPs a weight; scores take 24 and values 12 of a head's width."""
    job, plan = replace(small(), model=TINY), Plan()
    shapes = compute.linear_shapes(job, plan, Tokens(TOKENS))
    assert sum(m * n * k for m, n, k in (*shapes["qkv"], *shapes["projection"])) == TOKENS * parameters.attention_matrices(TINY)
    flops = compute.attention_flops(job, plan, Tokens(TOKENS))
    assert flops == pytest.approx(2 * TOKENS * job.sequence / 2 * 4 * (24 + 12))
