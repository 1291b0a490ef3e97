"""Memory formulas against the papers they come from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from planner.cost import layer_cost as layercosts
from planner.cost import memory
from planner.cost import pipeline_split as split
from planner.cost import stage_cost as stagecosts
from planner.cost.evaluate import evaluate, stages
from planner.cost.records import LayerCost
from planner.dimensions import Bytes, Number, Parameters, Stage, Tokens
from planner.specs.job import Job
from planner.specs.plan import Plan
from tests.planner.cost.hand_worked import EXPERTS, FIRST_AND_LAST, round_job
from tests.planner.jobs import bare, example, korthikanti, small

MODELS = [("gpt-22b", 8, 4, 1, 4), ("gpt3-175b", 64, 64, 8, 1), ("mt-nlg-530b", 280, 280, 35, 1), ("gpt-1t", 512, 512, 64, 1)]
ids = [m[0] for m in MODELS]


def layer(job: Job, plan: Plan) -> LayerCost:
    return layercosts.layer_cost(job, plan.column())


@pytest.mark.parametrize(("model", "gpus", "batch", "pp", "b"), MODELS, ids=ids)
def test_a_layer_keeps_what_korthikanti_2022_derives(model: str, gpus: int, batch: int, pp: int, b: int) -> None:
    """Activations of a layer are s b h (10 + 24/t + 5 a s/(h t)) with tensor parallelism (Eq. 2), s b h/t (34 + 5 a s/h) with
    sequence parallelism too (Eq. 4), 34 s b h/t under selective (Eq. 6) and 2 s b h/t under full recompute."""
    job = bare(korthikanti(model, gpus, batch))
    s, h, a, t = job.sequence, job.model.hidden, job.model.heads, 8
    tensor = layer(job, Plan(tp=t, pp=pp, micro_batch=b))
    both = layer(job, Plan(tp=t, pp=pp, micro_batch=b, sequence_parallel=1))
    assert tensor.layer_activations[0] == pytest.approx(s * b * h * (10 + 24 / t + 5 * a * s / (h * t)))
    assert both.layer_activations[0] == pytest.approx(s * b * h / t * (34 + 5 * a * s / h))
    assert both.selective_activations[0] == pytest.approx(34 * s * b * h / t)
    assert both.checkpoint_bytes[0] == pytest.approx(2 * s * b * h / t)


@pytest.mark.parametrize(("model", "gpus", "batch", "pp", "b", "vpp"), [*((*m, 1) for m in MODELS), (*MODELS[1], 3), (*MODELS[2], 3)])
def test_the_first_stage_holds_a_model_of_layers_and_more_when_interleaved(
    model: str, gpus: int, batch: int, pp: int, b: int, vpp: int
) -> None:
    """The first stage holds s b h L/t (34 + 5 a s/h) (Eq. 5), times 1 + (p - 1)/(p v) when interleaved (Section 4.2.3)."""
    job = bare(korthikanti(model, gpus, batch))
    plan = Plan(tp=8, pp=pp, vpp=vpp, micro_batch=b, sequence_parallel=1).column()
    held = stagecosts.activations(job, plan, stagecosts.edge_cost(job, plan))[0, 0]
    s, h, a, t = job.sequence, job.model.hidden, job.model.heads, 8
    factor = 1 + (pp - 1) / (pp * vpp) if vpp > 1 else 1
    masks = s * b * h / t * (pp * factor)  # dropout masks of the embedding, one byte each
    assert held == pytest.approx(s * b * h * job.model.layers / t * (34 + 5 * a * s / h) * factor + masks)


@pytest.mark.parametrize(("optimizer", "states"), [("adamw", 12), ("lion", 8), ("sgd", 8), ("sgd-plain", 4)])
@pytest.mark.parametrize("gradient", [2, 4])
def test_states_take_the_bytes_of_transformer_math_101(optimizer: str, states: int, gradient: int) -> None:
    """Weights take 2 bytes, gradients 2 or 4, AdamW 4+4+4, Lion and SGD with momentum 4+4 bytes a parameter."""
    job = small(optimizer=optimizer, gradient_bytes=str(gradient), gpus=1, gpus_per_node=1, global_batch=1)
    parts = evaluate(job, Plan(dp=1)).memory_parts.named()
    parameters = job.model.published_parameters
    assert parts["parameters"][0] == pytest.approx(2 * parameters, rel=1e-4)
    assert parts["gradients"][0] == pytest.approx(gradient * parameters, rel=1e-4)
    assert parts["optimizer"][0] == pytest.approx(states * parameters, rel=1e-4)


def test_zero_divides_the_states_of_its_stage() -> None:
    """ZeRO-1 divides optimizer states by the group, ZeRO-2 gradients too, ZeRO-3 weights too (Rajbhandari et al., Figure 1)."""
    job = small()
    whole, *sharded = (evaluate(job, Plan(dp=16, dp_shard=16 if z else 1, zero=z)).memory_parts.named() for z in range(4))
    for stage, parts in enumerate(sharded, 1):
        for least, name in ((1, "optimizer"), (2, "gradients"), (3, "parameters")):
            share = 16 if stage >= least else 1
            assert parts[name][0] == pytest.approx(whole[name][0] / share), (stage, name)


def test_offloaded_states_leave_the_device_for_the_host() -> None:
    """Offloading moves the states of a node's GPUs into host memory, with 4 bytes of gradients for 12, and stores none on the device."""
    resident, moved = (evaluate(small(offload_optimizer=o), Plan(tp=2, dp=8)) for o in (False, True))
    assert moved.memory_parts.optimizer[0] == 0
    assert moved.host[0] == pytest.approx(8 * resident.memory_parts.optimizer[0] * (12 + 4) / 12)
    assert resident.host[0] == 0


