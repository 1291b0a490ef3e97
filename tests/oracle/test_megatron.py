"""Exports for Megatron-LM, checked with the TransformerConfig of megatron-core and, on a fake backend, its process groups."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from planner.document.inputs import Inputs, resolve
from planner.exporters.registry import Request, export, target
from planner.importers.megatron_options import arguments
from planner.importers.shell_words import words
from planner.layout.rank_map import rank_map
from planner.search.rules import RULES
from planner.specs.plan import Plan
from tests.oracle.plans import ENOUGH, drawn

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

NAMES = {  # options whose field has another name
    "num-query-groups": "num_query_groups", "num-experts": "num_moe_experts", "swiglu": "gated_linear_unit",
    "num-virtual-stages-per-pipeline-rank": "virtual_pipeline_model_parallel_size", "fp8-format": "fp8", "fp4-format": "fp4",
}  # fmt: skip
OTHERWISE = {"disable-bias-linear": ("add_bias_linear", False), "no-rope-fusion": ("apply_rope_fusion", False),
             "no-masked-softmax-fusion": ("masked_softmax_fusion", False)}  # fmt: skip


@pytest.fixture(scope="module")
def core() -> Any:
    """megatron-core's modules; the test is skipped if it is not installed."""
    pytest.importorskip("megatron.core", reason="megatron-core is not installed; the extra `oracles` has it", exc_type=ImportError)
    from megatron.core import parallel_state
    from megatron.core.transformer import transformer_config

    return parallel_state, transformer_config


@pytest.fixture(scope="module")
def requests() -> list[Request]:
    """Plans of the stack megatron-core."""
    plans = list(drawn("megatron-lm", "megatron-core", 9))
    assert len(plans) >= ENOUGH
    return plans


def options(request: Request) -> dict[str, list[str]]:
    """The options of the exported script."""
    return arguments(words(export("megatron-lm", request).files["train.sh"], "train.sh"))


def value(texts: list[str], kind: str) -> Any:
    """An option's value, as the type its field is declared with."""
    if not texts:
        return True
    if len(texts) > 1 or ("List" in kind and not re.fullmatch(r"\[.*|\d+", texts[0])):
        return texts
    text = texts[0]
    if text.startswith("["):
        return [int(n) for n in re.findall(r"\d+", text)]
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text) if re.fullmatch(r"-?\d*\.\d+", text) else text


def configured(core: Any, given: dict[str, list[str]]) -> Any:
    """The TransformerConfig of options, matched to fields by name as in Megatron-LM's arguments."""
    kinds = core[1].MLATransformerConfig if "multi-latent-attention" in given else core[1].TransformerConfig
    known = {f.name: str(f.type) for f in fields(kinds)}
    values: dict[str, Any] = {}
    for option, texts in given.items():
        name = NAMES.get(option, option.replace("-", "_"))
        if option in OTHERWISE:
            values[OTHERWISE[option][0]] = OTHERWISE[option][1]
        elif name in known and name not in ("attention_backend", "rope_type", "cp_comm_type", "window_size"):
            values[name] = value(texts, known[name])
    values.pop("kv_channels", None) if "multi-latent-attention" in given else None
    if values.get("pipeline_model_parallel_size", 1) > 1:
        import torch

        values["pipeline_dtype"] = torch.bfloat16
    return kinds(**values)


def groups(core: Any, request: Request, world: int, rank: int) -> Iterator[tuple[str, list[int]]]:
    """The ranks of each process group of a rank in megatron-core; the fake backend does not communicate."""
    import torch
    from torch.testing._internal.distributed.fake_pg import FakeStore

    state, plan = core[0], request.plan
    torch.distributed.init_process_group("fake", rank=rank, world_size=world, store=FakeStore())
    try:
        state.initialize_model_parallel(
            int(plan.tp), int(plan.pp), int(plan.vpp) if plan.vpp > 1 else None, context_parallel_size=int(plan.cp),
            expert_model_parallel_size=int(plan.ep), expert_tensor_parallel_size=int(plan.etp), create_gloo_process_groups=False,
        )  # fmt: skip
        for name, group in (
            ("tp", state.get_tensor_model_parallel_group()), ("pp", state.get_pipeline_model_parallel_group()),
            ("cp", state.get_context_parallel_group()), ("dp", state.get_data_parallel_group()),
            ("ep", state.get_expert_model_parallel_group()),
        ):  # fmt: skip
            yield name, torch.distributed.get_process_group_ranks(group)
    finally:
        state.destroy_model_parallel()
        torch.distributed.destroy_process_group()


