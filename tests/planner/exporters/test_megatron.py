"""Megatron-LM and Megatron-Bridge: exports conform to the table of options and to bash; refusals have the right sentences."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.cost.pipeline_split import stage_layers
from planner.dimensions import Stage
from planner.document.space import Space
from planner.exporters import _megatron_facts as facts
from planner.exporters import _megatron_keys as keys
from planner.exporters._degrees import degrees
from planner.exporters.registry import CannotExport, Request, export, target
from planner.search.search import search
from planner.specs.job import RECOMPUTES, SCHEDULES, Job
from planner.specs.model import Model
from planner.specs.plan import Plan
from tests.planner.exporters.requests import request
from tests.planner.jobs import example

FIRST = RECOMPUTES.index("first")
BASH = shutil.which("bash") or "bash"
MODELS: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": {"sequence": 4096}, "llama-3.1-405b": {"gpus": 1024, "global_batch": 1024}, "mixtral-8x7b": {"sequence": 4096},
    "deepseek-v3-671b": {"gpus": 512, "global_batch": 1024, "sequence": 4096}, "gpt-oss-20b": {"sequence": 4096},
    "gemma-2-9b": {"sequence": 4096}, "gpt3-175b": {"gpus": 256, "sequence": 2048},
}  # fmt: skip


def job_of(model: str, **changes: Any) -> Job:
    """A job of a model; Gemma 2 with the number of norms that Megatron supports."""
    job = example(**({"gpus": 64, "global_batch": 256} | MODELS.get(model, {}) | {"model": model} | changes))
    return replace(job, model=replace(job.model, norms_per_layer=2)) if model == "gemma-2-9b" else job


def small(model: str = "llama-3.1-8b", plan: dict[str, Any] | None = None, arch: dict[str, Any] | None = None, **changes: Any) -> Request:
    """A plan on 16 GPUs that Megatron supports, with fields of plan, model and inputs changed."""
    job = example(**({"model": model, "gpus": 16, "global_batch": 64, "sequence": 2048} | changes))
    start = {"tp": 2, "pp": 2, "dp": 4, "dp_shard": 4, "zero": 1, "sequence_parallel": 1}
    return Request(replace(job, model=replace(job.model, **(arch or {}))), Plan(**(start | (plan or {}))))


def on_gpus(made: Request, gpus: int) -> Request:
    """The same request on another number of GPUs."""
    return replace(made, job=replace(made.job, cluster=replace(made.job.cluster, gpus=gpus)))


ALONE = {"tp": 1, "pp": 1, "dp": 16, "dp_shard": 16, "sequence_parallel": 0}
SPARSE = "mixtral-8x7b"
RARE: tuple[Callable[[], Request], ...] = (  # options that no search selects
    lambda: small(precision="fp16", attention="unfused", gradient_bytes="2"),
    lambda: small("qwen2.5-7b", gradient_bytes="2", state_bytes="1", attention="flash-2"),
    lambda: small(SPARSE, ALONE | {"ep": 8}, cuda_graphs="attention-router"),
    lambda: small("qwen2-57b-a14b", capacity=1.25),
    lambda: small(SPARSE, ALONE | {"ep": 8}, {"experts_per_token": 1}, stack="nemo"),
    lambda: small(SPARSE, ALONE | {"ep": 8}, overlap_experts=True),
    lambda: small("llama-3.1-8b", gpu="b200", cluster="", precision="fp4"),
    lambda: small(SPARSE, ALONE | {"zero": 2, "ep": 2}, gradient_bytes="2", offload_optimizer=False),
    lambda: small("gpt3-175b", {"zero": 0}, kernels="eager", loss_kernel="fused", optimizer="sgd-plain"),
    lambda: small(precision="fp8", fp8_parameters=True),
    lambda: small(plan={"tp": 2, "pp": 1, "dp": 8, "dp_shard": 8}, offload_activations=25.0),
    lambda: small(tp_overlap="products"),
    lambda: small("llama-3.1-8b", {"vpp": 2}, pipeline_layout="Et*7|t*8|(t*8|)*1t*9L"),
    lambda: GOLDEN["mixtral"](),
    lambda: GOLDEN["gpt3"](),
)


@cache
def drawn() -> tuple[Request, ...]:
    """Plans spread over the search results of each model, in several precisions."""
    requests: list[Request] = []
    for model in MODELS:
        for precision in ("bf16", "fp8"):
            job = job_of(model, precision=precision)
            result = search(job, Space())
            rows = result.order[:: max(1, len(result.order) // 12)]
            requests += [Request(job, result.plan(int(row)), ("drawn",)) for row in rows]
    return (*(r for r in requests if not target("megatron-lm").refusals(r)), *(make() for make in RARE))


def run(script: str, folder: Path, **environment: str) -> list[str]:
    """The arguments that a script passes to torchrun, from a run in an empty folder with a stand-in for torchrun."""
    fake = folder / "torchrun"
    fake.write_text('#!/bin/bash\nprintf "%s\\0" "$@" > arguments\n')
    fake.chmod(0o755)
    path = f"{folder}:/usr/bin:/bin"
    subprocess.run([BASH, "-c", script, "train.sh"], cwd=folder, env={"PATH": path, "HOME": str(folder)} | environment, check=True)
    return (folder / "arguments").read_text().split("\0")[:-1]


def options(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The options and values after pretrain_gpt.py."""
    rest = words[words.index("./pretrain_gpt.py") + 1 :]
    starts = [i for i, word in enumerate(rest) if word.startswith("--")]
    for start, end in zip(starts, [*starts[1:], len(rest)], strict=True):
        yield rest[start], rest[start + 1 : end]


