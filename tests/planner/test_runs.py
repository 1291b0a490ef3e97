"""Rows of measured runs as the jobs and plans they were."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import TmplanError
from planner.predict import predict
from planner.runs import configured, nic_gbit
from planner.specs import RECOMPUTES

ROW = {
    "id": "a", "framework": "torchtitan (PyTorch)", "model": "llama3-8b", "layers": "32", "hidden": "4096", "heads": "32", "kv_heads": "8",
    "head_dim": "128", "ffn": "14336", "gated": "1", "vocab": "128256", "seq": "8192", "tied": "0", "gpu": "h100-sxm", "gpus": "16",
    "gpus_per_node": "8", "tp": "2", "pp": "1", "cp": "1", "dp": "8", "vpp": "1", "zero": "3", "micro_batch": "1", "global_batch": "16",
    "recompute": "full", "dtype": "bf16", "attention": "flash",
}  # fmt: skip


def row(**changes: str) -> dict[str, str]:
    """The row with some columns changed."""
    return ROW | changes


@pytest.mark.parametrize(
    ("framework", "gpu", "note", "stack"),
    [
        ("NeMo/Megatron-Core", "h100-sxm", "", "nemo-tuned"), ("NeMo (Megatron-Core)", "h100-sxm", "", "nemo"),
        ("Megatron-Bridge (Megatron-Core)", "b200", "", "nemo-tuned"), ("Megatron-LM", "a100-80gb-sxm", "", "megatron-lm-2021"),
        ("Megatron-LM", "h100-sxm", "", "megatron-core"), ("Megatron-DeepSpeed", "v100-32gb-sxm", "", "megatron-deepspeed"),
        ("nanotron v0.5", "h100-sxm", "", "nanotron"), ("llm-foundry/Composer (PyTorch FSDP1)", "a100-40gb-sxm", "", "pytorch-fsdp"),
        ("MaxText (JAX)", "h100-sxm", "", "maxtext"), ("DeepSpeed ZeRO-3", "h100-sxm", "", "deepspeed"),
        ("Megatron-Core r0.8.0", "h100-sxm", "kernels: tp-comm-overlap", "nemo-tuned"), ("aleph-alpha", "h100-sxm", "", "aleph-alpha"),
    ],
)  # fmt: skip
def test_a_framework_by_its_own_words_is_the_stack_that_stands_for_it(framework: str, gpu: str, note: str, stack: str) -> None:
    """The name a source gives its framework, its GPU's age and what it says of overlap choose the stack."""
    assert configured(row(framework=framework, gpu=gpu, note=note)).job.stack.name == stack


def test_a_framework_nobody_knows_is_taken_for_the_usual_one_and_said() -> None:
    """An unknown framework stands as Megatron-Core, and `assumed` says so."""
    found = configured(row(framework="something new"))
    assert found.job.stack.name == "megatron-core"
    assert found.assumed["framework"] == "megatron-core"


@pytest.mark.parametrize(
    ("words", "gbit"),
    [
        ("4 x 100Gb RoCE between nodes", 50.0), ("RDMA 400 Gb/s per GPU", 400.0), ("800 Gbps per node", 100.0), ("1600 Gbps RoCE", 200.0),
        ("one 100 Gb/s EDR IB per node", 12.5), ("NVLink3 600GB/s intra; HDR InfiniBand 200Gb/s inter", 200.0),
        ("8x ConnectX-7 IB NDR 400Gb/s, 1x Ethernet 100Gb/Sec", 400.0), ("PCIe-NIC: 500 GB/s", None), ("NVSwitch", None), ("", None),
    ],
)  # fmt: skip
def test_a_networks_rate_is_read_from_a_sources_words(words: str, gbit: float | None) -> None:
    """Gb/s a GPU come from ports times rate, a rate a GPU or a node; bytes a second and bare names tell nothing."""
    assert nic_gbit(words, 8) == gbit


def test_what_a_row_does_not_tell_is_assumed_and_said() -> None:
    """Blank columns are filled as the stack's users have them, and each stands in `assumed`; told ones never do."""
    found = configured(row(zero="", sequence_parallel="", vpp="", dtype="", tied="", vocab="", dp=""))
    assert {"zero", "sequence_parallel", "vpp", "dtype", "tied", "vocab", "dp"} <= set(found.assumed)
    assert (found.plan.zero, found.plan.dp) == (3, 8)
    assert not {"tp", "micro_batch", "gpu"} & set(found.assumed)


def test_the_lightest_recomputation_that_fits_stands_in_for_one_not_told() -> None:
    """Where there is room nothing is recomputed, where there is none more is, and the answer says which was taken."""
    wide, narrow = predict([row(recompute="", gpu="b200", id="wide"), row(recompute="", micro_batch="16", global_batch="128", id="narrow")])
    assert RECOMPUTES.index(wide["assumed"]["recompute"]) < RECOMPUTES.index(narrow["assumed"]["recompute"])
    assert wide["fits"]


def test_a_micro_batch_not_told_is_the_fastest_that_fits() -> None:
    """The step of a row without a micro-batch is that of the best told one."""
    told = predict([row(micro_batch=str(size), id=str(size), recompute="full") for size in (1, 2)])
    (blank,) = predict([row(micro_batch="", recompute="full")])
    assert blank["step_seconds"] == pytest.approx(min(p["step_seconds"] for p in told if p["fits"]))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experts": "8"}, "mixture of experts"), ({"gpu": "abacus"}, "abacus"), ({"layers": ""}, "layers"), ({"hidden": "wide"}, "hidden"),
        ({"attention": "quantum"}, "attention"), ({"recompute": "some"}, "recompute"), ({"seq": "-1"}, "seq"), ({"gpus": "1.5"}, "gpus"),
        ({"schedule": "wave"}, "schedule"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_modelled_is_refused_in_a_sentence_and_stops_no_other(changes: dict[str, str], words: str) -> None:
    """The refusal names what is wrong on one line; the rows beside it are predicted."""
    with pytest.raises(TmplanError, match=words):
        configured(row(**changes))
    bad, good = predict([row(**changes), row(id="b")])
    assert words in bad["error"]
    assert "\n" not in bad["error"]
    assert good["step_seconds"] > 0


def test_rows_predicted_together_are_what_each_is_alone() -> None:
    """Predictions do not depend on the rows beside them."""
    rows = [row(id=str(i), tp=tp, dp=str(16 // int(tp)), micro_batch=mb) for i, (tp, mb) in enumerate([("1", "1"), ("2", "2"), ("4", "1")])]
    alone: list[Any] = [predict([r])[0] for r in rows]
    assert predict(rows) == alone
