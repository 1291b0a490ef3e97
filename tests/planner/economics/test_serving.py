"""Inference memory: published sizes of weights and caches, what fits, and properties of every model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import presets
from planner.economics.serving import (
    CACHE_WIDTHS,
    WEIGHT_WIDTHS,
    MemoryBudget,
    Serving,
    cache_bytes,
    cached_tokens,
    cached_width,
    check_tp,
    degrees,
    explain,
    fit,
    largest_first,
    memory_budget,
    serving_weights,
    smallest_tp,
)
from planner.errors import FieldError
from planner.specs.parameters import total_parameters
from tests.planner.jobs import example

NAMES = presets.names("models")
H100 = memory_budget(example(gpu="h100-sxm"))
# DeepSeek-AI 2025 (arXiv 2505.09343), Table 1: bytes of cache per token in bf16
TABLE_1 = [("deepseek-v3-671b", 70_272), ("qwen2.5-72b", 327_680), ("llama-3.1-405b", 516_096)]


def cache_per_token(name: str, **changes: object) -> float:
    """KV cache per token; bytes."""
    model, serving = presets.model(name), Serving(context=1, **changes)  # type: ignore[arg-type]
    return cache_bytes(serving, cached_width(model, serving), cached_tokens(model, serving))


@pytest.mark.parametrize(("name", "published"), TABLE_1)
def test_the_cache_per_token_is_that_of_deepseeks_table(name: str, published: int) -> None:
    """70.272, 327.680 and 516.096 KB per token, to the byte."""
    assert cache_per_token(name) == published


def test_the_latent_cache_equals_that_of_gqa_with_2_25_groups() -> None:
    """DeepSeek-V2 (arXiv 2405.04434, Section 2.1.4): its cache equals that of GQA with 2.25 groups."""
    model = presets.model("deepseek-v2-236b")
    groups = cached_width(model, Serving()) / (2 * model.head_dim)
    assert groups == 2.25


@pytest.mark.parametrize(("dtype", "gb"), [("bf16", 140), ("int8", 70), ("int4", 35), ("fp32", 280)])
def test_70_billion_parameters_take_140_gb_in_16_bits(dtype: str, gb: float) -> None:
    """Weights of Llama 3.1 70B are its parameters times 2, 1, 0.5 or 4 bytes, within 1 % of the round figures."""
    assert fit(presets.model("llama-3.1-70b"), H100, Serving(dtype)).weights == pytest.approx(gb * 1e9, rel=0.01)


def test_405b_needs_two_machines_in_16_bits_and_one_in_8() -> None:
    """Llama 3 (arXiv 2407.21783), Section 6: BF16 does not fit 8 H100 and needs 16 on two machines; FP8 fits one machine."""
    model = presets.model("llama-3.1-405b")
    assert not fit(model, H100, Serving("bf16", tp=8)).fits
    assert smallest_tp(model, H100, Serving("bf16")) == 16
    assert smallest_tp(model, H100, Serving("fp8")) == 8


@pytest.mark.parametrize("name", NAMES)
def test_one_gpu_holds_the_whole_model_and_several_hold_it_together(name: str) -> None:
    """With TP 1 the parameters are the published total; with TP t each rank holds at least a t-th of it, and at most the total."""
    model = presets.model(name)
    assert serving_weights(model, Serving()) == total_parameters(model)
    for tp in degrees(model):
        on_rank = serving_weights(model, Serving(tp=tp))
        assert total_parameters(model) / tp <= on_rank * (1 + 1e-12) <= total_parameters(model) * (1 + 1e-9)


servings = st.builds(
    Serving, st.sampled_from(sorted(WEIGHT_WIDTHS)), st.sampled_from(sorted(CACHE_WIDTHS)), st.integers(1, 2_000_000), st.integers(1, 512),
    overhead_share=st.floats(0, 1),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(NAMES), servings, st.data())
def test_the_longest_context_and_the_largest_batch_just_fit(name: str, serving: Serving, data: st.DataObject) -> None:
    """For every model the longest context and the largest batch fit, and one token or one sequence more does not."""
    model = presets.model(name)
    serving = replace(serving, tp=data.draw(st.sampled_from(degrees(model))))
    served = fit(model, H100, serving)
    longest, batch = int(served.longest), int(served.batch)
    for most in ([replace(serving, context=longest)] if longest else []) + ([replace(serving, batch=batch)] if batch else []):
        assert fit(model, H100, most).memory <= H100.limit_bytes * (1 + 1e-12)
    for more in (replace(serving, context=longest + 1), replace(serving, batch=batch + 1)):
        assert not fit(model, H100, more).fits
    assert served.fits == (serving.context <= served.longest) == (serving.batch <= served.batch)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), servings)
def test_more_of_anything_takes_no_less_memory(name: str, serving: Serving) -> None:
    """A longer context, more sequences, wider weights or a wider cache never lower the memory; more ranks never raise it."""
    model = presets.model(name)
    memory = fit(model, H100, serving).memory
    longer, crowded = replace(serving, context=serving.context * 2), replace(serving, batch=serving.batch + 1)
    for more in (longer, crowded, replace(serving, dtype="fp32"), replace(serving, cache_dtype="fp32")):
        assert fit(model, H100, more).memory >= memory
    each = [fit(model, H100, replace(serving, tp=tp)).memory for tp in degrees(model)]
    assert all(a >= b for a, b in pairwise(each))


def test_local_layers_cache_only_their_window() -> None:
    """Gemma 3 27B at 128k: 10 of 62 layers cache every token, 52 their window of 1,024."""
    model = presets.model("gemma-3-27b")
    assert cached_tokens(model, Serving(context=131_072)) == 10 * 131_072 + 52 * 1024
    assert cached_tokens(model, Serving(context=512)) == 62 * 512


def test_kv_heads_are_repeated_over_more_ranks_and_latents_are_replicated() -> None:
    """8 kv-heads on 16 ranks: one on each, as on 8 ranks; the latents of DeepSeek-V3 take the same on each of 8 ranks as on one."""
    assert cache_per_token("llama-3.1-405b", tp=16) == cache_per_token("llama-3.1-405b", tp=8) == cache_per_token("llama-3.1-405b") / 8
    assert cache_per_token("deepseek-v3-671b", tp=8) == cache_per_token("deepseek-v3-671b")


def test_the_largest_preset_is_the_largest_that_fits() -> None:
    """No larger preset fits; if none fits, none is returned."""
    models = [presets.model(name) for name in NAMES]
    serving = Serving("int4")
    first = next(largest_first(models, H100, serving))
    larger = [m for m in models if total_parameters(m) > total_parameters(first.model)]
    assert larger and not any(fit(m, H100, replace(serving, context=min(8192, m.max_positions))).fits for m in larger)
    assert next(largest_first(models, MemoryBudget(1e6, 0.0), serving), None) is None


def test_a_degree_that_does_not_divide_the_heads_is_refused_with_the_nearest() -> None:
    """TP 6 with 32 heads: the message names TP and the nearest valid degrees."""
    with pytest.raises(FieldError, match=r"tp must divide the 32 heads .* use 4 or 8"):
        check_tp(presets.model("llama-3.1-8b"), 6)
    with pytest.raises(FieldError, match="dtype must be one of int4"):
        Serving("int3")


def test_derivations_have_the_values_of_the_fit() -> None:
    """The derivation of each number has its value, and includes the parameters and the width of the cache."""
    for name in ("llama-3.1-8b", "deepseek-v3-671b", "gemma-3-27b"):
        model = presets.model(name)
        served, trees = fit(model, H100, Serving("int4", context=4096)), explain(model, H100, Serving("int4", context=4096))
        assert (trees["memory"].value, trees["longest"].value, trees["batch"].value) == (served.memory, served.longest, served.batch)
        assert trees["memory"].find("serving_weights") and trees["longest"].find("cached_width")