def test_every_plan_written_makes_a_transformer_config(core: Any, requests: list[Request]) -> None:
    for request in requests:
        made = configured(core, options(request))
        assert (made.num_layers, made.tensor_model_parallel_size) == (request.job.model.layers, request.plan.tp)
        assert made.pipeline_model_parallel_size == request.plan.pp
        assert made.num_moe_experts == (request.job.model.experts or None)


def test_the_groups_of_every_plan_are_those_of_the_rank_map(core: Any, requests: list[Request]) -> None:
    for number, request in enumerate(requests):
        world = request.job.cluster.gpus
        rank = number * 37 % world
        laid = rank_map(request.job, request.plan)
        for kind, ranks in groups(core, request, world, rank):
            ours = laid.groups(kind).ranks
            assert ranks in ours.tolist(), (request.plan, kind)
            assert rank in ranks


# Plans that break one rule, refused by tmplan and by megatron-core.
DENSE = {"model": "llama-3.1-8b", "gpus": 64, "stack": "megatron-core", "global_batch": 256}
SPARSE = {**DENSE, "model": "mixtral-8x7b"}
ALONE = {"tp": 1, "pp": 1, "vpp": 1, "cp": 1, "dp": 64, "dp_replicate": 64, "micro_batch": 1}
BROKEN: list[tuple[str, dict[str, Any], dict[str, int]]] = [
    ("heads", {**DENSE, "heads": 12, "hidden": 1536, "kv_heads": 12}, {"tp": 8, "dp": 8}),
    ("kv_heads", {**DENSE, "heads": 48, "hidden": 6144, "kv_heads": 6}, {"tp": 4, "dp": 16}),
    ("world", {**DENSE, "gpus": 48}, {"tp": 32, "dp": 1}),
    ("expert_world", {**SPARSE, "gpus": 12, "gpus_per_node": 4, "global_batch": 12}, {"dp": 12, "ep": 8}),
    ("experts", SPARSE, {"ep": 16}),
    ("interleaving", DENSE, {"vpp": 2}),
    ("sp_alone", DENSE, {"sequence_parallel": 1}),
]


@pytest.mark.parametrize(("rule", "values", "degrees"), BROKEN, ids=[rule for rule, _, _ in BROKEN])
def test_a_plan_that_breaks_a_rule_is_refused_by_both(core: Any, rule: str, values: dict[str, Any], degrees: dict[str, int]) -> None:
    job = resolve(Inputs(values))
    plan = Plan(**{**ALONE, **degrees, "dp_replicate": degrees.get("dp", 64)})
    assert target("megatron-lm").refusals(Request(job, plan))
    assert rule in {r.key for r in RULES if not np.all(r.allowed(job, plan))}
    with pytest.raises((ValueError, AssertionError, RuntimeError, ZeroDivisionError)):
        run_unchecked(core, Request(job, plan))


def run_unchecked(core: Any, request: Request) -> None:
    """Build in megatron-core a plan that the exporter refuses."""
    script = target("megatron-lm").write(request).files["train.sh"]
    made = configured(core, arguments(words(script, "train.sh")))
    for kind, _ in groups(core, request, request.job.cluster.gpus, 0):
        if kind == "ep" and made.num_moe_experts:
            expert_layer(core, made)


def expert_layer(core: Any, config: Any) -> None:
    """Build a layer of megatron-core, which divides the experts among the ranks."""
    from megatron.core.transformer.moe.moe_layer import BaseMoELayer

    layer = type("Layer", (BaseMoELayer,), {"forward": lambda self, states: states})
    layer(config, pg_collection=SimpleNamespace(ep=core[0].get_expert_model_parallel_group(), tp=None))
