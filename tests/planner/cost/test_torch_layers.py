"""Layers of transformers' models in round figures by hand: 100 wide, 8 heads of 10 with 4 of keys, an MLP of 300, a vocabulary of 1,000."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from planner.cost import memory, torch_layers
from planner.dimensions import Bytes, Count, Number, Tokens
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import FIRST_AND_LAST, round_job

PLAN, ONE = Plan().column(), Count(1)
TOKENS = Tokens(30.0)
MATRICES = 100 * 80 + 2 * 100 * 40 + 80 * 100 + 3 * 100 * 300  # queries, keys and values, output, three of the MLP


def layers(*, model: Mapping[str, object] | None = None, stack: Mapping[str, object] | None = None, **changes: Any) -> Job:
    """The job of round figures on a stack with transformers' layers and eager kernels."""
    return round_job(model=model, stack={"transformers_layers": True} | dict(stack or {}), **{"kernels": "eager", **changes})


def at(value: Any) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def stored(job: Job) -> dict[str, float]:
    """Bytes per token of the terms that differ from fused kernels."""
    return {name: at(value)[0] for name, value in torch_layers.stored_terms(job, PLAN, ONE).items()}


def test_an_eager_layer_in_16_bits() -> None:
    """Two norms keep 4 + 2 bytes, each output is read once; queries and the keys and values repeated for 8 heads; gate and product."""
    assert stored(layers()) == {"norm_in": 1200, "linear_in": 400, "act_out": 1200, "qkv": 2 * 3 * 80}


def test_fused_kernels_keep_neither_copies_nor_repeated_keys() -> None:
    """Inputs of norms alone, no activated gate; queries of 80, keys and values of 40."""
    assert stored(layers(kernels="fused")) == {"norm_in": 400, "linear_in": 400, "act_out": 600, "qkv": 2 * (80 + 40 + 40)}


def test_autocast_casts_the_input_of_each_of_five_products() -> None:
    """The residual stream in 4 bytes and as much normalized; three products of attention, two of the MLP."""
    assert stored(layers(autocast=True)) | {"qkv": 0} == {"norm_in": 1600, "linear_in": 1000, "act_out": 1200, "qkv": 0}
    plain = {"norm": "layernorm", "gated": False, "kv_heads": 8}
    assert stored(layers(autocast=True, model=plain)) == {"norm_in": 800, "linear_in": 400, "act_out": 600, "qkv": 2 * 3 * 80}
    assert stored(layers(model=plain | {"parallel_block": True}))["linear_in"] == 200


def test_frozen_layers_keep_inputs_of_adapters_alone() -> None:
    """In fp32 for queries and values; norms keep an fp32 copy of their input, the MLP no input of its second product."""
    lora: dict[str, Any] = {"tuning": "lora", "lora_targets": "query-value"}
    assert stored(layers(**lora)) | {"qkv": 0} == {"norm_in": 800, "linear_in": 800, "act_out": 600, "qkv": 0}
    assert stored(layers(**lora, autocast=True))["linear_in"] == 400
    all_matrices = stored(layers(tuning="lora", lora_targets="all"))
    assert all_matrices["linear_in"] == 4 * (5 * 100 + 80 + 300)


def test_old_products_in_4_bits_save_their_inputs() -> None:
    """Those of both norms of 100 and of the MLP's second product of 300, in 16 bits."""
    qlora: dict[str, Any] = {"tuning": "qlora", "lora_targets": "query-value"}
    stack = {"tunings": ("full", "lora", "qlora")}
    new, old = (stored(layers(stack=stack | {"quantized_inputs": saved}, **qlora))["linear_in"] for saved in (False, True))
    assert (new, old - new) == (800, 2 * (200 + 300))


@pytest.mark.parametrize(("changes", "width"), [({}, 6), ({"kernels": "fused"}, 2), ({"tuning": "lora"}, 4)])
def test_norms_of_queries_and_keys_keep_copies(changes: Mapping[str, Any], width: int) -> None:
    """As norms do: fp32 and 16 bits of 80 queries and 40 keys, fp32 where they are frozen, the input alone where they are fused."""
    with_norms = stored(layers(model={"qk_norm": "head"}, **changes))["qkv"]
    assert with_norms - stored(layers(**changes))["qkv"] == width * 120


def test_latent_attention_is_that_of_fused_kernels() -> None:
    """Its queries, keys and values are counted where those of other layers are."""
    assert "qkv" not in stored(layers(model={"kv_rank": 10, "kv_heads": 8}))


def test_weights_are_cast_once_under_autocast() -> None:
    """Two bytes of each weight of a layer's matrices, in addition to its activations."""
    assert at(torch_layers.cast_weights(layers(autocast=True), PLAN)) == [2 * MATRICES]
    assert at(torch_layers.cast_weights(layers(), PLAN)) == [0]
    assert at(torch_layers.cast_activations(Bytes(5.0), Bytes(2.0))) == [7]


