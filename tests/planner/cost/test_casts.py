"""Casts to 8 and 4 bits, by recipe, against values computed by hand from the frameworks' kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner import presets
from planner.cost import casts, communication, compute
from planner.cost.layer_cost import layer_cost
from planner.dimensions import Number, Parameters, Tokens
from planner.specs.job import Job
from planner.specs.parameters import total_parameters
from planner.specs.plan import Plan
from planner.specs.recipes import RECIPES
from tests.planner.cost.hand_worked import Changes, round_job
from tests.planner.jobs import example, mixture, small

BLACKWELL = {"arch": "blackwell", "flops_fp4": 4e9}


def narrow(recipe: str, gpu: Changes | None = None, stack: Changes | None = None, **changes: object) -> Job:
    """The job of round figures in a recipe, on a Blackwell GPU where it needs one."""
    device = (BLACKWELL if recipe in ("mxfp8", "nvfp4") else {}) | dict(gpu or {})
    precision = "fp4" if recipe == "nvfp4" else "fp8"
    return round_job(gpu=device, stack={"fp8_recipes": RECIPES} | dict(stack or {}), precision=precision, fp8_recipe=recipe, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "gpu", "stack", "kernels", "normed", "plain", "gradient", "weights"),
    [
        # Transformer Engine on Hopper: read 2, write 1 and 1 transposed; a norm writes 1 for 2, and 1 + 1 to transpose
        ("delayed", {}, {}, "fused", 1, 4, 4, (0, 0, 4)),
        ("delayed", {"arch": "blackwell"}, {}, "fused", -1, 3, 3, (0, 0, 3)),  # no transposed copy
        ("current", {}, {}, "fused", 4, 2 + 4, 2 + 4, (0, 0, 6)),  # the maximum is a pass, but of norms
        ("current", {"arch": "blackwell"}, {}, "fused", 3, 5, 5, (0, 0, 5)),
        ("blockwise", {}, {}, "fused", 4 + 8 / 128, 4 + 8 / 128, 4 + 8 / 128, (0, 0, 4)),
        ("mxfp8", {}, {}, "fused", 4 + 2 / 32, 4 + 2 / 32, 4 + 2 / 32, (0, 0, 4 + 2 / 32)),
        ("nvfp4", {}, {}, "fused", 2 + 2 + 1.125, 5.125, 5.125, (0, 0, 5.125)),  # 2 · (1/2 + 1/16) written
        # torchao compiled: maximum 2, cast 2 + 2; rows with a 16-bit transposition 2 + 1 + 2, columns 2 + 1
        ("current", {}, {"casts": "torchao"}, "compiled", 6, 6, 6, (5, 3, 0)),
        ("rowwise", {}, {"casts": "torchao"}, "compiled", 8, 8, 8, (3, 7, 0)),
        ("mxfp8", {}, {"casts": "torchao"}, "compiled", 6 + 2 / 32, 6 + 2 / 32, 6 + 2 / 32, (3 + 1 / 32, 3 + 1 / 32, 0)),
        # and operation by operation: 2 + 2, 2, 2 + 4, 4 + 4, 4 + 4, 4 + 1; gradients twice, with a transposition of 8 bits
        ("current", {}, {"casts": "torchao"}, "fused", 33, 33, 33 + 33 + 2, (33, 35, 0)),
        # XLA with known scales: 1 written for 2, and a transposition of 8 bits but on TPU; else the maximum is fused
        ("delayed", {}, {"casts": "xla"}, "fused", 1, 1, 1, (3, 2, 0)),
        ("delayed", {"vendor": "google", "arch": "tpu"}, {"casts": "xla"}, "fused", -1, -1, -1, (3, 0, 0)),
        ("current", {}, {"casts": "xla"}, "fused", 5, 5, 5, (5, 2, 0)),
    ],
)
def test_the_traffic_of_casts_by_hand(
    recipe: str, gpu: dict[str, object], stack: dict[str, object], kernels: str, normed: float, plain: float, gradient: float,
    weights: tuple[float, float, float],
) -> None:  # fmt: skip
    """Bytes per element of an input from a norm, of another input, of a gradient, and of a weight forward, backward and per step; of a
    layer two normed inputs of 100, 80 and 300 others, gradients of 100, 100, 160 and 600."""
    job = narrow(recipe, gpu=gpu, stack=stack, kernels=kernels)
    c = casts.casts(job)
    assert (c.normed.bytes, c.plain.bytes, c.gradient.bytes) == pytest.approx((normed, plain, gradient))
    assert (c.weight_forward.bytes, c.weight_backward.bytes, c.weight_step) == pytest.approx(weights)
    columns = Plan().column()
    assert casts.cast_bytes(job, columns, backward=False) == pytest.approx(normed * 200 + plain * 380)
    assert casts.cast_bytes(job, columns, backward=True) == pytest.approx(gradient * 960 + c.again.bytes * 580)


def test_gathered_tensors_are_transposed_whole() -> None:
    """Under sequence parallelism a rank casts its part of norms and gradients, 3 or 5 bytes on Hopper, and transposes all it gathers."""
    job, columns = narrow("current"), Plan(tp=2, sequence_parallel=1).column()
    assert casts.cast_bytes(job, columns, backward=False) == pytest.approx(3 * 200 / 2 + 6 * 190)
    assert casts.cast_bytes(job, columns, backward=True) == pytest.approx((5 / 2 + 2) * 200 + 6 * 380 + 2 * 200)
    blocks = narrow("blockwise")
    assert casts.cast_bytes(blocks, columns, backward=True) == pytest.approx((4 + 8 / 128) * (200 / 2 + 380))


@pytest.mark.parametrize(
    ("recipe", "forward", "backward"),
    [("delayed", 2 * 1 + 2 * 1, 4), ("current", 2 * 2 + 2 * 3, 12), ("blockwise", 4, 4), ("mxfp8", 4, 4), ("nvfp4", 12, 16)],
)
def test_the_launches_of_casts_by_hand(recipe: str, forward: float, backward: float) -> None:
    """A layer casts two inputs from norms, two others, and four gradients; graphs that hold the layer leave none."""
    job, columns = narrow(recipe), Plan().column()
    assert casts.cast_launches(job, columns, backward=False) == forward and casts.cast_launches(job, columns, backward=True) == backward
    sixteen = replace(job, precision="bf16", fp8_recipe="")
    assert casts.cast_launches(sixteen, columns, backward=True) == 0


def test_weights_are_cast_once_per_step_or_in_each_pass() -> None:
    """Transformer Engine casts a weight once per step, 6 bytes at 5e7 B/s, in 8-bit weights its own share and transposes all; torchao casts
    it forward and backward in each micro-batch."""
    plan, weights = Plan(dp=64, dp_shard=64, zero=1).column(), Parameters(6400.0)
    te, sixteen = narrow("current"), round_job()
    added = communication.optimizer_seconds(te, plan, weights) - communication.optimizer_seconds(sixteen, plan, weights)
    assert added == pytest.approx(6 * 6400 / 5e7)
    stored = replace(te, fp8_parameters=True)
    assert casts.step_bytes(stored) == (2.0, 5.0) and casts.step_bytes(replace(narrow("mxfp8"), fp8_parameters=True)) == (4.0625, 0.0)
    torchao = narrow("rowwise", stack={"casts": "torchao"}, kernels="compiled")
    assert casts.step_bytes(torchao) == (0.0, 0.0)
    columns, tokens = Plan().column(), Tokens(0.0)
    assert compute.elementwise_forward(torchao, columns, tokens, Parameters(1000.0)) == pytest.approx(
        3 * 1000 / compute.layer_rate(torchao)
    )


def test_routed_experts_of_torchtitan_stay_in_16_bits() -> None:
    """torchtitan's converters of linear layers leave experts alone: their products are those of bf16, and nothing of them is cast."""
    given = mixture(stack="torchtitan", precision="fp8", kernels="compiled")
    columns = Plan(dp=16, dp_shard=16, zero=2, ep=8).column()
    assert (given.numbers, given.expert_numbers, float(casts.expert_bytes(given, columns, backward=True))) == ("fp8", "bf16", 0.0)
    core = mixture(precision="fp8")
    assert core.expert_numbers == "fp8" and casts.expert_bytes(core, columns, backward=False) == pytest.approx(6 * (2048 + 768))


