"""Import of other frameworks: job and plan of each format, and the report of what is not understood."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from planner.document.inputs import resolve
from planner.document.space import Space
from planner.errors import FieldError, FileError
from planner.importers.formats import read, read_text
from planner.importers.imported import document_of, inputs_of
from planner.importers.layer_pattern import dense_and_every
from planner.importers.sizes import differing, preset_of
from planner.search.search import search
from planner.specs.plan import Plan

MEGATRON = """#!/bin/bash
NNODES=${NNODES:-4}
PARALLEL=(
  --tensor-model-parallel-size 4   # within a node
  --pipeline-model-parallel-size 2
  --num-layers-per-virtual-pipeline-stage 4
  --sequence-parallel
)
torchrun --nproc-per-node 8 --nnodes $NNODES pretrain_gpt.py ${PARALLEL[@]} \\
  --num-layers 32 --hidden-size 4096 --ffn-hidden-size 14336 --num-attention-heads 32 --group-query-attention --num-query-groups 8 \\
  --vocab-size 128256 --swiglu --untie-embeddings-and-output-weights --seq-length 4096 --max-position-embeddings 8192 \\
  --micro-batch-size 1 --global-batch-size 128 --use-distributed-optimizer --bf16 --recompute-granularity full \\
  --recompute-method block --recompute-num-layers 2 --frobnicate 3
"""
TORCHTITAN = """
[model]
name = "llama3"
flavor = "70B"
[training]
local_batch_size = 2
seq_len = 8192
[parallelism]
data_parallel_replicate_degree = 2
data_parallel_shard_degree = 16
tensor_parallel_degree = 8
mystery = 1
[activation_checkpoint]
mode = "full"
"""
DEEPSPEED = {"train_batch_size": 256, "train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 4,
             "zero_optimization": {"stage": 3, "zero_hpz_partition_size": 8}, "bf16": {"enabled": True}, "odd": 1}  # fmt: skip
ACCELERATE = {
    "distributed_type": "FSDP", "mixed_precision": "bf16", "num_machines": 2, "num_processes": 16,
    "fsdp_config": {"fsdp_version": 2, "fsdp_reshard_after_forward": False, "fsdp_activation_checkpointing": True},
    "parallelism_config": {"parallelism_config_tp_size": 2, "parallelism_config_dp_replicate_size": 2},
}  # fmt: skip


def plan_of(text: str, where: str, model: str = "") -> Plan:
    """The plan of a file's text."""
    imported = read_text(text, where)
    plan = document_of(imported, inputs_of(imported, where, model)).plan
    assert plan is not None
    return plan


def test_a_megatron_script_with_variables_comments_and_arrays_is_read() -> None:
    """Job and plan of the script above, and the unknown option reported."""
    imported = read_text(MEGATRON, "run.sh")
    inputs = inputs_of(imported, "run.sh")
    document = document_of(imported, inputs)
    job = resolve(inputs)
    assert (inputs.values["model"], job.cluster.gpus, job.sequence, job.global_batch) == ("llama-3.1-8b", 32, 4096, 128)
    assert document.plan is not None
    assert document.plan.named() | {"tp": 4, "pp": 2, "vpp": 4, "dp": 4, "zero": 1, "sequence_parallel": True, "micro_batch": 1,
                                    "recompute": "first", "recompute_layers": 2} == document.plan.named()  # fmt: skip
    assert list(imported.not_understood) == ["--frobnicate 3"]


def test_a_torchtitan_configuration_is_read() -> None:
    """Degrees, batch and registered model of the TOML above."""
    imported = read_text(TORCHTITAN, "llama.toml")
    plan = plan_of(TORCHTITAN, "llama.toml")
    assert [int(n) for n in (plan.tp, plan.dp, plan.dp_shard, plan.dp_replicate, plan.zero, plan.micro_batch)] == [
        8,
        32,
        16,
        2,
        3,
        2,
    ]
    assert (preset_of(imported.sizes), imported.job["global_batch"], imported.gpus) == ("llama-3.1-70b", 64, 256)
    assert list(imported.not_understood) == ["[parallelism] mystery"]


def test_a_deepspeed_configuration_is_read() -> None:
    """Batch, accumulation and ZeRO-3 with hpz groups of the JSON above."""
    text = json.dumps(DEEPSPEED)
    imported, plan = read_text(text, "ds.json"), plan_of(text, "ds.json", "llama-3.1-8b")
    assert [int(degree) for degree in (plan.dp, plan.micro_batch, plan.zero, plan.dp_shard, plan.dp_replicate, imported.gpus)] == [
        32,
        2,
        3,
        8,
        4,
        32,
    ]
    assert list(imported.not_understood) == ["odd"]


