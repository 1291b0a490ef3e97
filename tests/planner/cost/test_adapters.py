"""LoRA and QLoRA: published sizes, memory and speed, what adapters keep, send and refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner import presets
from planner.cost import adapters
from planner.cost.communication import reduce_once
from planner.cost.evaluate import evaluate
from planner.cost.memory import activation_terms
from planner.cost.schedule import model_flops, needed_flops
from planner.dimensions import Parameters
from planner.document.inputs import EXAMPLE, run_of
from planner.document.space import Space
from planner.economics.budget import budget
from planner.errors import FieldError
from planner.report.columns import BY_KEY
from planner.report.explain import headlines
from planner.report.sort import RowFigures
from planner.search.search import search
from planner.specs import lora, parameters
from planner.specs.job import Job
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.planner.cost.hand_figures import DENSE, SPARSE, given_plain_numbers, round_job, with_rows_padded
from tests.planner.jobs import bare, example, mixture, small

NAMES = presets.names("models")
ROWS = Plan(tp=2, pp=2, dp=4, dp_shard=4, zero=1, sequence_parallel=1)
LLAMA_65B = Model("llama-65b", 80, 8192, 64, 64, 128, 22_016, 32_000, 2048)  # Touvron et al. 2023, Table 2


def gpt3(**changes: object) -> Job:
    """GPT-3 175B on V100, whose weights take the same 96 shards whatever is tuned."""
    given = {"model": "gpt3-175b", "gpu": "v100-32gb-sxm", "gpus": 96, "global_batch": 24, "sequence": 1024, "precision": "fp16"}
    return example(**given, attention="unfused", **changes)


def on_one_gpu(rank: int, **changes: object) -> Job:
    """Llama 65B tuned on a single GPU of 48 GB, every linear layer adapted."""
    job = example(gpu="l40s", gpus=1, global_batch=1, sequence=512, stack="deepspeed")
    given = {"tuning": "qlora", "lora_rank": rank, "lora_targets": "all"} | changes
    return replace(job, model=LLAMA_65B, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_the_linear_layers_are_those_of_the_parameter_count(name: str) -> None:
    """Of every preset the matrices that may have adapters add up to the attention and the MLP that are counted elsewhere."""
    model = presets.model(name)
    total = sum(matrix.size for matrix in lora.linear_matrices(model).values())
    assert total == pytest.approx(parameters.attention_matrices(model) + parameters.mlp_matrices(model), rel=1e-12)


def test_gpt_3s_adapters_are_as_large_as_in_loras_paper() -> None:
    """Hu et al. 2021: rank 4 on queries and values is a checkpoint of 35 MB (Section 4.2), rank 1 is 4.7 M parameters, rank 8 37.7 M
    (Table 4)."""
    model = presets.model("gpt3-175b")
    each = [float(model.layers * lora.adapter_parameters(model, "query-value", rank)) for rank in (1, 4, 8)]
    assert each[1] * 2 == pytest.approx(35 * 2**20, rel=0.05)
    assert [each[0], each[2]] == pytest.approx([4.7e6, 37.7e6], rel=0.01)


def test_gpt_3s_states_fall_to_350_gb() -> None:
    """Hu et al. 2021, Section 4.2: 350 GB to tune GPT-3 175B, its weights in 16 bits; all else of the states is within a tenth of that."""
    job = bare(gpt3(tuning="lora", lora_rank=4, lora_targets="query-value"))
    parts = evaluate(job, Plan(tp=8, pp=12, recompute=2)).memory_parts.named()
    states = 96 * (parts["parameters"] + parts["gradients"] + parts["optimizer"])[0]
    assert states == pytest.approx(350e9, rel=0.1)


def test_gpt_3_is_tuned_a_third_faster() -> None:
    """Hu et al. 2021, Section 4.2, footnote: 43.1 tokens per second per V100 for 32.5, with the same shards of the weights; within 8 %."""
    plan = Plan(tp=8, pp=12, recompute=2)
    whole, adapters = (evaluate(gpt3(**changes), plan).step[0] for changes in ({}, {"tuning": "lora", "lora_rank": 4}))
    assert whole / adapters == pytest.approx(43.1 / 32.5, rel=0.08)


def test_a_weight_in_4_bits_takes_its_constants_too() -> None:
    """Dettmers et al. 2023, Section 3: 0.127 bits per weight, after doubly quantizing what would be 0.5."""
    assert pytest.approx(0.127, abs=5e-4) == lora.NF4_BYTES * 8 - 4


def test_65b_is_tuned_on_one_gpu_of_48_gb_with_qlora_alone() -> None:
    """Dettmers et al. 2023: 65B fits one GPU of 48 GB at rank 64, its states paged to the host, and needs over 780 GB in 16 bits."""
    plan = Plan(recompute=2)
    assert evaluate(on_one_gpu(64, offload_optimizer=True), plan).fits[0]
    assert evaluate(on_one_gpu(16), plan).fits[0]
    assert not evaluate(on_one_gpu(16, tuning="lora"), plan).fits[0]
    assert evaluate(on_one_gpu(16, tuning="full"), plan).memory[0] > 780e9


def test_the_frozen_weights_of_65b_take_what_guanacos_do() -> None:
    """Dettmers et al. 2023, Table 1 (from memory): Guanaco 65B is 41 GB with its adapters in 16 bits or wider, 33B 21 GB. Ours within a
    tenth."""
    parts = evaluate(bare(on_one_gpu(64)), Plan(recompute=2)).memory_parts.named()
    adapters = float(80 * lora.adapter_parameters(LLAMA_65B, "all", 64))
    assert parts["parameters"][0] + 2 * adapters == pytest.approx(41e9, rel=0.1)


@pytest.mark.parametrize("stack", ["megatron-core", "pytorch-fsdp", "deepspeed", "torchtitan"])
@pytest.mark.parametrize("zero", [0, 1, 2, 3])
def test_frozen_weights_are_stored_sharded_and_gathered_in_16_bits(stack: str, zero: int) -> None:
    """2 bytes per weight on each rank, over the ranks under ZeRO-3; the trained states are the adapters', a hundredth of the model's,
    with DeepSpeed's bucket."""
    job = small(stack=stack)
    plan = Plan(dp=16, dp_shard=16 if zero else 1, zero=zero)
    whole, parts = evaluate(job, plan).memory_parts.named(), evaluate(replace(job, tuning="lora"), plan).memory_parts.named()
    weights = 2 * parameters.total_parameters(job.model)
    assert parts["parameters"][0] == pytest.approx(weights / (16 if zero == 3 else 1), rel=0.01)
    bucket = 2 * job.stack.reduce_bucket if zero in (1, 3) else 0
    for name, buffers in (("gradients", bucket), ("optimizer", 0)):
        assert buffers < parts[name][0] < (whole[name][0] - buffers) / 100 + buffers
    assert (parts["gathered"][0] > 0) == (zero == 3)


