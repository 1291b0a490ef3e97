"""The lab on tiny models, against counts by hand: states to the byte, a layer's activations by the tensors that it stores."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from planner.document.inputs import Inputs, resolve
from planner.lab.from_plan import task_of
from planner.lab.record import Record
from planner.lab.runner import Runner
from planner.lab.task import DENSE, Task
from planner.specs.plan import Plan

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

HIDDEN, HEADS, KV_HEADS, FFN, VOCAB, TOKENS = 512, 8, 2, 1536, 32_000, 2048
WIDTH = HIDDEN // HEADS


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """A runner in the Python of the tests; its guard is compiled once."""
    return Runner(tmp_path_factory.mktemp("cache"))


def a_model(folder: Path) -> str:
    """The config.json of a tiny Llama, whose tensors are multiples of the 512 bytes that the allocator rounds to."""
    config = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN, "num_hidden_layers": 4,
        "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "intermediate_size": FFN, "vocab_size": VOCAB,
        "max_position_embeddings": 8192, "tie_word_embeddings": False,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder / "config.json")


def weights(layers: int) -> int:
    """Weights of the model, norms included."""
    attention = HIDDEN * WIDTH * (2 * HEADS + 2 * KV_HEADS)
    return layers * (attention + 3 * HIDDEN * FFN + 2 * HIDDEN) + 2 * VOCAB * HIDDEN + HIDDEN


def two_depths(runner: Runner, task: Task) -> tuple[Record, Record]:
    """The records of two and of four layers."""
    shallow, deep = (runner.run(replace(task, layers=(DENSE * layers,))) for layers in (2, 4))
    return shallow, deep


@pytest.mark.skipif(not find_spec("megatron"), reason="megatron-core is not installed; the extra `verify` has it")
def test_megatron(runner: Runner, tmp_path: Path) -> None:
    """2 bytes of weights and 4 of gradients, 12 bytes of states per weight of a rank; of a layer what its backward pass needs."""
    job = resolve(Inputs({"model": a_model(tmp_path), "gpus": 4, "stack": "megatron-core", "global_batch": 8, "sequence": TOKENS}))
    shallow, deep = two_depths(runner, task_of(job, Plan(dp=4, dp_shard=4, zero=1), 0))
    for layers, record in ((2, shallow), (4, deep)):
        kinds = record.peak.kinds
        assert kinds["params"] == pytest.approx(2 * weights(layers), rel=1e-3)
        assert kinds["grads"] == pytest.approx(4 * weights(layers), rel=1e-3)
        assert kinds["optimizer"] == pytest.approx(12 * weights(layers) / 4, rel=1e-3)
    # in 2 bytes: two residual streams, the outputs of two norms, query, key and value packed, query and key after the rotation and the
    # cosines and sines of each, the output of attention, gate and up, and their product; in 4 bytes: the log-sum-exp of each head, and a
    # number per norm
    attention = (HIDDEN + 2 * KV_HEADS * WIDTH) + (HIDDEN + KV_HEADS * WIDTH) + 4 * WIDTH + HIDDEN
    per_token = 2 * (4 * HIDDEN + attention + 3 * FFN) + 4 * (HEADS + 2)
    stored = (deep.phases["loss"].kinds["activations"] - shallow.phases["loss"].kinds["activations"]) / 2
    assert stored == pytest.approx(per_token * TOKENS, rel=1e-3)
    assert deep.reserved >= deep.live and deep.expandable >= deep.live


@pytest.mark.skipif(not find_spec("transformers"), reason="transformers is not installed; the extra `verify` has it")
def test_transformers(runner: Runner, tmp_path: Path) -> None:
    """Of 4 shards of fp32 weights under FSDP, 4 bytes of each weight and 8 of states; a layer and the root are gathered in 2 bytes."""
    job = resolve(Inputs({"model": a_model(tmp_path), "gpus": 4, "stack": "pytorch-fsdp", "global_batch": 4, "sequence": TOKENS}))
    shallow, deep = two_depths(runner, task_of(job, Plan(dp=4, dp_shard=4, zero=3, recompute=2), 0))
    for layers, record in ((2, shallow), (4, deep)):
        kinds = record.peak.kinds
        assert kinds["params"] == pytest.approx(weights(layers), rel=0.01)
        assert kinds["optimizer"] == pytest.approx(2 * weights(layers), rel=0.01)
        assert record.states == pytest.approx(3 * weights(layers), rel=0.02)
    # a checkpoint of a layer is its input, in 2 bytes
    stored = (deep.phases["loss"].kinds["activations"] - shallow.phases["loss"].kinds["activations"]) / 2
    assert stored == pytest.approx(2 * HIDDEN * TOKENS, rel=0.02)


@pytest.mark.skipif(not find_spec("deepspeed"), reason="deepspeed is not installed; the extra `verify` has it")
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_deepspeed(stage: int, runner: Runner, tmp_path: Path) -> None:
    """Of 4 partitions, 12 bytes of states of each weight, and 2 of weights: of all weights below ZeRO-3, of its partition in ZeRO-3."""
    job = resolve(Inputs({"model": a_model(tmp_path), "gpus": 4, "stack": "deepspeed", "global_batch": 8, "sequence": TOKENS}))
    record = runner.run(replace(task_of(job, Plan(dp=4, dp_shard=4, zero=stage, recompute=2), 0), layers=(DENSE * 2,)))
    kinds = record.phases["loss"].kinds
    assert kinds["params"] == pytest.approx(2 * weights(2) / (4 if stage == 3 else 1), rel=0.01)
    assert kinds["optimizer"] == pytest.approx(12 * weights(2) / 4, rel=0.01)


@pytest.mark.skipif(not find_spec("torchtitan"), reason="torchtitan is not installed; the extra `verify` has it")
def test_torchtitan(runner: Runner, tmp_path: Path) -> None:
    """Of 4 shards of fp32 weights, 4 bytes of each weight and 8 of states; a recomputed layer stores its input, in 2 bytes."""
    job = resolve(Inputs({"model": a_model(tmp_path), "gpus": 4, "stack": "torchtitan", "global_batch": 4, "sequence": TOKENS}))
    shallow, deep = two_depths(runner, task_of(job, Plan(dp=4, dp_shard=4, zero=3, recompute=2), 0))
    for layers, record in ((2, shallow), (4, deep)):
        assert record.peak.kinds["params"] == pytest.approx(weights(layers), rel=0.01)
        assert record.states == pytest.approx(3 * weights(layers), rel=0.05)
    stored = (deep.phases["loss"].kinds["activations"] - shallow.phases["loss"].kinds["activations"]) / 2
    assert stored == pytest.approx(2 * HIDDEN * TOKENS, rel=0.02)


@pytest.mark.skipif(not find_spec("torchtitan"), reason="torchtitan is not installed; the extra `verify` has it")
def test_torchtitan_pipeline(runner: Runner, tmp_path: Path) -> None:
    """The first of two stages holds the embedding, the last the head: the same weights but for the last norm."""
    job = resolve(Inputs({"model": a_model(tmp_path), "gpus": 2, "stack": "torchtitan", "global_batch": 4, "sequence": TOKENS}))
    first, last = (runner.run(replace(task_of(job, Plan(pp=2), stage), layers=(DENSE, DENSE))) for stage in (0, 1))
    half = (weights(2) - HIDDEN) / 2
    assert first.peak.kinds["params"] == pytest.approx(4 * half, rel=0.01)
    assert last.peak.kinds["params"] == pytest.approx(4 * half, rel=0.01)
    assert last.live > first.live