def test_an_accelerate_configuration_is_read() -> None:
    """Degrees and FSDP strategy of the YAML above."""
    text = yaml.safe_dump(ACCELERATE)
    plan = plan_of(text, "fsdp.yaml", "qwen3-8b")
    assert [int(degree) for degree in (plan.tp, plan.dp, plan.dp_shard, plan.dp_replicate, plan.zero)] == [2, 8, 4, 2, 2]
    assert read_text(text, "fsdp.yaml").gpus_per_node == 8


def test_an_imported_plan_is_pinned() -> None:
    """A search of the imported space gives only the imported plan."""
    imported = read_text(MEGATRON, "run.sh")
    document = document_of(imported, inputs_of(imported, "run.sh"))
    result = search(resolve(document.inputs), document.space)
    assert [result.plan(row) for row in range(len(result))] == [document.plan]
    assert search(resolve(document.inputs), Space()).counts.evaluated > 1


def test_an_unknown_model_has_the_sizes_of_the_file() -> None:
    """Sizes that match no preset are set over a base preset."""
    text = MEGATRON.replace("--num-layers 32", "--num-layers 24").replace("--hidden-size 4096", "--hidden-size 2048")
    model = resolve(inputs_of(read_text(text, "run.sh"), "run.sh")).model
    assert (model.layers, model.hidden, model.ffn, model.kv_heads, model.vocab) == (24, 2048, 14336, 8, 128256)


REFUSED = [
    ("hello", "notes.txt", "has no format that tmplan reads: a Megatron-LM command line or script"),
    ("{", "ds.json", "is not valid JSON"),
    ('{"zero_optimization": {"stage": 7}}', "ds.json", "must be 0, 1, 2 or 3, not 7"),
    ('{"train_micro_batch_size_per_gpu": "auto"}', "ds.json", "'train_micro_batch_size_per_gpu' must be a whole number"),
    ('{"train_batch_size": 7, "train_micro_batch_size_per_gpu": 2}', "ds.json", "train_batch_size must be"),
    ("a: [", "a.yaml", "is not valid YAML"),
    ("a: 2024-99-99", "a.yaml", "is not valid YAML"),
    ("a: " + "[" * 5000, "a.yaml", "nested more than 32 deep"),
    ("[" * 100_000, "a.json", "is not valid JSON"),
    ("a = " + "[" * 5000, "a.toml", "is not valid TOML"),
    ("- 1", "a.yaml", "must be a mapping"),
    ("= 1", "a.toml", "is not valid TOML"),
    ("x = 1", "a.toml", "has no format that tmplan reads"),
    ('schema = 1\n[job]\n[plan]\n', "a.toml", "is a plan file; open it"),
    ("[training]\n[parallelism]\ntensor_parallel_degree = 0\n", "a.toml", "'tensor_parallel_degree' must be a whole number of at least 1"),
    ("[training]\n[parallelism]\ndata_parallel_shard_degree = -3\n", "a.toml", "must be -1, or from 1 to 17,179,869,184, not -3"),
    (MEGATRON.replace("--num-layers 32", "--num-layers many"), "a.sh", "option --num-layers must be a whole number, not 'many'"),
    (MEGATRON.replace("granularity full", "granularity some"), "a.sh", "--recompute-granularity must be full or selective, not 'some'"),
    (MEGATRON + "'", "a.sh", "is not a valid shell script"),
    (MEGATRON.replace("--tensor-model-parallel-size 4", "--tensor-model-parallel-size 0"), "a.sh",
     "option --tensor-model-parallel-size must be at least 1, not 0"),
    (MEGATRON.replace("-parallel-size 2", "-parallel-size 0 --pipeline-model-parallel-layout 'Et|tL'"), "a.sh",
     "option --pipeline-model-parallel-size must be at least 1, not 0"),
    ("A=xxxxxxxx\n" + "".join(f"{b}=${a}${a}${a}${a}\n" for a, b in pairwise("ABCDEFGHIJKLMNO")) + MEGATRON, "a.sh",
     "its variables expand to more than 1,048,576 characters"),
    ("A='" + "x" * 100_000 + "'\n" + "$A " * 100_000 + MEGATRON, "a.sh", "its variables expand to more than 1,048,576 characters"),
    (json.dumps(DEEPSPEED)[:-1] + ', "odd": 2}', "ds.json", "key 'odd' is given twice"),
    (TORCHTITAN.replace("70B\"", "70B\"\nconverters = 0.5"), "a.toml", "key 'converters' must be a list of texts, not 0.5"),
    (yaml.safe_dump(ACCELERATE | {"num_machines": 3}), "a.yaml", "num_processes 16 must be a multiple of num_machines 3"),
    (yaml.safe_dump(ACCELERATE | {"parallelism_config": {"parallelism_config_tp_size": 32}}), "a.yaml", "a multiple of tp 32 x cp 1"),
    (yaml.safe_dump(ACCELERATE | {"fsdp_config": 3}), "a.yaml", "key 'fsdp_config' must be a table, not 3"),
    (yaml.safe_dump(ACCELERATE | {"fsdp_config": {"fsdp_reshard_after_forward": "SOME"}}), "a.yaml",
     "key 'fsdp_reshard_after_forward' must be true, false or one of FULL_SHARD, SHARD_GRAD_OP"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "where", "sentence"), REFUSED, ids=range(len(REFUSED)))