def test_a_pipeline_holds_fewer_micro_batches_towards_its_end() -> None:
    """In-flight micro-batches fall by one a stage under 1F1B and never exceed the micro-batches there are."""
    rows = stages(example(), Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    assert [row.in_flight for row in rows] == [float(n) for n in range(16, 0, -1)]
    few = stages(example(global_batch=512), Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    assert max(row.in_flight for row in few) == 4


def test_llama_3_splits_its_126_layers_over_16_stages() -> None:
    """Embedding and head count as a layer each: 7 layers on the first and the last of 16 stages, 8 on the others (Llama 3, 3.3.2)."""
    rows = stages(example(), Plan(tp=8, pp=16, dp=128, dp_shard=128, zero=1, sequence_parallel=1))
    assert [row.layers for row in rows] == [7, *[8] * 14, 7]


def test_the_logits_of_a_wide_vocabulary_stand_on_the_last_stage() -> None:
    """Logits take lambda bytes per token and padded vocabulary entry, over tp, on the last stage alone, next to both sides of its norm."""
    job = small()
    rows = stages(job, Plan(tp=2, pp=4, dp=2))
    assert [row.parts.logits > 0 for row in rows] == [False, False, False, True]
    assert rows[-1].parts.logits == pytest.approx(6 * 4096 * 128256 / 2 + 4 * 4096 * job.model.hidden)


def test_nanotron_splits_layers_by_their_work_and_counts_the_head() -> None:
    """With a head worth four layers, 16 layers on 8 stages lie 3, 2, 3, 2, 3, 2, 1 and none: each stage ends where its share is reached."""
    job = small(stack="nanotron")
    job = replace(job, model=replace(job.model, layers=16, hidden=2048, heads=32, kv_heads=32, head_dim=64, ffn=8192, vocab=131072))
    stage = Stage(np.arange(8)[:, None])
    assert split.stage_layers(job, Plan(pp=8, dp=2).column(), stage)[:, 0].tolist() == [3, 2, 3, 2, 3, 2, 1, 0]


def test_what_a_stack_does_not_fuse_it_keeps() -> None:
    """An unfused SwiGLU keeps 2 f more a token, xformers' 2 f less, an unfused norm its bytes a hidden unit, fp8 half of the inputs."""
    job, plan = bare(small()), Plan(dp=16)
    model, tokens = job.model, job.sequence

    def activations_of(precision: str = "bf16", **traits: Any) -> float:
        return float(layer(replace(job, precision=precision, stack=replace(job.stack, **traits)), plan).layer_activations[0])

    plain = activations_of(narrow_kept=False)
    assert activations_of(gate_kept=1.0) - plain == pytest.approx(2 * model.ffn * tokens)
    assert plain - activations_of(narrow_kept=False, act_out_stored=False) == pytest.approx(2 * model.ffn * tokens)
    assert activations_of(norm_kept=3.0) - plain == pytest.approx(2 * 3 * model.hidden * tokens)
    assert plain - activations_of("fp8", narrow_kept=True) == pytest.approx((2 * model.hidden + model.ffn) * tokens)
    assert activations_of("fp8", narrow_kept=False) == plain


def test_inputs_that_stay_gathered_wait_for_the_communication_stream() -> None:
    """All but two micro-batches' in flight, or one without a pipeline where that waits; none where not gathered or recomputed."""
    job = bare(small())
    keeps = replace(job, stack=replace(job.stack, gathered_kept=2.0))
    unit = 4 * job.sequence * job.model.hidden

    waits = replace(keeps, stack=replace(keeps.stack, gathered_in_pipeline=False))
    alone, deep = Plan(tp=2, dp=8, sequence_parallel=1), Plan(tp=2, pp=4, dp=2, sequence_parallel=1)

    def extra(plan: Plan, job_with: Job = keeps) -> float:
        held = [stagecosts.activations(j, plan.column(), stagecosts.edge_cost(j, plan.column()))[0, 0] for j in (job_with, job)]
        return float(held[0] - held[1])

    assert extra(deep) == pytest.approx(2 * unit * 8)
    assert extra(alone, waits) == pytest.approx(unit * 32)
    assert extra(alone) == extra(deep, waits) == extra(Plan(tp=2, pp=4, dp=2)) == extra(replace(deep, recompute=2)) == 0


def test_gathered_logits_are_not_divided_over_tensor_parallel_ranks() -> None:
    """Where a stack gathers logits before its loss, every tensor parallel rank holds all of them."""
    job = small()
    whole, plan = replace(job, stack=replace(job.stack, logits_whole=True)), Plan(tp=4, dp=4).column()
    shared, gathered = (memory.head_logits(j, plan, Tokens(4096.0))[0] for j in (job, whole))
    assert gathered == pytest.approx(4 * shared)


# Values computed by hand from round figures: h 100, 8 heads of 10, 4 key-value heads, f 300, V 1,000, s 50.
ROUND = round_job()
SIZES = Parameters(10.0), Parameters(1000.0), Parameters(500.0)  # of a layer, the embedding, the head


def at(value: Any) -> list[float]:
    """The values of a column, or of stages, as plain numbers."""
    return [float(x) for x in np.asarray(value, float).reshape(-1)]


def term_of(job: Job, plan: Plan) -> dict[str, float]:
    """Bytes per token of each activation."""
    return {name: float(np.asarray(value).max()) for name, value in memory.activation_terms(job, plan.column()).items()}


def test_every_activation_of_a_layer_is_counted_in_bytes() -> None:
    """Two 16-bit norms, two inputs of 100; queries 80 and keys and values 2 · 40; the log-sum-exp of 8 heads in fp32; attention's output
    80; both halves of the gated middle 300, and their product."""
    assert term_of(ROUND, Plan()) == {
        "norm_in": 2 * 2 * 100, "linear_in": 2 * 2 * 100, "qkv": 2 * (80 + 2 * 40), "scores": 4 * 8, "attention_out": 2 * 80,
        "dropout_masks": 0, "mlp_hidden": 2 * 2 * 300, "act_out": 2 * 300,
    }  # fmt: skip
    # tensor parallelism alone leaves norms and inputs whole; with sequence parallelism they are divided as well
    halves = {"qkv": 160.0, "scores": 16.0, "attention_out": 80.0, "mlp_hidden": 600.0, "act_out": 300.0, "dropout_masks": 0.0}
    assert term_of(ROUND, Plan(tp=2)) == halves | {"norm_in": 400, "linear_in": 400}
    assert term_of(ROUND, Plan(tp=2, sequence_parallel=1)) == halves | {"norm_in": 200, "linear_in": 200}


@pytest.mark.parametrize(
    ("model", "changes", "name", "expected"),
    [
        # 4 key-value heads on 8 ranks: one each, of 10: 2 · (10 + 2 · 10)
        ({}, {"tp": 8}, "qkv", 60),
        # norms of queries and keys keep both once more: 2 · (40 + 2 · 20) + 2 · (40 + 20)
        ({"qk_norm": "head"}, {"tp": 2}, "qkv", 280),
        ({"parallel_block": True}, {}, "norm_in", 2 * 100),
        ({"norms_per_layer": 4}, {}, "norm_in", 2 * 4 * 100),
        ({"norms_per_layer": 1}, {}, "linear_in", 2 * 100),
        ({"dropout": True}, {}, "dropout_masks", 2 * 100),
        ({"dropout": True}, {"tp": 2, "sequence_parallel": 1}, "dropout_masks", 2 * 50),
        ({"gated": False}, {}, "mlp_hidden", 2 * 300),
        # DeepSeek-V2's latents before and behind their norms, 2 · (2 · 30 + 2 · 20 + 5); keys and queries of 15, keys of 10, values of 6
        ({"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}, {"tp": 2}, "latent", 210),
        ({"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}, {"tp": 2, "sequence_parallel": 1}, "latent", 105),
        ({"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}, {"tp": 2}, "qkv", 2 * 4 * (15 + 15 + 10 + 6)),
        ({"kv_rank": 20, "q_rank": 30, "rope_dim": 5, "v_dim": 6}, {"tp": 2}, "attention_out", 2 * 4 * 6),
    ],
)
def test_an_activation_of_another_architecture(model: dict[str, Any], changes: dict[str, int], name: str, expected: float) -> None:
    """Terms that differ between architectures, by hand."""
    assert term_of(round_job(model=model), Plan(**changes))[name] == pytest.approx(expected)


def test_unfused_attention_keeps_its_scores() -> None:
    """Korthikanti et al. 2022, Section 4.1 (from memory): 5 a s bytes per token with dropout (softmax 2, mask 1, output 2), else 2 a s."""
    assert term_of(round_job(attention="unfused"), Plan(tp=2))["scores"] == 2 * 4 * 50
    assert term_of(round_job(attention="fused-softmax", model={"dropout": True}), Plan(tp=2))["scores"] == 5 * 4 * 50


def test_narrow_inputs_take_a_byte() -> None:
    """With fp8 the inputs of matrix products take 1 byte where the stack keeps them so, 2 · 100 and 300; in 4 bits 9/16."""
    four = term_of(round_job(precision="fp4", gpu={"flops_fp4": 4e9}, stack={"narrow_kept": True}), Plan())
    assert (four["linear_in"], four["act_out"]) == (200 * 0.5625, 300 * 0.5625)
    narrow = term_of(round_job(precision="fp8", stack={"narrow_kept": True}), Plan())
    wide = term_of(round_job(precision="fp8"), Plan())
    assert (narrow["linear_in"], narrow["act_out"], wide["linear_in"], wide["act_out"]) == (200, 300, 400, 600)


def test_adapters_keep_their_inner_width() -> None:
    """Rank 16 on four matrices of attention: 2 · 16 · 4; the frozen MLP keeps no input."""
    terms = term_of(round_job(tuning="lora", lora_rank=16), Plan())
    assert (terms["adapters"], terms["act_out"], terms["linear_in"]) == (128, 0, 200)


def test_a_layers_activations_are_its_terms_for_every_token() -> None:
    """30 tokens of 400 + 400 + 320 + 32 + 160 + 1,200 + 600 = 3,112 bytes; selective recompute drops the 32 and half of the first 400."""
    plan, tokens = Plan().column(), Tokens(30.0)
    assert at(memory.layer_activations(ROUND, plan, tokens)) == [30 * 3_112]
    assert at(memory.selective_activations(ROUND, plan, tokens)) == [30 * (3_112 - 32 - 200)]


def test_a_recomputed_layer_keeps_its_input() -> None:
    """Korthikanti et al. 2022, Section 5: 2 s b h, divided under sequence parallelism: 2 · 30 · 100 / 2."""
    assert at(memory.checkpoint_bytes(ROUND, Plan(tp=2).column(), Tokens(30.0))) == [6_000]
    assert at(memory.checkpoint_bytes(ROUND, Plan(tp=2, sequence_parallel=1).column(), Tokens(30.0))) == [3_000]


@pytest.mark.parametrize(
    ("plan", "in_pipeline", "in_flight", "expected"),
    [
        (Plan(tp=2, pp=4, sequence_parallel=1), True, 5.0, 3 * 2 * 3 * 30 * 100),
        (Plan(tp=2, pp=4, sequence_parallel=1), True, 1.0, 0),
        (Plan(tp=2, pp=4), True, 5.0, 0),
        (Plan(pp=4, sequence_parallel=1), True, 5.0, 0),
        (Plan(tp=2, sequence_parallel=1), False, 5.0, 2 * 3 * 30 * 100),
        (Plan(tp=2, pp=4, sequence_parallel=1), False, 5.0, 0),
    ],
)
def test_gathered_inputs_of_all_but_two_micro_batches_wait(plan: Plan, in_pipeline: bool, in_flight: float, expected: float) -> None:
    """Three copies of 2 · 30 · 100 bytes for each of 5 - 2 micro-batches in flight; or for one, without a pipeline."""
    job = round_job(stack={"gathered_kept": 3.0, "gathered_in_pipeline": in_pipeline})
    assert at(memory.gathered_inputs(job, plan.column(), Tokens(30.0), Number(in_flight))) == [expected]
    assert memory.gathered_inputs(ROUND, plan.column(), Tokens(30.0), Number(in_flight)) == 0


def test_activations_in_flight_are_those_of_every_layer_and_micro_batch() -> None:
    """Korthikanti et al. 2022, Section 4.2.3. Five layers, two of them recomputed: 3 · 100 + 2 · 10 a micro-batch; three in flight, half as
    much again than theory, with masks of 8; and 7 for each of three layers not recomputed."""
    held = memory.held_bytes(ROUND, Number(5.0), Number(2.0), Bytes(100.0), Bytes(10.0))
    assert held == 3 * 100 + 2 * 10
    job = round_job(stack={"activation_overhead": 1.5})
    whole = memory.activation_bytes(job, Number(5.0), Number(2.0), Number(3.0), held, Bytes(8.0), Bytes(7.0), Number(1.0))
    assert whole == 1.5 * 3 * (320 + 8) + 3 * 7


def test_the_embedding_keeps_dropout_masks_on_the_first_stage() -> None:
    """Korthikanti et al. 2022, Section 4.3: a byte where the checkpoint has two: 100 / 2."""
    job = round_job(model={"dropout": True})
    assert at(memory.embedding_masks(job, FIRST_AND_LAST, Bytes(100.0))) == [50, 0]
    assert at(memory.embedding_masks(ROUND, FIRST_AND_LAST, Bytes(100.0))) == [0]


@pytest.mark.parametrize(("recompute", "stored", "working"), [(0, 100, 5), (1, 60, 5 + 40), (2, 100, 5 + 100), (3, 100, 5)])
def test_recomputed_activations_are_needed_again(recompute: int, stored: float, working: float) -> None:
    """100 bytes of a layer, 60 under selective recompute; the layer at hand needs its gradients, 5, and what it recomputes; where the first
    layers alone are recomputed, a later one is freed by then."""
    plan, sizes = Plan(recompute=recompute).column(), (Bytes(100.0), Bytes(60.0))
    assert at(memory.kept_activations(plan, *sizes)) == [stored]
    assert at(memory.layer_working(plan, Bytes(5.0), *sizes)) == [working]


def test_the_layer_at_hand_has_gradients_of_its_middle_and_two_hidden_states() -> None:
    """2 · 30 · (3 · 300 / 2 + 2 · 100) = 39,000 with a gated MLP, 2 · 30 · (2 · 300 / 2 + 2 · 100) = 30,000 without."""
    plan, tokens = Plan(tp=2, sequence_parallel=1).column(), Tokens(30.0)
    assert at(memory.layer_gradients(ROUND, plan, tokens)) == [39_000]
    assert at(memory.layer_gradients(round_job(model={"gated": False}), plan, tokens)) == [30_000]


def test_logits_take_six_bytes_an_entry_at_the_head() -> None:
    """6 · 30 · 1,000 / 2 on the last stage; twice that with a token predicted ahead, or where they are gathered; the vocabulary padded."""
    plan, tokens = Plan(tp=2, pp=2).column(), Tokens(30.0)
    assert at(memory.logits_memory(ROUND, plan, FIRST_AND_LAST, tokens, Bytes(0.0))) == [0, 90_000]
    assert at(memory.logits_memory(ROUND, plan, FIRST_AND_LAST, tokens, Bytes(7.0))) == [0, 90_007]
    ahead = round_job(model=EXPERTS | {"mtp_layers": 1})
    assert at(memory.logits_memory(ahead, plan, FIRST_AND_LAST, tokens, Bytes(0.0))) == [0, 180_000]
    assert at(memory.head_logits(round_job(stack={"logits_whole": True}), plan, tokens)) == [180_000]
    assert at(memory.head_logits(round_job(stack={"vocab_multiple": 128}), plan, tokens)) == [6 * 30 * 1_024 / 2]


def test_collectives_gather_into_buffers_under_tensor_parallelism() -> None:
    """Korthikanti et al. 2022, Section 4.2.2: the gathered input and its gradient, 2 · 2 · 30 · 100."""
    assert at(memory.buffer_bytes(ROUND, Plan(tp=2).column(), Tokens(30.0))) == [12_000]
    assert at(memory.buffer_bytes(ROUND, Plan(cp=2).column(), Tokens(30.0))) == [0]


MAIN = {"main_gradients": True}


def test_with_main_gradients_only_the_input_stays_gathered() -> None:
    """2 · 30 · 100 under sequence parallelism, nothing without."""
    job = round_job(stack=MAIN)
    assert at(memory.buffer_bytes(job, Plan(tp=2, sequence_parallel=1).column(), Tokens(30.0))) == [6_000]
    assert at(memory.buffer_bytes(job, Plan(tp=2).column(), Tokens(30.0))) == [0]


@pytest.mark.parametrize(
    ("changes", "tokens", "plan", "expected"),
    [
        # hidden states of 2 · T · 100; the middle of 300: gradient of its input and of the second product's weights
        ({}, 30.0, Plan(), 2 * 30 * 100 + 2 * (2 * 100 - 30) * 300),  # gradients of both halves of the first product's weights
        ({}, 90.0, Plan(), 2 * 90 * 100 + 2 * (90 + 100) * 300),  # of the second product
        ({}, 300.0, Plan(), 2 * 300 * 100 + 2 * 2 * 300 * 300),  # of both sides of the activation
        ({}, 90.0, Plan(tp=2, sequence_parallel=1), 2 * 90 * (50 + 100) + 2 * (90 + 100) * 150),
        ({"model": {"gated": False}}, 30.0, Plan(), 2 * 30 * 100 + 2 * (30 + 100) * 300),
        ({"tuning": "lora"}, 30.0, Plan(), 2 * 30 * 100 + 2 * 2 * 30 * 300),  # frozen weights have no gradient
    ],
)
def test_gradients_of_weights_are_made_in_16_bits(changes: dict[str, Any], tokens: float, plan: Plan, expected: float) -> None:
    """The largest of three moments of a backward pass, each less what is freed by then."""
    job = round_job(stack=MAIN, **changes)
    assert at(memory.layer_gradients(job, plan.column(), Tokens(tokens))) == [expected]


def test_the_head_needs_its_inputs_and_gradients_of_logits_and_weights() -> None:
    """Of 30 tokens: both sides of the final norm, 2 · 2 · 30 · 100; gradients of 1,000 logits and of 1,000 x 100 weights, 2 · 1,000 · (30 +
    100); of the input, 2 · 30 · 100. Half of the vocabulary on each of two ranks, which share the norm's; the layer's 5 are less."""
    job, plan, tokens = round_job(stack=MAIN), Plan(pp=2).column(), Tokens(30.0)
    inputs = memory.head_inputs(job, plan, tokens)
    assert at(inputs) == [12_000]
    assert at(memory.head_inputs(ROUND, plan, tokens)) == [0]
    head = memory.head_working(job, plan, FIRST_AND_LAST, tokens, inputs)
    assert at(head) == [0, 12_000 + 260_000 + 6_000]
    shared = Plan(tp=2, pp=2, sequence_parallel=1).column()
    assert at(memory.head_working(job, shared, FIRST_AND_LAST, tokens, Bytes(0.0))) == [0, 130_000 + 6_000 + 3_000]
    assert set(at(memory.head_working(ROUND, plan, FIRST_AND_LAST, tokens, inputs))) == {0}
    assert at(memory.stage_working(Bytes(5.0), Bytes(0.0), head)) == [5, 278_000]
    assert memory.stage_working(Bytes(5.0), Bytes(2.0), Bytes(6.0)) == 7


def test_the_gradient_of_a_tied_head_waits_for_that_of_the_embedding() -> None:
    """2 · 1,000 · 100 / 2 on one stage; on two each has its copy."""
    job = round_job(model={"tied": True}, stack=MAIN)
    assert at(memory.tied_gradient(job, Plan(tp=2).column())) == [100_000]
    assert at(memory.tied_gradient(job, Plan(tp=2, pp=2).column())) == [0]
    assert at(memory.tied_gradient(round_job(model={"tied": True}), Plan(tp=2).column())) == [0]


def test_the_embeddings_gradient_is_made_in_16_bits() -> None:
    """2 · 1,000 on the first stage; twice that with a tied head on the same rank."""
    job, weights = round_job(stack=MAIN), Parameters(1000.0)
    assert at(memory.embedding_gradient(job, Plan(pp=2).column(), FIRST_AND_LAST, weights)) == [2000, 0]
    assert at(memory.embedding_gradient(round_job(stack=MAIN, model={"tied": True}), Plan().column(), Stage(0), weights)) == [4000]
    for other in (ROUND, round_job(stack=MAIN, tuning="lora")):
        assert set(at(memory.embedding_gradient(other, Plan(pp=2).column(), FIRST_AND_LAST, weights))) == {0}


def test_values_hold_the_packed_product_and_a_ring_frees_it() -> None:
    """Queries of 80 and keys of 40 elements: 2 · (80 + 2 · 40) packed and 2 · (80 + 40) rotated; copied queries, 2 · 80, before a norm."""
    job = round_job(stack=MAIN)
    assert term_of(job, Plan())["qkv"] == 2 * (80 + 2 * 40 + 80 + 40)
    assert term_of(job, Plan(cp=2))["qkv"] == 2 * (80 + 2 * 40)
    assert term_of(round_job(stack=MAIN, model={"qk_norm": "head"}), Plan())["qkv"] == 2 * (80 + 2 * 40 + 80 + 40 + 80)
    assert term_of(round_job(stack=MAIN, model={"positions": "learned"}), Plan())["qkv"] == 2 * (80 + 2 * 40)


def test_offloaded_activations_are_not_on_the_device() -> None:
    """A quarter of 3 · (320 + 8) is in host memory, but for the 0.25, or all 0.75, micro-batches that wait."""
    job = round_job(offload_activations=0.25)
    for waiting, on_device in ((0.0, 2.25), (0.25, 2.5), (1.0, 3.0)):
        held = memory.activation_bytes(
            job, Number(5.0), Number(2.0), Number(3.0), Bytes(320.0), Bytes(8.0), Bytes(0.0), Number(waiting)
        )  # fmt: skip
        assert held == on_device * (320 + 8)


def test_offloaded_checkpoints_are_not_on_the_device() -> None:
    """Of five layers the two that are recomputed keep nothing: 3 · 100."""
    assert memory.held_bytes(round_job(offload_checkpoints=True), Number(5.0), Number(2.0), Bytes(100.0), Bytes(10.0)) == 300


def test_copies_wait_where_they_are_used_and_transferred() -> None:
    """Of ten layers two without a pipeline, four in one, four virtual stages of an interleaved one: in micro-batches of the rank."""
    plans = [Plan(), Plan(pp=2), Plan(pp=2, vpp=5)]
    assert [float(memory.waiting_copies(plan, Number(10.0))) for plan in plans] == [0.2, 0.4, 0.8]
