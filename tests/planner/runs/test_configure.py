"""Jobs and plans of measured runs, rows of a runs file."""

from __future__ import annotations

import itertools
from math import gcd
from pathlib import Path
from typing import Any

import pytest

import planner.runs.predict
from planner.errors import TmplanError
from planner.runs.configure import configured
from planner.runs.network_of_row import nic_gbit
from planner.runs.predict import predict
from planner.specs.job import RECOMPUTES, SCHEDULES

ROW = {
    "id": "a", "framework": "torchtitan (PyTorch)", "model": "llama3-8b", "layers": "32", "hidden": "4096", "heads": "32", "kv_heads": "8",
    "head_dim": "128", "ffn": "14336", "gated": "1", "vocab": "128256", "seq": "8192", "tied": "0", "gpu": "h100-sxm", "gpus": "16",
    "gpus_per_node": "8", "tp": "2", "pp": "1", "cp": "1", "dp": "8", "vpp": "1", "zero": "3", "micro_batch": "1", "global_batch": "16",
    "recompute": "full", "dtype": "bf16", "attention": "flash",
}  # fmt: skip
# DeepSeek-V3 on Megatron-Bridge.
SPARSE = ROW | {
    "id": "m", "framework": "Megatron-Bridge (Megatron-Core)", "model": "DeepSeekV3", "layers": "61", "hidden": "7168", "heads": "128",
    "kv_heads": "128", "ffn": "18432", "vocab": "129280", "seq": "4096", "experts": "256", "topk": "8", "expert_ffn": "2048",
    "shared_experts": "1", "gpus": "1024", "tp": "2", "pp": "8", "dp": "64", "ep": "64", "etp": "1", "vpp": "4", "zero": "1",
    "sequence_parallel": "1", "global_batch": "8192",
}  # fmt: skip
# A small model with the sizes of none of the presets.
SMALL = SPARSE | {
    "model": "small", "layers": "16", "hidden": "1024", "heads": "32", "kv_heads": "32", "ffn": "4096", "vocab": "50257", "experts": "32",
    "topk": "4", "expert_ffn": "1024", "shared_experts": "ffn 512", "gpus": "8", "tp": "2", "pp": "2", "dp": "2", "ep": "4", "vpp": "1",
    "global_batch": "32",
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
        ("Megatron-Core r0.8.0", "h100-sxm", "kernels: tp-comm-overlap", "nemo-tuned"),
        ("Hugging Face Trainer (transformers) + DeepSpeed", "h100-sxm", "", "deepspeed"),
        ("ATorch (DeepSpeed 3D, Megatron-like)", "h100-sxm", "", "megatron-deepspeed"),
        ("ATorch (PyTorch FSDP)", "h100-sxm", "", "transformers"),
        ("Megatron-SWIFT", "a100-80gb-sxm", "", "megatron-core"),
        ("ms-swift (transformers Trainer + DeepSpeed)", "h100-sxm", "", "deepspeed"),
        ("EasyContext (accelerate + DeepSpeed ZeRO-3)", "h100-sxm", "", "deepspeed"),
        ("torchtitan (PyTorch FSDP1)", "h100-sxm", "", "torchtitan"),
        ("NeMo 2.0", "h100-sxm", "", "nemo-tuned"), ("Primus (Megatron-LM)", "mi300x", "", "megatron-core"),
        ("VeOmni", "h100-sxm", "", "torchtitan"), ("t5x", "tpu-v4", "", "maxtext"), ("ColossalAI", "h800", "", "internevo"),
        ("DeepSpeed-Chat", "a100", "", "deepspeed"), ("GPT-NeoX", "a100", "", "megatron-deepspeed"), ("verl", "h100", "", "megatron-core"),
        ("Megatron-LM fork (zero bubble)", "a100-80gb-sxm", "", "zero-bubble"), ("aleph-alpha", "h100-sxm", "", "aleph-alpha"),
    ],
)  # fmt: skip
def test_the_stack_is_derived_from_the_name_of_the_framework(framework: str, gpu: str, note: str, stack: str) -> None:
    """The name of the framework, the generation of the GPU and a note on overlap determine the stack."""
    assert configured(row(framework=framework, gpu=gpu, note=note)).job.stack.name == stack