def test_gradients_of_adapters_alone_are_sent() -> None:
    """Data-parallel communication falls with the trained parameters; fully sharded, frozen weights are still gathered, 4 bits as 4 bits."""
    job = small(nic_gbit_s=10, link_gb_s=10, stack="deepspeed")

    def sent(tuning: str, zero: int) -> float:
        e = evaluate(replace(job, tuning=tuning), Plan(dp=16, dp_shard=16 if zero else 1, zero=zero))
        return float(e.time_parts.dp[0] + e.hidden.dp[0])

    assert sent("lora", 1) < sent("full", 1) / 50
    assert sent("full", 3) / 2 < sent("lora", 3) < sent("full", 3)
    assert sent("qlora", 3) == pytest.approx(sent("lora", 3) * 0.36, rel=0.2)


def test_inputs_of_frozen_matrices_without_adapters_are_not_stored() -> None:
    """With adapters on attention the inputs of the MLP's products are not stored, with adapters on all they are."""
    job, plan = small(), Plan(dp=16)
    whole, attention, every = (
        activation_terms(replace(job, **changes), plan)  # type: ignore[arg-type]
        for changes in ({}, {"tuning": "lora"}, {"tuning": "lora", "lora_targets": "all"})
    )
    assert attention["act_out"] == 0 < every["act_out"] == whole["act_out"]
    assert attention["linear_in"] == every["linear_in"] / 2
    assert attention["adapters"] == 2 * 16 * 4 and every["adapters"] == 2 * 16 * 7
    assert "adapters" not in whole