def test_a_file_that_cannot_be_read_is_refused_in_one_sentence(text: str, where: str, sentence: str) -> None:
    """Each invalid file is refused in one sentence with its path and the reason."""
    with pytest.raises(FileError) as refusal:
        plan_of(text, where, "llama-3.1-8b")
    assert sentence in str(refusal.value)
    assert str(refusal.value).startswith(f"{where}: ")
    assert "\n" not in str(refusal.value)


def test_a_file_without_a_model_needs_one() -> None:
    """The message proposes --model."""
    with pytest.raises(FileError, match="choose the model with --model"):
        inputs_of(read_text(json.dumps(DEEPSPEED), "ds.json"), "ds.json")


def test_an_unreadable_path_is_refused(tmp_path: Path) -> None:
    """A folder, a missing file, bytes that are not UTF-8 and too large a file are refused."""
    (tmp_path / "image.json").write_bytes(b"\xff\xfe\x00")
    for path, sentence in ((tmp_path, "cannot be read"), (tmp_path / "none", "no such file"), (tmp_path / "image.json", "not UTF-8 text")):
        with pytest.raises(FileError, match=sentence):
            read(path)
    (tmp_path / "big.sh").write_bytes(b"#" * (2**18 + 1))
    with pytest.raises(FileError, match="larger than 256 KiB"):
        read(tmp_path / "big.sh")


def test_degrees_that_do_not_divide_the_gpus_are_refused() -> None:
    """The message has the file's degrees and proposes --gpus."""
    text = MEGATRON.replace("--tensor-model-parallel-size 4", "--tensor-model-parallel-size 64")
    with pytest.raises(FieldError, match="32 GPUs cannot be divided by the file's tp 64 x pp 2; set their number with --gpus"):
        plan_of(text, "run.sh")


@pytest.mark.parametrize("layout", ["(" + "|" * 100_000 + ")*9999", "(|)*9999" * 10_000, "|" * 500_000], ids=["repeated", "often", "long"])
def test_a_layout_of_any_length_is_refused_without_expansion(layout: str) -> None:
    """Ten bytes of a pipeline layout can denote thousands of stages; more than any model has are refused in a sentence."""
    text = MEGATRON.replace("--num-layers-per-virtual-pipeline-stage 4", f"--pipeline-model-parallel-layout '{layout}'")
    with pytest.raises(FileError, match="pipeline_layout must have at most 20,000 modules and stages"):
        read_text(text, "run.sh")


def test_replicated_groups_that_do_not_divide_the_ranks_are_refused() -> None:
    """Three groups of eight ranks are impossible: the message has both and proposes --gpus."""
    text = TORCHTITAN.replace("replicate_degree = 2", "replicate_degree = 3").replace("degree = 16", "degree = -1")
    with pytest.raises(FieldError, match="dp 1 cannot be divided into the file's 3 replicated groups; set the number of GPUs with --gpus"):
        plan_of(text, "a.toml")


def test_a_dense_model_matches_no_mixture() -> None:
    """A file without experts describes a dense model, even where a mixture has the same layers, width and heads."""
    sizes = {"layers": 28, "hidden": 3584, "heads": 28, "kv_heads": 4, "ffn": 18944}
    assert (preset_of(sizes), preset_of(sizes | {"experts": 64, "experts_per_token": 8})) == ("qwen2.5-7b", "qwen2-57b-a14b")