def test_the_column_stack_counts_before_the_name_of_the_framework() -> None:
    """A stack preset in `stack` is the stack whatever the framework is called; an unknown one is refused."""
    assert configured(row(framework="Megatron-LM", stack="torchtitan")).job.stack.name == "torchtitan"
    with pytest.raises(TmplanError, match="torchtitann"):
        configured(row(stack="torchtitann"))


def test_an_unknown_framework_is_modelled_as_megatron_core() -> None:
    """An unknown framework is modelled as Megatron-Core, which `assumed` lists."""
    run = configured(row(framework="something new"))
    assert run.job.stack.name == "megatron-core"
    assert run.assumed["framework"] == "megatron-core"


@pytest.mark.parametrize(
    ("text", "gbit"),
    [
        ("4 x 100Gb RoCE between nodes", 50.0), ("RDMA 400 Gb/s per GPU", 400.0), ("800 Gbps per node", 100.0), ("1600 Gbps RoCE", 200.0),
        ("one 100 Gb/s EDR IB per node", 12.5), ("NVLink3 600GB/s intra; HDR InfiniBand 200Gb/s inter", 200.0),
        ("NVLink in node; eight 100 Gbps NICs per node; PCIe 5.0", 100.0), ("two 200 Gb/s HDR ports a node", 50.0),
        ("8x ConnectX-7 IB NDR 400Gb/s, 1x Ethernet 100Gb/Sec", 400.0), ("PCIe-NIC: 500 GB/s", None), ("NVSwitch", None), ("", None),
    ],
)  # fmt: skip
def test_the_network_rate_is_read_from_the_interconnect(text: str, gbit: float | None) -> None:
    """Gb/s per GPU from ports times rate, or a rate per GPU or node; rates in bytes and names without a rate are ignored."""
    assert nic_gbit(text, 8) == gbit


def test_a_rate_as_a_number_counts_before_words() -> None:
    """The network of a row is that of nic_gbit_s, whatever the interconnect says."""
    words = row(interconnect="800 Gbps per node")
    assert configured(words).job.cluster.nic_bytes_s == 100 * 1.25e8
    assert configured(words | {"nic_gbit_s": "50"}).job.cluster.nic_bytes_s == 50 * 1.25e8


def test_blanks_are_assumed_and_listed() -> None:
    """Blanks get the usual values of the stack, which `assumed` lists; given values are not in it."""
    run = configured(row(zero="", sequence_parallel="", vpp="", dtype="", tied="", vocab="", dp=""))
    assert {"zero", "sequence_parallel", "vpp", "dtype", "tied", "vocab", "dp"} <= set(run.assumed)
    assert [int(degree) for degree in (run.plan.zero, run.plan.dp)] == [3, 8]
    assert not {"tp", "micro_batch", "gpu"} & set(run.assumed)


def test_blank_recomputation_is_the_lightest_that_fits() -> None:
    """Recomputation is lighter with more memory, and `assumed` lists it."""
    wide, narrow = predict([row(recompute="", gpu="b200", id="wide"), row(recompute="", micro_batch="16", global_batch="128", id="narrow")])
    assert RECOMPUTES.index(wide["assumed"]["recompute"]) < RECOMPUTES.index(narrow["assumed"]["recompute"])
    assert wide["fits"]


def test_a_prediction_fits_is_at_risk_or_does_not_fit() -> None:
    """With longer sequences a run that fits is at risk before it does not fit."""
    rows = [row(seq=str(1024 * n), recompute="none", id=str(n)) for n in range(1, 60)]
    fits = [prediction["fit"] for prediction in predict(rows)]
    order = ["fits", "at risk", "does not fit"]
    assert [name for name, _ in itertools.groupby(fits)] == order