def stages(layout: str) -> list[str]:
    """A layout expanded, stage by stage."""
    text = re.sub(r"\(([^)]+)\)\*(\d+)", lambda m: m[1] * int(m[2]), layout)
    return re.sub(r"(.)\*(\d+)", lambda m: m[1] * int(m[2]), text).split("|")


GOLDEN: dict[str, Callable[[], Request]] = {
    "405b": lambda: request(),
    "mixtral": lambda: small("mixtral-8x7b", {"tp": 1, "pp": 1, "dp": 16, "dp_shard": 8, "dp_replicate": 2, "ep": 8, "zero": 3,
                                              "sequence_parallel": 0}, state_bytes="2"),
    "deepseek-v3": lambda: Request(job_of("deepseek-v3-671b"), Plan(
        tp=2, pp=16, vpp=2, dp=16, dp_shard=16, ep=32, zero=1, sequence_parallel=1, recompute=FIRST, recompute_layers=1)),
    "gpt-oss": lambda: small("gpt-oss-20b", {"tp": 1, "pp": 1, "cp": 2, "dp": 8, "dp_shard": 8, "ep": 8, "sequence_parallel": 0}),
    "gpt3": lambda: small("gpt3-175b", {"recompute": RECOMPUTES.index("selective")}, optimizer="adamw", offload_optimizer=True),
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, golden: Callable[[str, str], None]) -> None:
    """The files of each plan are the golden files."""
    for framework, suffix in (("megatron-lm", "sh"), ("megatron-bridge", "yaml")):
        files = export(framework, GOLDEN[name]()).files
        assert list(files) == [target(framework).main]
        golden(f"export/{framework}-{name}.{suffix}", files[target(framework).main])