@pytest.mark.parametrize(
    ("strategy", "zero", "replicas"), [("FULL_SHARD", 3, 1), ("SHARD_GRAD_OP", 2, 1), ("HYBRID_SHARD", 3, 2), ("NO_SHARD", 0, 16)]
)
def test_the_strategies_of_fsdp_are_read(strategy: str, zero: int, replicas: int) -> None:
    """FSDP1's strategies map to ZeRO stages; hybrid ones replicate over machines."""
    config = ACCELERATE | {"fsdp_config": {"fsdp_reshard_after_forward": strategy}, "parallelism_config": None}
    plan = plan_of(yaml.safe_dump(config), "fsdp.yaml", "qwen3-8b")
    assert [int(degree) for degree in (plan.zero, plan.dp_replicate)] == [zero, replicas]


SPARSE = MEGATRON.replace("--num-layers 32", "--num-layers 24 --num-experts 8")
FREQUENCIES = [
    ("([0]*3+[1]*21)", (3, 1)),
    ("[0]*3+[1]*21", (3, 1)),
    ("1", (0, 1)),
    ("2", (0, 2)),
    ("[0,1]*12", (0, 2)),
    ("[0]*4 + 10*[0, 1]", (4, 2)),
    ("([1]*24)", (0, 1)),
    ("5", None),
    ("[1,0,1]", None),
    ("[1]*20+[0]*4", None),
    ("[1]*10**9", None),
    ("[[1]*24]", None),
    ("__import__(1)", None),
    ("[1]*24 if 1 else 2", None),
    ("(" * 900 + "[1]*24" + ")" * 900, None),
    ("[1]*9999*9999*9999", None),
]


@pytest.mark.parametrize(("text", "pattern"), FREQUENCIES, ids=[text[:20] for text, _ in FREQUENCIES])
def test_moe_layer_freq_is_read_or_reported(text: str, pattern: tuple[int, int] | None) -> None:
    """Every form of --moe-layer-freq that a Model can express is read; any other is reported as not understood."""
    assert dense_and_every(text, 24) == pattern
    read = read_text(f"{SPARSE.rstrip()} --moe-layer-freq '{text}'\n", "run.sh")
    reported = [line for line in read.not_understood if line.startswith("--moe-layer-freq")]
    assert len(reported) == (pattern is None)
    if pattern:
        assert (read.sizes["dense_layers"], read.sizes["moe_every"]) == pattern


def test_traits_of_an_unknown_model_come_from_the_file() -> None:
    """Traits in the file are planned with though no preset has its sizes; those that no preset supplies are reported."""
    text = MEGATRON.replace("--num-layers 32", "--num-layers 20 --qk-layernorm --disable-bias-linear --normalization RMSNorm")
    for more, trait in (("--position-embedding-type rope", "qk_norm"), ("--softmax-type learnable --add-qkv-bias", "qkv_bias")):
        imported = read_text(f"{text.rstrip()} {more}\n", "run.sh")
        model = resolve(inputs_of(imported, "run.sh")).model
        differences = list(differing(imported.sizes, model))
        assert getattr(model, trait) == imported.sizes[trait] or any(f"has {trait} " in line for line in differences)
    assert resolve(inputs_of(read_text(text + " --position-embedding-type rope", "run.sh"), "run.sh")).model.qk_norm == "head"


def test_a_custom_flavor_without_sizes_is_reported() -> None:
    """A description with a preset but no sizes is read as that preset, and a note says that its sizes may differ."""
    text = (
        TORCHTITAN.replace('name = "llama3"', 'name = "qwen3"').replace('"70B"', '"tmplan"') + '[job]\ndescription = "tmplan: qwen3-14b"\n'
    )
    imported = read_text(text, "train.toml")
    assert preset_of(imported.sizes, imported.base) == "qwen3-14b"
    assert any("has no sizes of" in line for line in imported.not_understood)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("--expert-model-parallel-size 8 --moe-token-dispatcher-type flex --moe-flex-dispatcher-backend hybridep", "hybridep"),
        ("--expert-model-parallel-size 8 --moe-token-dispatcher-type flex", "deepep"),
        ("--expert-model-parallel-size 8 --moe-token-dispatcher-type alltoall", "alltoall"),
        ("--expert-model-parallel-size 8", "allgather"),  # Megatron-LM's default
        ("--moe-token-dispatcher-type alltoall", None),
    ],
)
def test_the_dispatcher_of_tokens_is_read(text: str, sent: str | None, tmp_path: Path) -> None:
    """A flexible dispatcher is its backend's, DeepEP by default; without expert parallelism there is none."""
    path = tmp_path / "train.sh"
    path.write_text(f"torchrun pretrain_gpt.py --num-layers 4 --hidden-size 64 --tensor-model-parallel-size 1 --num-experts 8 {text}\n")
    assert read(path).job.get("moe_dispatcher") == sent
