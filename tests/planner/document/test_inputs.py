"""Input fields, their text, and the job that results from them."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from planner import presets
from planner.document.inputs import BY_KEY, EXAMPLE, FIELDS, Inputs, parse, resolve, shown, text
from planner.errors import FieldError, TmplanError, UnknownName
from planner.specs.hardware import GIB
from planner.specs.options import MODULES


def values(key: str) -> st.SearchStrategy[int | float | str | bool]:
    """Values a field can take."""
    f = BY_KEY[key]
    if f.kind == "preset":
        return st.sampled_from(presets.names(f.preset_kind))
    if f.kind == "choice":
        return st.sampled_from(f.choices)
    if f.kind == "text":
        return st.lists(st.sampled_from(MODULES), min_size=1).map(lambda names: ",".join(m for m in MODULES if m in names))
    if f.kind == "layout":
        return st.lists(st.sampled_from(("", "t", "t*3", "(t|)*2")), max_size=6).map(lambda stages: f"E{'|'.join(stages)}mL")
    if f.kind == "month":
        return st.sampled_from(["2023-06", "2026-12"])
    if f.kind == "bool":
        return st.booleans()
    return st.integers(int(f.least), int(f.most)) if f.kind == "int" else st.floats(f.least, f.most)


settings = st.sampled_from([f.key for f in FIELDS]).flatmap(lambda key: st.tuples(st.just(key), values(key)))


@example(("link_gb_s", 931322.9999999991))  # almost an integer
@given(settings)
def test_a_value_survives_writing_and_parsing(case: tuple[str, int | float | str | bool]) -> None:
    """Every value of every field equals itself after `text` and `parse`."""
    key, value = case
    assert parse(key, text(key, value)) == value


@given(st.sampled_from([f.key for f in FIELDS]), st.text(max_size=30))
def test_any_text_is_parsed_or_refused_with_the_name_of_the_field(key: str, typed: str) -> None:
    """Any text is parsed or refused with a FieldError of that field."""
    try:
        parse(key, typed)
    except FieldError as refused:
        assert refused.key == key and str(refused)


@given(st.dictionaries(st.sampled_from([f.key for f in FIELDS]), st.none() | st.integers(-5, 10**12) | st.text(max_size=5)))
def test_every_state_of_a_form_can_be_shown(state: dict[str, int | str]) -> None:
    """`shown` returns every field for any values, valid or not."""
    assert set(shown(Inputs(state))) == set(BY_KEY)


@given(st.lists(settings, max_size=4))
def test_inputs_resolve_to_a_job_or_are_refused_in_one_sentence(changes: list[tuple[str, int | float | str | bool]]) -> None:
    """Any settings give a job on full nodes or a refusal on one line."""
    inputs = EXAMPLE.with_all(dict(changes))
    try:
        job = resolve(inputs)
    except TmplanError as refused:
        assert "\n" not in str(refused)
    else:
        assert job.cluster.gpus <= job.cluster.gpus_per_node or job.cluster.gpus % job.cluster.gpus_per_node == 0


def test_the_example_is_llama_3_405b_on_2048_nodes_of_8_h100() -> None:
    """The example is the largest configuration of the Llama 3 paper."""
    job = resolve(EXAMPLE)
    assert (job.model.name, job.model.layers, job.cluster.gpu.name) == ("llama-3.1-405b", 126, "h100-sxm")
    assert (job.cluster.gpus, job.cluster.gpus_per_node, job.cluster.nic_bytes_s) == (16384, 8, 400e9 / 8)
    assert (job.sequence, job.global_batch, job.stack.name) == (8192, 2048, "megatron-core")


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("sequence", "8192", 8192),
        ("sequence", "8_192", 8192),
        ("sequence", "8,192", 8192),
        ("sequence", "8k", 8192),
        ("sequence", "1m", 2**20),
        ("gpus", "1.5e3", 1500),
        ("nic_gbit_s", "400 Gb/s", 400.0),
        ("headroom", "10%", 10.0),
        ("tied", "yes", True),
        ("gpu", "H100-SXM", "h100-sxm"),
        ("gradient_bytes", "", ""),
        ("cluster", "custom", ""),
    ],
)
def test_usual_notations_are_parsed(key: str, typed: str, value: object) -> None:
    """Separators, suffixes, exponents, units and any letter case are accepted."""
    assert parse(key, typed) == value


@pytest.mark.parametrize(
    "typed", ["", " ", "0", "-8", "1e9", "nan", "inf", "-inf", "1e999", "9" * 6000, "eight", "8.5", "8,19", "\x1b[31m", "٣"]
)
def test_an_impossible_number_of_gpus_is_refused_in_one_short_sentence(typed: str) -> None:
    """Text that is not an integer within the limits is refused with those limits."""
    with pytest.raises(FieldError, match="whole number from 1 to 10,000,000") as refused:
        parse("gpus", typed)
    assert refused.value.key == "gpus" and str(refused.value).isprintable() and len(str(refused.value)) < 160


def test_unknown_names_are_refused_with_the_nearest() -> None:
    """An unknown preset or field is refused with the closest match."""
    with pytest.raises(UnknownName, match=r"did you mean .*llama-3.1-8b"):
        parse("model", "llama-3.1-8")
    with pytest.raises(UnknownName, match="gpus_per_node"):
        EXAMPLE.with_("gpu_per_node", 8)


def test_a_mixture_of_experts_is_loaded() -> None:
    """Mixtral has its published number of experts, top-k and expert width."""
    model = resolve(EXAMPLE.with_("model", parse("model", "mixtral-8x7b"))).model
    assert (model.experts, model.experts_per_token, model.expert_ffn) == (8, 2, 14336)


@pytest.mark.parametrize("order", list(permutations({"experts": 8, "experts_per_token": 2, "expert_ffn": 4096}.items())))
def test_expert_sizes_may_be_set_in_any_order_and_missing_ones_are_named(order: tuple[tuple[str, int], ...]) -> None:
    """Until all three sizes are set the missing ones are named, at the first of them; no setting is lost."""
    inputs = EXAMPLE
    for count, (key, value) in enumerate(order, 1):
        inputs = inputs.with_(key, value)
        missing = [f for f in ("experts_per_token", "expert_ffn") if f not in inputs.values]
        if "experts" in inputs.values and missing:
            with pytest.raises(FieldError, match=f"8 experts needs {' and '.join(missing)} too; set {missing[0]}") as refused:
                resolve(inputs)
            assert refused.value.key == missing[0]
        else:
            assert resolve(inputs).model.experts == (8 if count == 3 else 0)
        assert all(shown(inputs)[k] == (v, True) for k, v in order[:count])


@pytest.mark.parametrize(
    ("model", "changes", "key", "message"),
    [
        ("mixtral-8x7b", {"experts_per_token": 9}, "experts_per_token", "from 1 to the 8 experts, not 9"),
        ("llama-3.1-8b", {"experts": 8, "experts_per_token": 9}, "experts_per_token", "from 1 to the 8 experts, not 9"),
        ("deepseek-v3-671b", {"experts": 100}, "experts", "must be a multiple of 8 for deepseek-v3-671b"),
        ("deepseek-v3-671b", {"layers": 2}, "dense_layers", "must not exceed the 2 layers"),
    ],
)
def test_impossible_experts_are_refused_at_a_field_of_the_form(model: str, changes: dict[str, int], key: str, message: str) -> None:
    """The error names a field that the user can set."""
    with pytest.raises(FieldError, match=message) as refused:
        resolve(EXAMPLE.with_all({"model": model, **changes}))
    assert refused.value.key == key and key in BY_KEY


def test_an_overridden_size_drops_the_published_counts() -> None:
    """Published parameter counts are dropped with the first size that differs."""
    preset = resolve(EXAMPLE.with_("model", "mixtral-8x7b")).model
    changed = resolve(EXAMPLE.with_all({"model": "mixtral-8x7b", "experts": 16})).model
    assert preset.published_parameters > preset.published_active > 0
    assert (changed.experts, changed.published_parameters, changed.published_active) == (16, 0.0, 0.0)


@pytest.mark.parametrize("model", ["deepseek-v3-671b", "deepseek-v2-lite-16b", "moonlight-16b-a3b"])
def test_the_head_width_of_latent_attention_is_independent(model: str) -> None:
    """Other heads or hidden size change no head width, even where heads x head_dim equals the hidden size; kv_heads follow."""
    preset = presets.model(model)
    for changes in ({"heads": 2 * preset.heads}, {"hidden": preset.hidden + 96}):
        changed = resolve(EXAMPLE.with_all({"model": model, **changes})).model
        assert (changed.head_dim, changed.rope_dim, changed.v_dim) == (preset.head_dim, preset.rope_dim, preset.v_dim)
        assert changed.kv_heads == changed.heads


def test_latent_attention_can_be_removed_and_added() -> None:
    """Without kv_rank every field of latent attention is 0; with it kv_heads equals heads."""
    plain = resolve(EXAMPLE.with_all({"model": "deepseek-v3-671b", "kv_rank": 0})).model
    assert (plain.kv_rank, plain.q_rank, plain.rope_dim, plain.v_dim) == (0, 0, 0, 0)
    latent = resolve(EXAMPLE.with_all({"model": "llama-3.1-8b", "kv_rank": 512})).model
    assert (latent.kv_rank, latent.kv_heads) == (512, latent.heads)


def test_expert_options_of_a_job_are_fields() -> None:
    """Imbalance, capacity and overlap are set like any field and have neutral defaults."""
    job = resolve(EXAMPLE.with_all({"model": "mixtral-8x7b", "imbalance": 1.3, "capacity": 1.25, "overlap_experts": True}))
    assert (job.imbalance, job.capacity, job.overlap_experts) == (1.3, 1.25, True)
    usual = resolve(EXAMPLE)
    assert (usual.imbalance, usual.capacity, usual.overlap_experts) == (1.0, 0.0, False)


def test_a_missing_file_is_an_error_of_its_field() -> None:
    """The FieldError of a missing model file has the key of the model."""
    with pytest.raises(FieldError, match="nowhere") as refused:
        parse("model", "/nowhere.json")
    assert refused.value.key == "model"


def test_a_model_may_be_a_hugging_face_config(tmp_path: Path) -> None:
    """The path of a config.json is a value of the field model."""
    config = {
        "model_type": "llama", "num_hidden_layers": 3, "hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 2,
        "intermediate_size": 256, "vocab_size": 1000, "max_position_embeddings": 2048, "tie_word_embeddings": False, "hidden_act": "silu",
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    model = resolve(EXAMPLE.with_("model", parse("model", str(path)))).model
    assert (model.layers, model.hidden, model.head_dim) == (3, 96, 16)


def test_figures_are_converted_from_the_unit_of_their_field() -> None:
    """Gbit/s, GB/s, GiB and per cent become base units."""
    job = resolve(EXAMPLE.with_all({"nic_gbit_s": 200.0, "link_gb_s": 300.0, "memory_gib": 79.0, "headroom": 5.0}))
    assert (job.cluster.nic_bytes_s, job.cluster.link_bytes_s, job.cluster.gpu.memory_bytes) == (25e9, 300e9, 79 * GIB)
    assert job.memory_limit == pytest.approx(0.95 * 0.96 * 79 * GIB)  # 4 % for fragmentation


def test_gemm_rates_scale_with_the_peak() -> None:
    """Half the bf16 peak is half the GEMM rate."""
    usual = resolve(EXAMPLE).cluster.gpu
    slow = resolve(EXAMPLE.with_("tflops_bf16", usual.flops_bf16 / 2e12)).cluster.gpu
    assert slow.gemm.flops_s == pytest.approx(usual.gemm.flops_s / 2)


def test_gpus_must_fill_nodes_and_the_nearest_numbers_are_named() -> None:
    """20 GPUs on nodes of 8 are refused, with 16 and 24 proposed."""
    with pytest.raises(FieldError, match="use 16 or 24") as refused:
        resolve(EXAMPLE.with_("gpus", 20))
    assert refused.value.key == "gpus"


def test_fewer_gpus_than_a_node_are_one_node() -> None:
    """Three GPUs are a node of three."""
    assert resolve(EXAMPLE.with_("gpus", 3)).cluster.gpus_per_node == 3


def test_seven_gpus_per_node_are_a_cluster() -> None:
    """Nodes need not have a power of two of GPUs; the link domain is the node."""
    cluster = resolve(EXAMPLE.with_all({"gpus_per_node": 7, "gpus": 21})).cluster
    assert (cluster.gpus, cluster.gpus_per_node, cluster.link_domain) == (21, 7, 7)


def test_gpus_without_a_scale_up_link_share_a_node_over_pcie() -> None:
    """The link domain of PCIe GPUs is their node."""
    assert resolve(EXAMPLE.with_("gpu", "rtx-4090")).cluster.link_domain == 8


def test_a_rack_is_one_scale_up_domain() -> None:
    """The domain of an NVL72 rack is 72 GPUs, larger than its nodes."""
    assert resolve(Inputs({"cluster": "gb200-nvl72"})).cluster.link_domain == 72


def test_another_preset_drops_the_overrides_of_the_former() -> None:
    """Another GPU or model drops the sizes set over the former one."""
    changed = EXAMPLE.with_("memory_gib", 60.0).with_("layers", 100).with_("gpu", "a100-80gb-sxm").with_("model", "llama-3.1-8b")
    assert "memory_gib" not in changed.values and "layers" not in changed.values


def test_choosing_the_same_preset_drops_no_override() -> None:
    """Overrides remain when the same preset is chosen again."""
    assert EXAMPLE.with_("memory_gib", 60.0).with_("gpu", "h100-sxm").values["memory_gib"] == 60.0


def test_a_cluster_implies_its_gpu_and_its_size() -> None:
    """A cluster preset sets GPU, number of GPUs and node size."""
    inputs = EXAMPLE.with_("cluster", "dgx-a100")
    cluster = resolve(inputs).cluster
    shape = presets.cluster("dgx-a100")
    assert (cluster.gpu.name, cluster.gpus, cluster.gpus_per_node) == (shape.gpu, shape.gpus, shape.gpus_per_node)
    assert shown(inputs)["gpu"] == (shape.gpu, False)


def test_another_gpu_in_the_same_chassis_has_different_links() -> None:
    """Link bandwidth is that of the GPU where it is not the GPU of the cluster preset."""
    cluster = resolve(Inputs({"cluster": "dgx-a100", "gpu": "h100-sxm"})).cluster
    assert cluster.link_bytes_s == presets.gpu("h100-sxm").link_bytes_s


def test_kv_heads_follow_the_heads_of_a_model_without_grouped_queries() -> None:
    """kv_heads equals heads after heads changes, under MHA."""
    model = resolve(EXAMPLE.with_all({"model": "gpt3-175b", "heads": 48})).model
    assert (model.kv_heads, model.head_dim) == (48, 256)


def test_heads_that_do_not_divide_the_hidden_size_are_refused() -> None:
    """The message proposes to set head_dim."""
    with pytest.raises(FieldError, match="set head_dim too"):
        resolve(EXAMPLE.with_("heads", 120))


def test_the_default_sequence_is_limited_by_learned_positions() -> None:
    """GPT-3's default sequence is its 2048 positions."""
    assert resolve(EXAMPLE.with_("model", "gpt3-175b")).sequence == 2048