def test_every_script_is_bash_and_keeps_to_the_table(tmp_path: Path) -> None:
    """Every script is valid bash and passes only options of the table, once each, with values of their type and choices."""
    assert len(drawn()) >= 60
    assert {r.job.model.name for r in drawn()} >= set(MODELS)
    used: set[str] = set()
    for made in drawn():
        script = export("megatron-lm", made).files["train.sh"]
        assert subprocess.run([BASH, "-n"], input=script, text=True, capture_output=True).stderr == ""
        given = list(options(run(script, tmp_path, DATA_PATH="d" if made.job.model.tied else "", TOKENIZER_MODEL="t", CHECKPOINTS="c")))
        used |= {name for name, _ in given}
        assert len({name for name, _ in given}) == len(given)
        for name, values in given:
            key = keys.KEYS[name]
            assert len(values) == (0 if key.kind == "flag" else 1) or (key.several and values), name
            for value in values:
                assert {"int": int, "float": float}.get(key.kind, str)(value) is not None
                assert not key.choices or value in key.choices, name
    assert used == set(keys.KEYS)


def test_degrees_batch_and_layers_are_those_of_the_plan(tmp_path: Path) -> None:
    """Degrees, batch and layers of every pipeline rank equal the plan's; expert tensor parallelism is always explicit."""
    for made in drawn():
        d, given = degrees(made), dict(options(run(export("megatron-lm", made).files["train.sh"], tmp_path)))
        for name, value in (
            ("tensor-model", d.tp), ("pipeline-model", d.pp), ("context", d.cp), ("expert-model", d.ep), ("expert-tensor", d.etp),
        ):  # fmt: skip
            assert given[f"--{name}-parallel-size"] == [str(value)]
        assert given["--micro-batch-size"] == [str(d.micro_batch)] and given["--global-batch-size"] == [str(made.job.global_batch)]
        assert ("--sequence-parallel" in given) == d.sequence_parallel
        layers = [int(stage_layers(made.job, made.plan.column(), Stage(rank))[0]) for rank in range(d.pp)]
        if layout := given.get("--pipeline-model-parallel-layout"):
            spelled = stages(layout[0])
            assert [sum(s.count("t") for s in spelled[rank :: d.pp]) for rank in range(d.pp)] == layers
            assert len(spelled) == d.pp * d.vpp and spelled[0][0] == "E" and spelled[-1].endswith("m" * made.job.model.mtp_layers + "L")
        else:
            assert len(set(layers)) == 1 and given.get("--num-virtual-stages-per-pipeline-rank", ["1"]) == [str(d.vpp)]


@pytest.mark.parametrize(
    "name", ["$(touch hurt)", "`touch hurt`", "a\ntouch hurt", "a'; touch hurt #", "x\r\ntouch hurt", "\u2028touch hurt"]
)
def test_a_hostile_name_harms_nothing(name: str, tmp_path: Path) -> None:
    """Any model name or header executes nothing and leaves the YAML unchanged."""
    made = replace(small(arch={"name": name}), about=(name,))
    run(export("megatron-lm", made).files["train.sh"], tmp_path)
    assert not (tmp_path / "hurt").exists()
    assert yaml.safe_load(export("megatron-bridge", made).files["megatron-bridge.yaml"])["model"]["num_layers"] == made.job.model.layers


def test_data_and_tokenizer_are_set_by_the_user(tmp_path: Path) -> None:
    """Without data the script trains on random tokens; a path with spaces is passed unchanged."""
    script = export("megatron-lm", small()).files["train.sh"]
    assert "--mock-data" in run(script, tmp_path)
    words = run(script, tmp_path, DATA_PATH="my $(touch hurt) data", TOKENIZER_MODEL="t.model")
    assert words[words.index("--data-path") + 1] == "my $(touch hurt) data" and "--mock-data" not in words