def test_a_blank_micro_batch_is_the_fastest_that_fits() -> None:
    """The step time of a row without a micro-batch is that of the best given one."""
    given = predict([row(micro_batch=str(size), id=str(size), recompute="full") for size in (1, 2)])
    (blank,) = predict([row(micro_batch="", recompute="full")])
    assert blank["step_seconds"] == pytest.approx(min(p["step_seconds"] for p in given if p["fits"]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"experts": "8", "ep": "3"}, "ep 3 does not divide the 8 experts"), ({"experts": "64", "ep": "32"}, "not divide the 16 ranks"),
        ({"experts": "8", "shared_experts": "two"}, "shared_experts"), ({"gpu": "abacus"}, "abacus"), ({"layers": ""}, "layers"),
        ({"hidden": "wide"}, "hidden"), ({"attention": "quantum"}, "attention"), ({"recompute": "some"}, "recompute"),
        ({"seq": "-1"}, "seq"), ({"gpus": "1.5"}, "gpus"), ({"schedule": "wave"}, "schedule"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_modelled_is_refused_without_stopping_others(changes: dict[str, str], message: str) -> None:
    """The error names the fault on one line; other rows are predicted."""
    with pytest.raises(TmplanError, match=message):
        configured(row(**changes))
    bad, good = predict([row(**changes), row(id="b")])
    assert message in bad["error"]
    assert "\n" not in bad["error"]
    assert good["step_seconds"] > 0


def test_predictions_of_a_row_are_independent_of_other_rows() -> None:
    """Rows predicted together have the same predictions as individually."""
    rows = [row(id=str(i), tp=tp, dp=str(16 // int(tp)), micro_batch=mb) for i, (tp, mb) in enumerate([("1", "1"), ("2", "2"), ("4", "1")])]
    alone: list[Any] = [predict([r])[0] for r in rows]
    assert predict(rows) == alone


def test_a_mixture_of_experts_is_read_from_its_columns() -> None:
    """Experts, active experts per token, their width and degrees are those of the columns; shared experts a count or a width."""
    run = configured(SMALL)
    model = run.job.model
    assert (model.experts, model.experts_per_token, model.expert_ffn, model.shared_ffn) == (32, 4, 1024, 512)
    assert [int(degree) for degree in (run.plan.ep, run.plan.etp)] == [4, 1]
    assert configured(SMALL | {"shared_experts": "2"}).job.model.shared_ffn == 2048
    assert not {"model", "ep", "etp", "topk", "expert_ffn"} & set(run.assumed)


def test_blanks_of_a_mixture_of_experts_are_assumed_and_listed() -> None:
    """Without a preset two experts of the dense width are active, ep is the gcd of experts, ranks and node, etp the stack's."""
    run = configured(SMALL | {"topk": "", "expert_ffn": "", "shared_experts": "", "ep": "", "etp": ""})
    model, plan = run.job.model, run.plan
    assert (model.experts_per_token, model.expert_ffn, model.shared_ffn) == (2, 4096, 0)
    assert plan.ep == gcd(32, plan.tp * plan.cp * plan.dp, run.job.cluster.gpus_per_node)
    assert {"topk", "expert_ffn", "ep", "etp"} <= set(run.assumed)
    assert run.plan.etp == 1  # ep x tp does not divide the ranks


def test_a_dense_row_ignores_expert_degrees_and_presets() -> None:
    """A dense row is the model of its columns, whatever its ep, even if a preset has the same sizes."""
    qwen = {"layers": "36", "hidden": "4096", "heads": "32", "ffn": "12288", "vocab": "151936"}  # Qwen3 8B has norms of queries and keys
    run = configured(row(ep="8", **qwen))
    assert run.job.model.qk_norm == "none"
    assert [int(degree) for degree in (run.plan.ep, run.plan.etp)] == [1, 1]
    assert "model" not in run.assumed


def test_a_preset_with_the_same_sizes_adds_properties_without_a_column() -> None:
    """Latent attention, dense layers and groups of experts are the preset's, as `assumed` lists, whatever the model's name."""
    run = configured(SPARSE | {"model": "anything"})
    model = run.job.model
    assert (model.kv_rank, model.q_rank, model.rope_dim, model.v_dim, model.dense_layers, model.router_groups) == (512, 1536, 64, 128, 3, 8)
    assert run.assumed["model"].endswith("as deepseek-v3-671b")
    assert "latent attention, 3 dense layers" in run.assumed["model"]
    other = configured(SPARSE | {"hidden": "7000"})
    assert (other.job.model.kv_rank, other.job.model.dense_layers) == (0, 0)
    assert "model" not in other.assumed


def test_a_model_cut_to_fewer_layers_is_a_part_of_its_preset() -> None:
    """All sizes but the layers are those of DeepSeek-V3: latent attention is too, and dense layers unless the note counts them. More layers
    than the preset's are another model."""
    cut = configured(SPARSE | {"layers": "14"}).job.model
    assert (cut.layers, cut.kv_rank, cut.dense_layers) == (14, 512, 3)
    assert configured(SPARSE | {"layers": "32", "note": "1 leading dense layer"}).job.model.dense_layers == 1
    assert configured(SPARSE | {"layers": "70"}).job.model.kv_rank == 0


def test_blank_sizes_come_from_the_preset_that_has_the_others() -> None:
    """Blank sizes are the preset's: width of heads, active experts per token, their width, shared experts."""
    blanks = {"kv_heads": "", "head_dim": "", "ffn": "", "topk": "", "expert_ffn": "", "shared_experts": ""}
    assert configured(SPARSE | blanks).job.model == configured(SPARSE).job.model


def test_user_presets_are_matched_like_shipped_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model preset of the user adds its properties; an invalid preset is ignored."""
    folder = tmp_path / "presets" / "models"
    folder.mkdir(parents=True)
    sizes = "layers = 16\nhidden = 1024\nheads = 32\nkv_heads = 32\nhead_dim = 128\nffn = 64\nvocab = 50257\nmax_positions = 4096\n"
    experts = (
        "experts = 32\nexperts_per_token = 4\nexpert_ffn = 1024\nsliding_window = 128\nglobal_every = 2\nsinks = true\nsources = ['us']\n"
    )
    (folder / "ours.toml").write_text(sizes + experts)
    (folder / "broken.toml").write_text("layers = [")
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path))
    run = configured(SMALL)
    assert (run.job.model.sliding_window, run.job.model.sinks) == (128, True)
    assert run.assumed["model"] == "windows of 128 tokens, attention sinks as ours"
    assert run.job.model.ffn == 4096  # without dense layers their width is not compared


@pytest.mark.parametrize(
    ("changes", "layers"),
    [
        ({}, 1), ({"note": "DeepSeekV3 (w/o MTP)"}, 0), ({"note": "DeepSeekV3 (w/ MTP)"}, 1), ({"framework": "torchtitan"}, 0),
        ({"framework": "torchtitan", "model": "DeepSeekV3 (w/ MTP)"}, 1), ({"note": "args: --mtp-num-layers=2"}, 2),
    ],
)  # fmt: skip
def test_layers_of_multi_token_prediction_are_those_that_were_trained(changes: dict[str, str], layers: int) -> None:
    """Megatron-Bridge trains those of the model unless the row excludes them, others only if included; an argument overrides both."""
    assert configured(SPARSE | changes).job.model.mtp_layers == layers


ARGS = "args: --multi-latent-attention=True --moe-layer-freq=([0]*3+[1]*13) --normalization=RMSNorm --disable-bias-linear=True"


def test_arguments_in_a_note_override_the_model() -> None:
    """Latent attention, dense layers, groups and multi-token prediction have the values of the arguments, or Megatron-LM's defaults."""
    model = configured(SMALL | {"note": ARGS, "head_dim": "32"}).job.model
    assert (model.kv_rank, model.q_rank, model.head_dim, model.rope_dim, model.v_dim) == (32, 0, 128, 64, 128)
    assert (model.dense_layers, model.norm, model.bias) == (3, "rmsnorm", False)
    more = f"{ARGS} --kv-lora-rank=512 --q-lora-rank=1536 --moe-router-num-groups=4 --moe-router-group-topk=2 --mtp-num-layers=1; vocab"
    model = configured(SMALL | {"note": more, "gated": "0"}).job.model
    assert (model.kv_rank, model.q_rank, model.router_groups, model.groups_per_token, model.mtp_layers) == (512, 1536, 4, 2, 1)
    assert (model.norm, model.bias) == ("rmsnorm", False)


@pytest.mark.parametrize(
    ("pattern", "dense", "every"),
    [("([0]*1+[1]*15)", 1, 1), ("[1]*16", 0, 1), ("2", 0, 2), ("([0]*1+[1]*1)*8", 0, 2), ("([0,0,1,1])*4", 8, 1), ("odd", 0, 1)],
)
def test_which_layers_are_sparse_is_read_from_their_pattern(pattern: str, dense: int, every: int) -> None:
    """Leading dense layers are counted, one sparse layer in N is recognised, other orders have the same number of dense layers."""
    model = configured(SMALL | {"note": f"args: --moe-layer-freq={pattern}"}).job.model
    assert (model.dense_layers, model.moe_every) == (dense, every)


@pytest.mark.parametrize(
    ("note", "routing"),
    [
        ("", (1.0, 0.0, False)), ("MoE routing force-balanced", (1.0, 0.0, False)), ("natural MoE routing", (1.35, 0.0, False)),
        ("token-drop MoE", (1.0, 1.0, False)), ("token-dropless", (1.0, 0.0, False)), ("EP overlap on, search run", (1.0, 0.0, True)),
        ("args: --overlap-moe-expert-parallel-comm=True", (1.0, 0.0, True)), ("EP overlap off", (1.0, 0.0, False)),
        ("args: --moe-expert-capacity-factor=1.25", (1.25, 0.0, False)), ("args: --moe-expert-capacity-factor=3", (1.35, 0.0, False)),
        ("args: --moe-expert-capacity-factor=1.25 --moe-pad-expert-input-to-capacity=True", (1.0, 1.25, False)),
    ],
)  # fmt: skip
def test_routing_in_a_note_is_that_of_the_job(note: str, routing: tuple[float, float, bool]) -> None:
    """Imbalance, capacity and overlap of the all-to-all are read from the note of a mixture of experts, not of a dense row. A capacity
    that is not padded bounds the load alone."""
    job = configured(SMALL | {"note": note}).job
    assert (job.imbalance, job.capacity, job.overlap_experts) == routing
    dense = configured(row(note=note)).job
    assert (dense.imbalance, dense.capacity, dense.overlap_experts) == (1.0, 0.0, False)


def test_recompute_modules_in_a_note_define_selective_recomputation() -> None:
    """Modules in a note, in either notation, replace those of the stack; equal modules give the same object."""
    comma, listed, plain = (
        configured(SPARSE | {"note": note}).job.stack
        for note in ("recompute as stated: selective:mla_up_proj,moe_act; x", "selective:[moe_act mla_up_proj]", "recompute selective")
    )
    assert comma is listed
    assert comma.selective.keep == {"qkv": 0.0, "expert_act": 0.0}
    assert comma.selective.repeat == {"qkv": 0.5, "expert_act": 1.0}
    assert plain.selective.keep == {"scores": 0.0}


@pytest.mark.parametrize(
    ("name", "schedule", "assumed"),
    [
        ("", "1f1b", False), ("1f1b-interleaved", "1f1b", False), ("interleaved", "1f1b", False), ("gpipe", "1f1b", True),
        ("zb-1p", "zb-h1", False), ("ZB-H1", "zb-h1", False), ("zb-2p", "zb-h2", False), ("v-half", "zb-h1", True), ("v-min", "1f1b", True),
        ("zbv", "zb-v", False), ("dualpipe", "dualpipev", True), ("dualpipev", "dualpipev", False),
    ],
)  # fmt: skip
def test_synonyms_of_schedules_are_accepted(name: str, schedule: str, assumed: bool) -> None:
    """The plan has the code of the schedule; similar schedules are listed in `assumed`, synonyms are not."""
    run = configured(row(schedule=name, pp="2", dp="4", vpp=""))
    assert SCHEDULES[run.plan.schedule] == schedule
    assert ("schedule" in run.assumed) == assumed


@pytest.mark.parametrize(("vpp", "assumed"), [("", False), ("2", False), ("1", True), ("4", True)])
def test_v_schedules_have_two_virtual_stages_per_rank(vpp: str, assumed: bool) -> None:
    """zb-v and dualpipev have vpp 2, which `assumed` lists if the row has another number."""
    for schedule in ("zb-v", "dualpipev"):
        run = configured(row(schedule=schedule, pp="2", dp="4", vpp=vpp))
        assert run.plan.vpp == 2
        assert ("vpp" in run.assumed) == assumed


@pytest.mark.parametrize(("layout", "vpp"), [("Et*3|(tt|)*6mL", 4), ("Et*3|(tt|)*6tmL", 4), ("E|(tt|)*2,(t|)*4,mL", 4), ("Et*9|t*7L", 1)])
def test_a_pipeline_layout_in_a_note_sets_the_virtual_stages(layout: str, vpp: int) -> None:
    """vpp is the stages of the layout over pp; `assumed` lists it if the row has another number."""
    run = configured(SMALL | {"note": f"args: --pipeline-model-parallel-layout={layout} --x=1"})
    assert run.plan.vpp == vpp
    assert ("vpp" in run.assumed) == (vpp != 1)


@pytest.mark.parametrize(
    ("cells", "layout", "vpp"),
    [
        ({"pp_layout": "Et*3|(tt|)*6tL", "vpp": ""}, "Et*3|(tt|)*6tL", 4),
        ({"pp_layout": "Et*9|t*7|L", "pp": "3", "dp": "1", "gpus": "6", "ep": "2"}, "Et*9|t*7|L", 1),
        ({"pp_layout": "Et*9||t*7L"}, "Et*9|t*7L", 1),  # a bar written twice: three stages do not fill two ranks, two do
        ({"pp_layout": "Et*9|t*3|t*4L"}, "", 1),  # three stages for two ranks
        ({"pp_layout": "Et*9|t*6L"}, "", 1),  # a layer is missing
        ({"pp_layout": "Et*9|t*7L", "schedule": "zb-v"}, "", 2),
        ({"pp_layout": "Et*9|t*7L", "framework": "torchtitan"}, "", 1),
        ({"note": "--pipeline-model-parallel-layout=nonsense"}, "", 1),
    ],
)
def test_the_layout_of_a_row_places_its_layers(cells: dict[str, str], layout: str, vpp: int) -> None:
    """The column's, if the layers, the stages and the framework can have it; one that they cannot have is listed as assumed."""
    run = configured(SMALL | cells)
    assert run.job.pipeline_layout == layout and run.plan.vpp == vpp
    assert ("pp_layout" in run.assumed) == ("pp_layout" in cells and not layout)


@pytest.mark.parametrize(
    ("cells", "choice", "hides"),
    [
        ({"framework": "Megatron-Core"}, "", "backward"), ({"framework": "Megatron-Core", "tp_overlap": "1"}, "", "products"),
        ({"framework": "Megatron-Core", "tp_overlap": "0"}, "", "backward"),
        ({"framework": "NeMo (Megatron-Core)", "tp_overlap": "1"}, "products", "products"),
        ({"framework": "Megatron-Bridge"}, "", "products"), ({"framework": "Megatron-Bridge", "tp_overlap": "0"}, "backward", "backward"),
        ({"framework": "torchtitan"}, "", "none"), ({"framework": "torchtitan", "note": "kernels: async TP"}, "products", "products"),
        ({"framework": "torchtitan", "tp_overlap": "0", "note": "async TP"}, "", "none"),
        ({"framework": "DeepSpeed", "tp_overlap": "1"}, "", "none"),  # which has none
    ],
)  # fmt: skip
def test_what_hides_tensor_parallel_communication_is_the_row_s_choice(cells: dict[str, str], choice: str, hides: str) -> None:
    """The column before the note, where the stack has the choice; Megatron-Core with user buffers is the tuned stack, which has them."""
    job = configured(SMALL | cells).job
    assert (job.tp_overlap, job.overlaps_tp) == (choice, hides)


def test_the_layout_of_a_row_has_the_layers_ahead() -> None:
    """m in a layout are trained layers of multi-token prediction, unless a column says otherwise; another text is refused."""
    sparse = SMALL | {"experts": "8", "topk": "2", "expert_ffn": "512", "vpp": ""}
    run = configured(sparse | {"pp_layout": "Et*9|t*7mL"}).job
    assert (run.model.mtp_layers, run.pipeline_layout) == (1, "Et*9|t*7mL")
    without = configured(sparse | {"pp_layout": "Et*9|t*7mL", "mtp_layers": "0"})
    assert (without.job.model.mtp_layers, without.job.pipeline_layout) == (0, "")
    with pytest.raises(TmplanError, match="column 'pp_layout': pipeline_layout is written with"):
        configured(sparse | {"pp_layout": "16 layers"})


def mixed() -> list[dict[str, str]]:
    """Rows of several jobs and pipeline degrees, including equal ones and a refused one."""
    return [row(id=str(i), pp=str(2 ** (i % 4)), gpus="16", dp="", micro_batch="", recompute="", seq=str(2048 * (1 + i % 2)),
                tp="0.5" if i == 7 else "1") for i in range(20)]  # fmt: skip


@pytest.mark.parametrize(("stages", "distinct", "rows"), [(1, 99, 99), (9, 99, 99), (99, 1, 99), (99, 3, 99), (99, 99, 1), (99, 99, 7)])
def test_rows_predicted_in_blocks_are_those_predicted_at_once(
    monkeypatch: pytest.MonkeyPatch, stages: int, distinct: int, rows: int
) -> None:
    """Predictions and their order do not depend on the stages, distinct rows and rows that are evaluated at a time."""
    whole = predict(mixed())
    assert [each["id"] for each in whole] == [str(i) for i in range(20)] and "error" in whole[7]
    for name, value in (("STAGES", stages), ("DISTINCT", distinct), ("BLOCK", rows)):
        monkeypatch.setattr(planner.runs.predict, name, value)
    counts: list[int] = []
    assert predict(mixed(), counts.append) == whole
    assert counts == sorted(counts) and counts[-1] == 20


def test_no_more_stages_are_evaluated_at_once_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are split so that plans times the stages of the longest stay within the bound."""
    sizes: list[int] = []
    real = planner.runs.predict.stage_memory

    def watched(job: Any, plan: Any) -> Any:
        memory = real(job, plan)
        sizes.append(memory.device.size)
        return memory

    monkeypatch.setattr(planner.runs.predict, "STAGES", 12)
    monkeypatch.setattr(planner.runs.predict, "stage_memory", watched)
    predict(mixed())
    assert max(sizes) <= 12


def test_equal_rows_are_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that differ only in id and measurements are evaluated once."""
    read: list[Any] = []

    def watched(each: Any) -> Any:
        read.append(each)
        return configured(each)

    monkeypatch.setattr(planner.runs.predict, "configured", watched)
    predictions = predict([row(id=str(i), step_s=str(i)) for i in range(9)])
    assert len(read) == 1 and [each.pop("id") for each in predictions] == [str(i) for i in range(9)] and predictions == [predictions[0]] * 9


def test_predictions_are_yielded_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless iterator of rows is read one block at a time."""
    monkeypatch.setattr(planner.runs.predict, "BLOCK", 4)
    endless = (row(id=str(i)) for i in itertools.count())
    assert [each["id"] for each in itertools.islice(planner.runs.predict.predicted(endless), 10)] == [str(i) for i in range(10)]