SIDES = [2048.0, 4096.0, 8192.0, 16384.0]


@pytest.mark.parametrize(
    ("gpu", "wide", "slim", "least"),
    [("h100-sxm", "bf16", "fp8", 0), ("b200", "bf16", "fp8", 0), ("gb200", "bf16", "fp8_block", 0), ("b200", "bf16", "nvfp4", 4096),
     ("b200", "fp8", "nvfp4", 8192), ("gb300", "fp8_block", "nvfp4", 8192)],
)  # fmt: skip
def test_a_narrower_product_is_never_slower(gpu: str, wide: str, slim: str, least: float) -> None:
    """In the range of the tables a product in fewer bits takes no longer, from the size at which 4 bits pay, and none runs above the peak
    of its units."""
    device = presets.gpu(gpu)
    m, n, k = (Number(side.ravel()) for side in np.meshgrid(*[[side for side in SIDES if side >= least]] * 3))
    slow, fast = (compute.gemm_seconds(device, numbers, m, n, k) for numbers in (wide, slim))
    assert np.all(fast <= slow)
    assert np.all(2 * m * n * k / slow <= device.units(wide)) and np.all(2 * m * n * k / fast <= device.units(slim))


def test_recipes_differ_in_a_layer_of_llama() -> None:
    """On the same GPU delayed scaling is the fastest of Hopper's recipes and blocks the slowest, all faster than bf16; without
    torch.compile torchao's casts take more time than 8 bits save."""
    plan = Plan(dp=16, dp_shard=16, zero=1).column()

    def seconds(**changes: object) -> float:
        c = layer_cost(small(**changes), plan)
        return float((c.layer_forward + c.layer_backward)[0])

    delayed, current, blockwise = (seconds(precision="fp8", fp8_recipe=r) for r in ("delayed", "current", "blockwise"))
    assert delayed < current < blockwise < seconds()
    torchao = {"stack": "torchtitan"}
    assert seconds(**torchao, precision="fp8", kernels="compiled") < seconds(**torchao, kernels="compiled")
    assert seconds(**torchao, precision="fp8") > seconds(**torchao)