@pytest.mark.slow
def test_bridge_and_megatron_agree(tmp_path: Path) -> None:
    """The overrides are YAML with the numbers of the script."""
    written = 0
    for made in drawn():
        if target("megatron-bridge").refusals(made):
            continue
        written += 1
        overrides = yaml.safe_load(export("megatron-bridge", made).files["megatron-bridge.yaml"])
        given = dict(options(run(export("megatron-lm", made).files["train.sh"], tmp_path)))
        for name in (
            "num-layers",
            "hidden-size",
            "ffn-hidden-size",
            "tensor-model-parallel-size",
            "expert-tensor-parallel-size",
            "seq-length",
        ):
            assert given[f"--{name}"] == [str(overrides["model"][name.replace("-", "_")])]
        assert len(overrides["model"].get("moe_layer_freq", [])) in (0, made.job.model.layers)
        assert overrides["ddp"]["use_distributed_optimizer"] == ("--use-distributed-optimizer" in given)
        assert overrides["model"]["pipeline_model_parallel_layout"] == given.get("--pipeline-model-parallel-layout", [None])[0]
        assert overrides["train"]["global_batch_size"] == made.job.global_batch
    assert written >= 40


def test_the_layers_with_experts() -> None:
    """Sparse layers follow the dense ones, the last of each period, in both notations."""
    model = replace(example(model="deepseek-v3-671b").model, layers=9, dense_layers=2, moe_every=3)
    assert facts.sparse_pattern(model) == "([0]*2+[0,0,1]*2+[0]*1)"
    assert facts.sparse_list(model) == [0, 0, 0, 0, 1, 0, 0, 1, 0]