def test_checkpoints_are_as_wide_as_the_residual_stream() -> None:
    """30 tokens of 100 in 2 bytes, in 4 under autocast."""
    assert [at(memory.checkpoint_bytes(layers(autocast=on), PLAN, TOKENS)) for on in (False, True)] == [[6000], [12_000]]


def test_gradients_of_a_layer() -> None:
    """Two gradients of 300 in 16 bits, the residual stream and the second product's weights; for few tokens all the layer's weights less
    its activations; of frozen layers the third gradient of 300 in place of weights."""
    many, few = Bytes(1e9), Bytes(0.0)
    assert at(torch_layers.eager_gradients(layers(), PLAN, TOKENS, many)) == [30 * (1200 + 200) + 2 * 30_000]
    assert at(torch_layers.eager_gradients(layers(), PLAN, TOKENS, few)) == [2 * 2 * 3000 + 2 * MATRICES]
    assert at(torch_layers.eager_gradients(layers(autocast=True), PLAN, TOKENS, many)) == [30 * (1200 + 400) + 4 * 30_000]
    assert at(torch_layers.eager_gradients(layers(tuning="lora"), PLAN, TOKENS, many)) == [30 * (1800 + 200)]
    assert at(torch_layers.eager_gradients(layers(model={"gated": False}), PLAN, TOKENS, many)) == [30 * (600 + 200) + 2 * 30_000]


HEAD = 1000 * 100


def test_the_loss_and_the_heads_backward_pass() -> None:
    """Of the last of two stages: logits of 9e6 bytes with 8 bytes of norm and input for 30 x 100, and under autocast the head's cast."""
    logits, made = Bytes(9e6), Bytes(1.0)
    whole = at(torch_layers.head_live(layers(), Plan(pp=2).column(), FIRST_AND_LAST, TOKENS, logits, made))
    assert whole == [0, 9e6 + 8 * 3000]
    assert at(torch_layers.head_live(layers(autocast=True), PLAN, FIRST_AND_LAST, TOKENS, logits, made))[0] == 9e6 + 2 * HEAD + 10 * 3000
    assert at(torch_layers.head_live(layers(tuning="lora"), PLAN, FIRST_AND_LAST, TOKENS, Bytes(1.0), Bytes(4.0)))[0] == 4 + 4 * 3000
    fused = layers(loss_kernel="fused-linear")
    assert at(torch_layers.head_live(fused, PLAN, FIRST_AND_LAST, TOKENS, logits, made))[0] == 9e6 + 8 * HEAD + 8 * 3000


def test_gradients_of_the_head() -> None:
    """Gradients of the logits and of the head in 16 bits; under autocast its cast too, then 6 bytes of the head where that is more."""
    assert at(torch_layers.head_backward(layers(), PLAN, TOKENS)) == [2 * 30_000 + 2 * HEAD]
    assert at(torch_layers.head_backward(layers(autocast=True), PLAN, TOKENS)) == [6 * HEAD]
    assert at(torch_layers.head_backward(layers(autocast=True), PLAN, Tokens(300.0))) == [2 * 300_000 + 4 * HEAD]
    assert at(torch_layers.head_backward(layers(tuning="lora"), PLAN, TOKENS)) == [2 * 30_000]
    assert at(torch_layers.head_backward(layers(loss_kernel="fused-linear"), PLAN, TOKENS)) == [0]


def test_the_end_of_a_forward_pass_under_autocast() -> None:
    """Logits, their fp32 copy and its log-softmax, the head's cast, inputs of norm and head and the norm's output; casts of five layers."""
    job = layers(autocast=True)
    assert at(torch_layers.forward_logits(job, PLAN, FIRST_AND_LAST, TOKENS))[0] == 10 * 30_000 + 2 * HEAD + 14 * 3000
    assert set(at(torch_layers.forward_logits(layers(), PLAN, FIRST_AND_LAST, TOKENS))) == {0}
    assert at(torch_layers.forward_live(job, Bytes(8.0), Bytes(7.0), Number(5.0), Bytes(3.0))) == [22]
    assert at(torch_layers.forward_live(job, Bytes(80.0), Bytes(7.0), Number(5.0), Bytes(3.0))) == [80]
    assert at(torch_layers.forward_live(layers(autocast=True, tuning="lora"), Bytes(1.0), Bytes(7.0), Number(5.0), Bytes(3.0))) == [7]


def test_logits_by_the_kernel_of_the_loss() -> None:
    """12 bytes an entry, 2 in one kernel, an eighth of 12 in chunks; of head and loss in one kernel 4 bytes of each token's input."""
    stack = {"logits_bytes": 12.0, "fused_logits_bytes": 2.0, "loss_chunks": 8}
    widths = {"plain": 12, "fused": 2, "chunked": 1.5, "fused-linear": 0.4}
    for kernel, width in widths.items():
        job = layers(stack=stack, loss_kernel=kernel)
        assert at(memory.head_logits(job, PLAN, TOKENS)) == pytest.approx([30_000 * width])