def test_shown_distinguishes_set_values_from_presets() -> None:
    """Each value comes with whether it was set."""
    fields = shown(EXAMPLE.with_("nic_gbit_s", 200.0))
    assert fields["nic_gbit_s"] == (200.0, True)
    assert fields["hidden"] == (16384, False)
    assert fields["gradient_bytes"] == ("4", False)


def test_equal_inputs_are_one_cache_key() -> None:
    """Inputs reached by different edits are equal and hash equal."""
    assert len({EXAMPLE, EXAMPLE.with_("layers", 3).with_("layers", None), EXAMPLE.with_("attention", "")}) == 1


def test_a_precision_without_units_is_refused() -> None:
    """A peak set to 0 means no tensor cores of that precision."""
    with pytest.raises(FieldError, match="h100-sxm has no fp8 units; use bf16 or fp16"):
        resolve(EXAMPLE.with_all({"precision": "fp8", "tflops_fp8": 0.0}))


@pytest.mark.parametrize("text", ["2025", "2025-13", "2025-6", "June 2025", "19-01", "x"])
def test_a_release_is_a_month(text: str) -> None:
    """Any other text than a year and month is refused with an example; an empty one is the newest release."""
    with pytest.raises(FieldError, match="stack_release must be a year and month such as 2025-05"):
        parse("stack_release", text)
    assert parse("stack_release", "") == ""