REFUSED: dict[str, tuple[Callable[[], Request], str]] = {
    "schedule": (lambda: small(plan={"schedule": SCHEDULES.index("zb-h1")}), "not zb-h1: use 1f1b"),
    "alibi": (lambda: small("bloom-176b"), "ALiBi"),
    "norms": (lambda: small("gemma-2-9b"), "2 norms, not 4"),
    "parallel block": (lambda: small(arch={"parallel_block": True}), "sequentially"),
    "embedding norm": (lambda: small(arch={"embedding_norm": True}), "after the embedding"),
    "qk norm": (lambda: small(arch={"qk_norm": "full"}), "per head"),
    "chunks": (lambda: small("llama-4-scout-17b-16e"), "chunked attention"),
    "latent bias": (lambda: small("deepseek-v2-lite-16b", arch={"qkv_bias": True}), "no biases"),
    "latent rope": (lambda: small("deepseek-v2-lite-16b", arch={"rope_dim": 0}), "set rope_dim"),
    "mtp": (lambda: small("deepseek-v3-671b", arch={"moe_every": 3}), "set mtp_layers to 0"),
    "heads": (lambda: small(plan={"tp": 16, "pp": 1, "dp": 1, "zero": 0, "dp_shard": 1}, arch={"heads": 24}), "24 heads, 16 does not"),
    "world": (lambda: small(plan={"dp": 2, "dp_shard": 2}), "not the 16 GPUs"),
    "nodes": (lambda: on_gpus(small(plan={"dp": 3, "dp_shard": 3}), 12), "whole nodes"),
    "tpu": (lambda: small(gpu="tpu-v5p"), "not on TPUs"),
    "etp": (lambda: small("gpt-oss-20b", {"etp": 2}), "set etp to 1"),
    "ep": (lambda: small(SPARSE, {"ep": 3}), "8 experts, 3 does not"),
    "sp": (lambda: small(SPARSE, {"sequence_parallel": 0}), "turn it on"),
    "cp window": (lambda: small("gpt-oss-20b", {"tp": 2, "pp": 1, "cp": 8, "dp": 1, "zero": 1, "dp_shard": 1}), "attention sinks under cp"),
    "vpp": (lambda: small(plan={"vpp": 2, "dp": 4, "micro_batch": 16}), "groups of pp = 2, not 1"),
    "fsdp": (lambda: small(plan={"zero": 3}), "Megatron-FSDP"),
    "8 bit": (lambda: small(optimizer="adamw-8bit", stack="deepspeed"), "adamw with state_bytes 1"),
    "sgd": (lambda: small(optimizer="sgd"), "supports only Adam"),
    "narrow": (lambda: small(plan={"zero": 0}, state_bytes="2"), "set zero to 1"),
    "offload": (lambda: small(plan={"zero": 2, "pp": 1, "dp": 8, "dp_shard": 8}, offload_optimizer=True), "not under Megatron-FSDP"),
    "fp16": (lambda: small(SPARSE, {"ep": 2}, precision="fp16"), "no fp16"),
    "frozen": (lambda: Request(replace(small().job, tuning="lora"), small().plan), "set tuning to full"),
    "batch": (lambda: small(global_batch=66), "must divide the global batch"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """Both targets refuse what Megatron cannot express, in a sentence that says what would be right."""
    make, words = REFUSED[case]
    for framework in ("megatron-lm", "megatron-bridge"):
        with pytest.raises(CannotExport, match=re.escape(words)):
            export(framework, make())


def test_bridge_spells_out_precision() -> None:
    """Where no recipe has the gradient width or the low precision, the settings are spelled out."""

    def of(**changes: Any) -> Any:
        return yaml.safe_load(export("megatron-bridge", small(**changes)).files["megatron-bridge.yaml"])["mixed_precision"]

    assert (of(), of(precision="fp16", gradient_bytes="2")) == ("bf16_mixed", "fp16_mixed")
    assert of(gradient_bytes="2")["grad_reduce_in_fp32"] is False and of(gradient_bytes="2")["fp8"] is None
    assert (of(precision="fp8")["fp8"], of(precision="fp8")["fp8_recipe"]) == ("hybrid", "tensorwise")
    assert of(precision="fp16", gradient_bytes="4")["params_dtype"] == {"_target_": "torch.float16", "_call_": False}


def test_bridge_learns_positions_as_long_as_the_sequence() -> None:
    """Megatron-Bridge, whose learned positions are those of the sequence, refuses another length, which Megatron-LM takes."""
    made = small("gpt3-175b", sequence=1024)
    assert "--max-position-embeddings 2048" in export("megatron-lm", made).files["train.sh"]
    with pytest.raises(CannotExport, match="set the sequence to 2,048"):
        export("megatron-bridge", made)


def test_notes_stand_in_the_file() -> None:
    """Every note is also a comment in the file."""
    for framework in ("megatron-lm", "megatron-bridge"):
        done = export(framework, small(SPARSE, attention="flash-1", imbalance=1.2))
        assert len(done.notes) >= 3
        assert all(f"# Note: {note}" in done.files[target(framework).main] for note in done.notes)


def test_every_field_was_decided() -> None:
    """Each field of Model and Job is written, refused, noted or only predicted with: a new field must be decided too."""
    of_prediction = {"name", "published_parameters", "published_active", "sources", "notes"}
    model = {
        "layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab", "max_positions", "gated", "tied", "norm", "norms_per_layer",
        "positions", "bias", "qkv_bias", "qk_norm", "embedding_norm", "parallel_block", "dropout", "sliding_window", "global_every",
        "chunked", "sinks", "kv_rank", "q_rank", "rope_dim", "v_dim", "experts", "experts_per_token", "expert_ffn", "shared_ffn",
        "shared_gate", "dense_layers", "moe_every", "router_groups", "groups_per_token", "mtp_layers",
    }  # fmt: skip
    job = {
        "model", "cluster", "stack", "sequence", "global_batch", "precision", "optimizer", "gradient_bytes", "state_bytes", "attention",
        "offload_optimizer", "headroom", "imbalance", "capacity", "moe_dispatcher", "overlap_experts", "tuning",
        "lora_rank", "lora_targets", "kernels", "loss_kernel", "reduce_bytes", "master_bytes", "autocast", "foreach", "fp8_parameters",
        "fp8_recipe", "optimizer_in_backward", "expandable_segments", "recompute_modules", "recompute_every", "offload_parameters",
        "offload_activations", "offload_checkpoints", "offload_nvme", "cuda_graphs",
        "tp_overlap", "pipeline_layout",
    }  # fmt: skip
    assert {f.name for f in fields(Model)} == model | of_prediction
    assert {f.name for f in fields(Job)} == job | {"constants"}