def test_utilization_counts_what_adapters_need() -> None:
    """Frozen matrices need 4 FLOPs per weight and token in place of 6, adapters 6; attention needs what it did."""
    job = small()
    tuned = replace(job, tuning="lora")
    tokens = float(job.global_batch) * job.sequence
    model = job.model
    matrices = parameters.total_parameters(model) - parameters.embedding_parameters(model)
    assert needed_flops(job) == model_flops(job) == model_flops(tuned)
    assert (needed_flops(job) - needed_flops(tuned)) / (2 * matrices * tokens) == pytest.approx(1.0, rel=0.01)


def test_qlora_pays_for_bringing_weights_into_16_bits() -> None:
    """The same plan is slower in 4 bits than in 16, and smaller by three quarters of the weights of the linear layers."""
    job = small(stack="deepspeed")
    job = replace(job, tuning="lora", stack=replace(job.stack, transformers_layers=False))  # without PEFT's copies
    plan = Plan(dp=16)
    narrow, plain = evaluate(replace(job, tuning="qlora"), plan), evaluate(job, plan)
    linear = job.model.layers * sum(matrix.size for matrix in lora.linear_matrices(job.model).values())
    assert plain.step[0] < narrow.step[0] < 1.2 * plain.step[0]
    saved = plain.memory_parts.parameters[0] - narrow.memory_parts.parameters[0]
    assert saved == pytest.approx((2 - lora.NF4_BYTES) * linear, rel=1e-9)
    once = linear * (2 + lora.NF4_BYTES) / (job.constants.hbm_fraction * job.cluster.gpu.hbm_bytes_s)
    batches = job.global_batch / 16
    later = narrow.time_parts.compute[0] - plain.time_parts.compute[0]
    assert later == pytest.approx(2 * once * batches, rel=1e-6)  # forward and backward


def test_a_frozen_tied_embedding_is_not_added_between_stages() -> None:
    """The first and the last stage of a pipeline sum the gradients of an embedding they share, unless it is frozen."""
    job = small(model="llama-3.2-1b", nic_gbit_s=10, link_gb_s=10)
    plan = Plan(pp=2, dp=1, tp=8, sequence_parallel=1)
    whole, tuned = (reduce_once(one, plan.column(), Parameters(1e6))[0] for one in (job, replace(job, tuning="lora")))
    assert job.model.tied and tuned == 0 < whole


def test_experts_stay_whole_and_frozen() -> None:
    """In a mixture of experts attention has adapters; experts keep their weights alone, sharded where the plan shards, and send nothing."""
    job = replace(mixture(stack="torchtitan"), tuning="lora")
    for zero, share in ((2, 1), (3, 2)):
        e = evaluate(job, Plan(dp=16, dp_shard=16, ep=8, zero=zero))
        experts = job.model.layers * job.model.experts * parameters.expert_parameters(job.model) / 8
        assert e.memory_parts.named()["experts"][0] == pytest.approx(2 * experts / share)


def tuned(targets: str, rank: int, model: str = "llama-3.1-8b") -> Job:
    """A job whose model has adapters of this rank."""
    return replace(example(model=model), tuning="lora", lora_targets=targets, lora_rank=rank)


def test_linear_experts_leave_attention_alone_to_be_quantized() -> None:
    """A sparse layer has no dense MLP: the matrices of its attention, and of shared experts, are stored in 4 bits."""
    job = mixture(stack="deepspeed")
    linear = replace(job, stack=replace(job.stack, quantized_experts=True), tuning="qlora")
    attention = sum(float(m.size) for m in lora.linear_matrices(replace(job.model, ffn=job.model.shared_ffn)).values())
    assert float(adapters.quantized_weights(linear, Plan())) == attention


