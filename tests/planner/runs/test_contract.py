"""Every column of a runs file sets a field of the job, a fact of the stack or a choice of the plan, which a user can set as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields as fields_of
from typing import NamedTuple

import pytest

from planner.document.inputs import FIELDS
from planner.document.space import AXES
from planner.runs.columns import COLUMNS
from planner.runs.configure import Configured, configured
from planner.specs.job import Job
from tests.planner.calibration.step_files import ROW

DENSE = ROW | {"gpus": "16", "global_batch": "64"}
SPARSE = DENSE | {"experts": "8", "topk": "2", "expert_ffn": "4096", "shared_experts": "1", "ep": "8", "etp": "1"}
PIPED = DENSE | {"pp": "2"}
MEASURED = DENSE | {"nccl_all_reduce_gb_s": "360"}
ADAPTED = DENSE | {"finetune": "lora", "framework": "transformers", "zero": "0"}
SELECTIVE = DENSE | {"recompute": "selective"}


class Sets(NamedTuple):
    """What a column sets: a cell and the row that it changes, the attribute, and its value with the cell and without it.

    given_by: the field or the axis by which a user sets the same; empty where that has the name of the attribute. A fact of the stack is
    set by the choice of `stack`, its file and `stack_release`.
    """

    attribute: str
    cell: str
    value: object
    row: Mapping[str, str] = DENSE
    given_by: str = ""


SETS: Mapping[str, Sets] = {
    "layers": Sets("model.layers", "16", 16), "hidden": Sets("model.hidden", "8192", 8192), "heads": Sets("model.heads", "64", 64),
    "kv_heads": Sets("model.kv_heads", "4", 4), "head_dim": Sets("model.head_dim", "64", 64), "ffn": Sets("model.ffn", "8192", 8192),
    "gated": Sets("model.gated", "0", False), "vocab": Sets("model.vocab", "32000", 32_000), "tied": Sets("model.tied", "1", True),
    "experts": Sets("model.experts", "16", 16, SPARSE), "topk": Sets("model.experts_per_token", "4", 4, SPARSE),
    "expert_ffn": Sets("model.expert_ffn", "512", 512, SPARSE), "shared_experts": Sets("model.shared_ffn", "ffn 96", 96, SPARSE),
    "mtp_layers": Sets("model.mtp_layers", "1", 1, SPARSE),
    "model": Sets("model.name", "mine", "mine", given_by="model"),
    "seq": Sets("job.sequence", "4096", 4096), "global_batch": Sets("job.global_batch", "128", 128),
    "gpu": Sets("gpu.name", "a100-80gb-sxm", "a100-80gb-sxm", given_by="gpu"), "gpus": Sets("cluster.gpus", "32", 32),
    "gpus_per_node": Sets("cluster.gpus_per_node", "4", 4),
    "interconnect": Sets("cluster.nic_bytes_s", "100 Gb/s per GPU", 12.5e9, given_by="nic_gbit_s"),
    "nic_gbit_s": Sets("cluster.nic_bytes_s", "200", 25e9, given_by="nic_gbit_s"),
    "nccl_all_reduce_gb_s": Sets("cluster.measured_reduce_bytes_s", "360", 360e9, given_by="measured_reduce_gb_s"),
    "nccl_all_gather_gb_s": Sets("cluster.measured_gather_bytes_s", "300", 300e9, MEASURED,
                                 given_by="measured_gather_gb_s"),
    "nccl_reduce_scatter_gb_s": Sets("cluster.measured_gather_bytes_s", "300", 2 / (1 / 360e9 + 1 / 300e9), MEASURED,
                                     given_by="measured_gather_gb_s"),
    "framework": Sets("stack.name", "torchtitan", "torchtitan", given_by="stack"),
    "stack": Sets("stack.name", "nemo", "nemo", given_by="stack"),
    "released": Sets("stack.loss_kernel", "2025-01", "plain", DENSE | {"framework": "torchtitan", "released": "2026-09"}, "loss_kernel"),
    "tp": Sets("plan.tp", "2", 2), "pp": Sets("plan.pp", "2", 2), "cp": Sets("plan.cp", "2", 2),
    "ep": Sets("plan.ep", "4", 4, SPARSE),
    "etp": Sets("plan.etp", "2", 2, SPARSE | {"tp": "2", "sequence_parallel": "1"}), "vpp": Sets("plan.vpp", "4", 4, PIPED),
    "zero": Sets("plan.zero", "0", 0), "sequence_parallel": Sets("plan.sequence_parallel", "1", 1, DENSE | {"tp": "2"}),
    "micro_batch": Sets("plan.micro_batch", "2", 2), "recompute": Sets("plan.recompute", "none", 0),
    "schedule": Sets("plan.schedule", "zb-1p", 1, PIPED), "fsdp_kind": Sets("plan.zero", "megatron-fsdp", 3, DENSE | {"zero": ""}),
    "pp_layout": Sets("job.pipeline_layout", "Et*15|t*17L", "Et*15|t*17L", PIPED),
    "dtype": Sets("job.precision", "fp8", "fp8"), "fp8_recipe": Sets("job.fp8_recipe", "delayed", "delayed", DENSE | {"dtype": "fp8"}),
    "attention": Sets("job.attention", "unfused", "unfused"), "cuda_graphs": Sets("job.cuda_graphs", "full", "full"),
    "tp_overlap": Sets("job.tp_overlap", "1", "products", DENSE | {"framework": "NeMo (Megatron-Core)"}),
    "moe_dispatcher": Sets("job.moe_dispatcher", "hybridep", "hybridep", SPARSE),
    "moe_overlap": Sets("job.overlap_experts", "1", True, SPARSE), "moe_balanced": Sets("job.imbalance", "0", 1.35, SPARSE),
    "capacity_factor": Sets("job.capacity", "1.5", 1.5, SPARSE),
    "finetune": Sets("job.tuning", "lora", "lora"), "quantization": Sets("job.tuning", "nf4", "qlora", ADAPTED),
    "lora_rank": Sets("job.lora_rank", "64", 64, ADAPTED), "lora_targets": Sets("job.lora_targets", "all linear", "all", ADAPTED),
    "fp8_parameters": Sets("job.fp8_parameters", "1", True, DENSE | {"dtype": "fp8"}),
    "optimizer": Sets("job.optimizer", "muon", "muon"), "master_bytes": Sets("job.master_bytes", "2", 2),
    "moment_bytes": Sets("job.state_bytes", "2", 2), "gradient_bytes": Sets("job.gradient_bytes", "2", 2),
    "reduce_bytes": Sets("job.reduce_bytes", "2", 2), "autocast": Sets("job.autocast", "1", True),
    "foreach": Sets("job.foreach", "1", True),
    "optimizer_in_backward": Sets("job.optimizer_in_backward", "1", True),
    "expandable_segments": Sets("job.expandable_segments", "1", True),
    "recompute_modules": Sets("stack.selective.repeat", "mlp", {"mlp": 1.0}, SELECTIVE, "recompute_modules"),
    "offload": Sets("job.offload_optimizer", "optimizer", True), "loss_kernel": Sets("job.loss_kernel", "chunked", "chunked"),
    "kernels": Sets("job.kernels", "eager", "eager"),
    "note": Sets("job.loss_kernel", "Liger", "fused-linear"),
}  # fmt: skip
# Columns that set nothing of a run: what follows from the others, and how far a row is to be trusted. A cell that changes what is assumed.
OF_THE_ROW: Mapping[str, str] = {"dp": "16", "settings_trust": "guess"}


def value(run: Configured, attribute: str) -> object:
    """An attribute of the job, its model, its cluster, its GPU, its stack or its plan."""
    job = run.job
    roots = {"job": job, "model": job.model, "cluster": job.cluster, "gpu": job.cluster.gpu, "stack": job.stack, "plan": run.plan}
    root, *names = attribute.split(".")
    at: object = roots[root]
    for name in names:
        at = getattr(at, name)
    return at


def test_every_column_is_in_the_contract() -> None:
    """Each column that is read sets something, or is of the row alone."""
    assert {column.key for column in COLUMNS} == set(SETS) | set(OF_THE_ROW)


@pytest.mark.parametrize("column", SETS)
def test_a_column_sets_its_attribute(column: str) -> None:
    """The attribute has the value of the cell, and another without it: a column that is not read fails here."""
    sets = SETS[column]
    with_it, without = (value(configured(row), sets.attribute) for row in (dict(sets.row) | {column: sets.cell}, dict(sets.row)))
    assert with_it == pytest.approx(sets.value) if isinstance(sets.value, float) else with_it == sets.value
    assert with_it != without


@pytest.mark.parametrize("column", OF_THE_ROW)
def test_a_column_of_the_row_alone_is_read(column: str) -> None:
    """A degree that is given is not assumed, and settings that are a guess are listed as assumed."""
    assert configured(DENSE | {column: OF_THE_ROW[column]}).assumed != configured(DENSE).assumed


@pytest.mark.parametrize("column", SETS)
def test_a_user_can_set_what_a_column_sets(column: str) -> None:
    """A field or an axis sets the same attribute."""
    sets = SETS[column]
    root, name, *_ = sets.attribute.split(".")
    by_attribute = {f.attribute for f in FIELDS if f.spec == root}
    assert sets.given_by in {f.key for f in FIELDS} if sets.given_by else name in (AXES if root == "plan" else by_attribute)


def test_every_choice_of_a_job_has_a_field() -> None:
    """What a job has other than its specs and constants a user can set."""
    specs = {"model", "cluster", "stack", "constants"}
    assert {f.name for f in fields_of(Job)} - specs == {f.attribute for f in FIELDS if f.spec == "job"}