def test_a_release_stays_when_the_stack_changes() -> None:
    """Another stack is taken as of the same month; before what is known of it the month is at fault."""
    inputs = EXAMPLE.with_("stack_release", "2024-09")
    assert resolve(inputs).stack.cuda_graphs == ("none",)
    assert resolve(inputs.with_("stack", "torchtitan")).stack.title == "torchtitan (PyTorch FSDP2) of 2024-09"
    assert resolve(inputs.with_("stack_release", None)) == resolve(EXAMPLE)
    with pytest.raises(FieldError) as refused:
        resolve(inputs.with_all({"stack": "torchtitan", "stack_release": "2024-03"}))
    assert refused.value.key == "stack_release" and "known from 2024-04 on" in str(refused.value)
    with pytest.raises(FieldError, match="known from 2024-04 on, 1999-01 is earlier"):
        resolve(inputs.with_all({"stack": "torchtitan", "stack_release": "1999-01"}))


@pytest.mark.parametrize(
    ("released", "option", "value"),
    [
        ("2025-09", "cuda_graphs", "full"), ("2024-07", "loss_kernel", "fused"), ("2026-01", "optimizer", "muon"),
        ("2025-04", "recompute_modules", "mlp"), ("2025-04", "moe_dispatcher", "deepep"),
    ],
)  # fmt: skip
def test_an_older_release_refuses_what_came_later(released: str, option: str, value: str) -> None:
    """A choice that the newest release has is refused for a release before it, by the stack's title with the month."""
    inputs = EXAMPLE.with_all({"model": "qwen3-30b-a3b", option: value})
    assert resolve(inputs)
    with pytest.raises(FieldError, match=f"Megatron-Core of {released} ") as refused:
        resolve(inputs.with_("stack_release", released))
    assert refused.value.key == option