REFUSED = [
    (lambda: replace(small(stack="nanotron"), tuning="lora"), "nanotron is planned with tuning full, not lora"),
    (lambda: replace(small(), tuning="qlora"), "Megatron-Core is planned with tuning full or lora, not qlora"),
    (lambda: replace(mixture(), tuning="lora", lora_targets="all"), "adapters on routed experts are not planned"),
    (lambda: replace(mixture(stack="deepspeed"), tuning="qlora"), "routed experts in 4 bits are not planned"),
    (lambda: replace(example(model="deepseek-v3-671b"), tuning="lora", lora_targets="query-value"), "no separate value matrix"),
    (lambda: replace(small(stack="deepspeed", precision="fp8"), tuning="qlora"), "QLoRA computes in 16 bits"),
    (lambda: replace(small(), tuning="dora"), "tuning must be one of full, lora, qlora"),
    (lambda: replace(small(), lora_rank=0), "lora_rank must lie between"),
    (
        lambda: tuned("all", 4097),
        "lora_rank must be at most 4,096, the hidden size of llama-3.1-8b, not 4,097",
    ),
    (lambda: tuned("attention", 7169, "deepseek-v3-671b"), "7,168, the hidden size of deepseek-v3-671b, not 7,169: no"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_tuned_is_refused_in_a_sentence(make: object, message: str) -> None:
    """A stack, a model or a precision that does not go with the adapters is named, with what would be right."""
    with pytest.raises(FieldError, match=message):
        make()  # type: ignore[operator]


def test_a_rank_is_as_high_as_the_hidden_size_allows() -> None:
    """The hidden size itself is a rank, above the narrower side of keys and values too; where all is trained the rank says nothing."""
    assert tuned("all", 4096).frozen and tuned("attention", 4096, "mixtral-8x7b").frozen
    assert not replace(small(), lora_rank=65_536).frozen


@pytest.mark.parametrize("job", [replace(small(), tuning="lora"), replace(small(stack="deepspeed"), tuning="qlora", lora_targets="all")])
def test_the_trees_of_adapters_give_the_tables_numbers(job: Job) -> None:
    """The roots are the numbers of the table, and lead to the adapters, the frozen weights and their communication."""
    plan = ROWS if job.tuning == "lora" else Plan(dp=16, dp_shard=16, zero=3)
    numbers, trees = evaluate(job, plan), headlines(job, plan)
    assert trees["memory"].value == pytest.approx(numbers.memory[0], rel=1e-12)
    assert trees["step"].value == pytest.approx(numbers.step[0], rel=1e-12)
    assert trees["mfu"].value == pytest.approx(BY_KEY["mfu"].values(numbers)[0], rel=1e-12)
    assert all(trees["memory"].find(name) for name in ("frozen_parameters", "stage_adapters", "frozen_bytes"))
    assert all(trees["step"].find(name) for name in ("adapter_forward", "adapter_backward", "adapted_each"))


def test_budget_and_checkpoint_count_adapters_alone() -> None:
    """Training takes 4 P D FLOPs in place of 6 P D; a checkpoint holds the adapters and their states, a thousandth of the model's."""
    run = run_of(EXAMPLE, small())
    whole, tuned = (budget(job, run, 1.0) for job in (small(), replace(small(), tuning="lora")))
    assert tuned.flops / whole.flops == pytest.approx(4 / 6)
    assert tuned.exact_flops < whole.exact_flops
    assert tuned.goodput.saved_bytes < whole.goodput.saved_bytes / 500


def test_a_ranking_by_utilization_counts_as_the_table_does() -> None:
    """The utilization that plans are ordered by is the one they are shown with."""
    job = replace(small(), tuning="lora")
    result = search(job, Space())
    rows = result.order[:5]
    mfu = BY_KEY["mfu"].values
    assert mfu(RowFigures(result, rows)) == pytest.approx(mfu(result.estimate(rows)), rel=1e-9)


# values computed by hand: hidden width 1,000, ten heads of 100, five of keys and values, an MLP of 2,000; rank 4 on queries and values

by_hand = given_plain_numbers(adapters)
LORA = replace(round_job(), tuning="lora", lora_rank=4, lora_targets="query-value")
QLORA = replace(LORA, tuning="qlora")
NARROW = (4 + 8 / 64 + 32 / 64 / 256) / 8  # bytes of a weight in 4 bits: a byte per block of 64, 4 bytes per block of 256 of those
MATRICES = 1000 * (1000 + 500 + 500 + 1000) + 3 * 1000 * 2000  # of one layer


def one(column: object) -> float:
    """The one value of a column."""
    return float(np.ravel(np.asarray(column))[0])


def test_parameters_of_adapters_by_hand() -> None:
    """4 x (1,000 + 1,000) for queries, 4 x (1,000 + 500) for values; over two ranks half of the outputs, of five key-value heads three."""
    assert one(by_hand.adapter_weights(LORA, Plan())) == 4 * (2000 + 1500)
    assert one(by_hand.adapter_weights(LORA, Plan(tp=2))) == 4 * (1000 + 500 + 1000 + 300)
    assert by_hand.stage_adapters(3, 14_000.0) == 42_000


def test_weights_in_4_bits_by_hand() -> None:
    """QLoRA keeps nine million of a layer's weights in 0.516 bytes, LoRA all in 2; a layer of 10 million has 20 MB less 13.4 MB."""
    assert (one(by_hand.quantized_weights(QLORA, Plan())), one(by_hand.quantized_weights(LORA, Plan()))) == (MATRICES, 0) == (9e6, 0)
    assert by_hand.layer_frozen(10e6, 9e6) == pytest.approx(20e6 - (2 - NARROW) * 9e6)
    assert by_hand.frozen_bytes(LORA, 40e6, 3, 9e6) == pytest.approx(80e6 - 3 * (2 - NARROW) * 9e6)
    assert by_hand.frozen_bytes(replace(LORA, autocast=True), 40e6, 3, 9e6) == pytest.approx(160e6 - 3 * (4 - NARROW) * 9e6)


@pytest.mark.parametrize(("zero", "pp", "once", "share"), [(0, 1, False, 1), (2, 1, False, 1), (3, 1, False, 4), (3, 2, True, 1)])
def test_frozen_weights_of_a_rank_by_hand(zero: int, pp: int, once: bool, share: int) -> None:
    """100 bytes, over 4 ranks under ZeRO-3 unless a pipeline keeps them whole, and 7 of adapters."""
    job = replace(LORA, stack=replace(LORA.stack, pipeline_syncs_once=once))
    assert one(by_hand.frozen_parameters(job, Plan(zero=zero, pp=pp), 100.0, 4, 7.0)) == 100 / share + 7


def test_frozen_weights_gathered_by_hand() -> None:
    """Two layers of 10 bytes and 4 bytes for each of 3 parameters of adapters; an embedding of 40 parameters on the first stage."""
    plan, stage = Plan(zero=3, dp_shard=2, cp=2, pp=4), np.arange(4)[:, None]
    assert one(by_hand.frozen_gathered(LORA, plan, 10.0, 3.0)) == 2 * 10 + 12
    assert by_hand.frozen_embedding(LORA, plan, stage, 40.0).ravel().tolist() == [2 * 40, 0, 0, 0]
    assert one(by_hand.frozen_gathered(LORA, plan.with_(dp_shard=1), 10.0, 3.0)) == 2 * 10 + 12
    for other in (plan.with_(zero=2), plan.with_(dp_shard=1, cp=1)):
        assert one(by_hand.frozen_gathered(LORA, other, 10.0, 3.0)) == 0
        assert one(by_hand.frozen_embedding(LORA, other, stage, 40.0)) == 0
    assert one(by_hand.frozen_gathered(QLORA, Plan(zero=2), 10.0, 3.0)) == 2 * 1000 * 2000  # the largest matrix at work


def test_adapters_forward_by_hand() -> None:
    """1,000 tokens: A of queries and of values 8.5 s each, B 8.5 s and 4.5 s, 6 bytes per token and output added at 10^8 B/s; with QLoRA
    nine million weights read in 4 bits and written in 16."""
    plain = 8.5 + 8.5 + 8.5 + 4.5 + 6 * 1000 * (1000 + 500) / 1e8
    assert one(by_hand.adapter_forward(LORA, Plan(), 1000.0)) == pytest.approx(plain)
    assert one(by_hand.adapter_forward(QLORA, Plan(), 1000.0)) == pytest.approx(plain + (NARROW + 2) * 9e6 / 1e8)
    padded = one(by_hand.adapter_forward(with_rows_padded(LORA, 10), Plan(), 1000.0))
    assert padded == pytest.approx(plain + 2 * 10 * 4 * (1000 + 1000 + 1000 + 500) / 1e6)


def test_adapters_backward_by_hand() -> None:
    """Two products for each of the four, 6 bytes per token and input, gradients of 14,000 weights of 4 bytes read and written; with QLoRA
    the weights made 16 bits again."""
    plain = 2 * (8.5 + 8.5 + 8.5 + 4.5) + (6 * 1000 * 2000 + 2 * 4 * 14_000) / 1e8
    assert one(by_hand.adapter_backward(LORA, Plan(), 1000.0, 14_000.0)) == pytest.approx(plain)
    assert one(by_hand.adapter_backward(QLORA, Plan(), 1000.0, 14_000.0)) == pytest.approx(plain + (NARROW + 2) * 9e6 / 1e8)
    padded = one(by_hand.adapter_backward(with_rows_padded(LORA, 10), Plan(), 1000.0, 14_000.0))
    rows = (1000 * 1000 + 4 * 1000) + (4 * 1000 + 1000 * 4) + (500 * 1000 + 4 * 500) + (4 * 1000 + 1000 * 4)
    assert padded == pytest.approx(plain + 2 * 10 * rows / 1e6, rel=1e-6)


@pytest.mark.parametrize(
    ("tuning", "traits", "forward", "backward"),
    [
        ("lora", {"wide_adapters": True}, 21 * 2000 + 10 * 1500, 27 * 2000 + 4 * 1500),
        ("lora", {}, 5 * 2000 + 10 * 1500, 11 * 2000 + 4 * 1500),
        ("qlora", {"wide_adapters": True}, 5 * 2000 + 14 * 1500, 11 * 2000 + 4 * 1500),
    ],
)
def test_peft_moves_these_bytes_by_hand(tuning: str, traits: dict[str, bool], forward: float, backward: float) -> None:
    """Bytes per token of casts, dropout, scale and sum for queries and values, 1,000 inputs each, 1,000 and 500 outputs, at the rate of
    PyTorch's kernels; compiled they are the sums alone."""
    job = replace(LORA, tuning=tuning, stack=replace(LORA.stack, transformers_layers=True, **traits))  # type: ignore[arg-type]
    for back, moved in ((False, forward), (True, backward)):
        assert sum(by_hand.traffic(job, 1000.0, outputs, back) for outputs in (1000.0, 500.0)) == moved
        assert by_hand.added(job, float(moved)) == pytest.approx(moved / (job.constants.torch_fraction * job.cluster.gpu.hbm_bytes_s))
        assert by_hand.traffic(replace(job, kernels="compiled"), 1000.0, 500.0, back) == 6 * (1000 if back else 500)


def test_products_of_a_layer_and_its_adapters_add_up() -> None:
    """8 + 3 s forward, 16 + 5 s backward; 2 + 7 s of traffic."""
    assert by_hand.adapted_forward(8.0, 3.0) == 11
    assert by_hand.adapted_backward(16.0, 5.0) == 21
    assert by_hand.adapted_each(2.0, 7.0) == 9


GATHER = 8e6 * 7 / 8 / (15 / 16 * 1e6)  # 8 MB among eight ranks of a node


@pytest.mark.parametrize(
    ("zero", "pp", "traits", "seconds"),
    [(3, 1, {}, 2 * (GATHER + 10)), (2, 1, {"master_is_parameter": True}, GATHER + 10), (2, 1, {}, 0), (1, 1, {}, 0),
     (3, 2, {}, 2 * (GATHER + 5)), (3, 2, {"pipeline_syncs_once": True}, 0)],
)  # fmt: skip
def test_frozen_weights_are_gathered_every_micro_batch_by_hand(zero: int, pp: int, traits: dict[str, bool], seconds: float) -> None:
    """Twice under ZeRO-3, once where FSDP keeps them gathered in between, in a message of 1 s latency per layer; not in a pipeline that
    syncs once per step."""
    job = replace(LORA, stack=replace(LORA.stack, **traits))  # type: ignore[arg-type]
    plan = Plan(zero=zero, pp=pp, dp=8, dp_shard=8).column()
    assert one(by_hand.frozen_each(job, plan, 8e6)) == pytest.approx(seconds)


def test_frozen_experts_are_gathered_over_the_ranks_that_hold_the_same() -> None:
    """Of 8 ranks 2 hold the same experts with EP 4, four ranks apart: 6 MB x 1/2 at 3/4 of 10^6 B/s and a latency per layer, twice."""
    job = replace(round_job(SPARSE), tuning="lora")
    plan = Plan(zero=3, dp=8, dp_shard=8, ep=4).column()
    alone, both = (one(by_hand.frozen_each(job, plan, 8e6, sparse)) for sparse in (None, 6e6))
    assert alone == pytest.approx(2 * (GATHER + 10))
    assert both - alone == pytest.approx(2 * (6e6 / 2 / 0.75e6 + 10))


def test_the_heaviest_stage_decides() -> None:
    """Of 3, 9 and 5 bytes the 9."""
    assert one(by_hand.heaviest_frozen(np.array([[3.0], [9.0], [5.0]]))) == 9
    assert DENSE.layers == 10