def test_the_usual_recipe_follows_stack_release_and_gpu() -> None:
    """Megatron-Core scales by the current maximum on Hopper and GeForce and by blocks of 32 on Blackwell; before 2025-05, delayed."""
    usual = [example(gpu=gpu, precision="fp8").recipe for gpu in ("h100-sxm", "b200", "gb300", "rtx-5090")]
    assert usual == ["current", "mxfp8", "mxfp8", "current"]
    assert presets.stack_at("megatron-core", "2025-01").usual_fp8_recipe == "delayed"
    assert example(gpu="b200", precision="fp4").recipe == "nvfp4" and example().recipe == ""
    assert example(stack="deepseek", gpu="h800-sxm", precision="fp8").numbers == "fp8_block"
    assert example(stack="torchtitan", precision="fp8").recipe == "rowwise"


def test_weights_in_8_bits_are_gathered_in_8_bits() -> None:
    """A byte per weight of a layer and two of the embedding and the head, 200,000 of the model's parameters; two of all in MXFP8, whose
    copies by rows and by columns differ. torchao casts its share of a weight first, 5 bytes, and transposes the gathered one, 2."""
    te = replace(narrow("current"), fp8_parameters=True)
    assert casts.weight_gathered(te) == pytest.approx(1 + 200_000 / total_parameters(te.model))
    assert casts.weight_gathered(replace(narrow("mxfp8"), fp8_parameters=True)) == casts.weight_gathered(narrow("current")) == 2
    torchao = replace(narrow("current", stack={"casts": "torchao"}, kernels="compiled"), fp8_parameters=True)
    assert (casts.weight_bytes(torchao, backward=False), casts.weight_bytes(torchao, backward=True)) == (0, 2)
    assert casts.step_bytes(torchao) == (0, 5)
