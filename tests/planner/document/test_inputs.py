"""Fields, their text, and the job they come to."""

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


def values(key: str) -> st.SearchStrategy[int | float | str | bool]:
    """Values a field can take."""
    f = BY_KEY[key]
    if f.kind == "preset":
        return st.sampled_from(presets.names(f.preset_kind))
    if f.kind == "choice":
        return st.sampled_from(f.choices)
    if f.kind == "bool":
        return st.booleans()
    return st.integers(int(f.least), int(f.most)) if f.kind == "int" else st.floats(f.least, f.most)


settings = st.sampled_from([f.key for f in FIELDS]).flatmap(lambda key: st.tuples(st.just(key), values(key)))


@example(("link_gb_s", 931322.9999999991))  # nearly whole, and not whole
@given(settings)
def test_a_value_written_and_read_is_the_same(case: tuple[str, int | float | str | bool]) -> None:
    key, value = case
    assert parse(key, text(key, value)) == value


@given(st.sampled_from([f.key for f in FIELDS]), st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_sentence_that_names_the_field(key: str, typed: str) -> None:
    try:
        parse(key, typed)
    except FieldError as refused:
        assert refused.key == key and str(refused)


@given(st.dictionaries(st.sampled_from([f.key for f in FIELDS]), st.none() | st.integers(-5, 10**12) | st.text(max_size=5)))
def test_whatever_state_a_form_is_in_it_can_be_shown(state: dict[str, int | str]) -> None:
    assert set(shown(Inputs(state))) == set(BY_KEY)


@given(st.lists(settings, max_size=4))
def test_inputs_come_to_a_job_or_are_refused_with_one_sentence(changes: list[tuple[str, int | float | str | bool]]) -> None:
    inputs = EXAMPLE.with_all(dict(changes))
    try:
        job = resolve(inputs)
    except TmplanError as refused:
        assert "\n" not in str(refused)
    else:
        assert job.cluster.gpus <= job.cluster.gpus_per_node or job.cluster.gpus % job.cluster.gpus_per_node == 0


def test_the_example_is_llama_3_405b_on_2048_nodes_of_8_h100() -> None:
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
def test_what_a_person_would_type_is_read(key: str, typed: str, value: object) -> None:
    assert parse(key, typed) == value


@pytest.mark.parametrize(
    "typed", ["", " ", "0", "-8", "1e9", "nan", "inf", "-inf", "1e999", "9" * 6000, "eight", "8.5", "8,19", "\x1b[31m", "٣"]
)
def test_a_number_of_gpus_that_cannot_be_is_refused_in_one_short_sentence(typed: str) -> None:
    with pytest.raises(FieldError, match="whole number from 1 to 10,000,000") as refused:
        parse("gpus", typed)
    assert refused.value.key == "gpus" and str(refused.value).isprintable() and len(str(refused.value)) < 160


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean .*llama-3.1-8b"):
        parse("model", "llama-3.1-8")
    with pytest.raises(UnknownName, match="gpus_per_node"):
        EXAMPLE.with_("gpu_per_node", 8)


def test_a_mixture_of_experts_is_a_model_like_any_other() -> None:
    model = resolve(EXAMPLE.with_("model", parse("model", "mixtral-8x7b"))).model
    assert (model.experts, model.experts_per_token, model.expert_ffn) == (8, 2, 14336)


@pytest.mark.parametrize("order", list(permutations({"experts": 8, "experts_per_token": 2, "expert_ffn": 4096}.items())))
def test_experts_are_typed_in_any_order_and_what_is_missing_is_named(order: tuple[tuple[str, int], ...]) -> None:
    """Until all three sizes are told a sentence names those that are not, at the first of them; nothing that was set is lost."""
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
    ("model", "changes", "key", "says"),
    [
        ("mixtral-8x7b", {"experts_per_token": 9}, "experts_per_token", "from 1 to the 8 experts, not 9"),
        ("llama-3.1-8b", {"experts": 8, "experts_per_token": 9}, "experts_per_token", "from 1 to the 8 experts, not 9"),
        ("deepseek-v3-671b", {"experts": 100}, "experts", "must be a multiple of 8 for deepseek-v3-671b"),
        ("deepseek-v3-671b", {"layers": 2}, "dense_layers", "must not exceed the 2 layers"),
    ],
)
def test_experts_that_cannot_be_are_refused_at_a_field_of_the_form(model: str, changes: dict[str, int], key: str, says: str) -> None:
    """The sentence stands at a field that a person can set."""
    with pytest.raises(FieldError, match=says) as refused:
        resolve(EXAMPLE.with_all({"model": model, **changes}))
    assert refused.value.key == key and key in BY_KEY


def test_a_size_set_by_hand_is_no_longer_the_published_model() -> None:
    """Totals that the publisher counted are dropped with the first size that differs."""
    preset = resolve(EXAMPLE.with_("model", "mixtral-8x7b")).model
    changed = resolve(EXAMPLE.with_all({"model": "mixtral-8x7b", "experts": 16})).model
    assert preset.published_parameters > preset.published_active > 0
    assert (changed.experts, changed.published_parameters, changed.published_active) == (16, 0.0, 0.0)


@pytest.mark.parametrize("model", ["deepseek-v3-671b", "deepseek-v2-lite-16b", "moonlight-16b-a3b"])
def test_heads_of_latent_attention_keep_their_width(model: str) -> None:
    """Other heads or another width change no head's size, even where heads x head_dim happens to be the width; kv_heads follow."""
    preset = presets.model(model)
    for changes in ({"heads": 2 * preset.heads}, {"hidden": preset.hidden + 96}):
        changed = resolve(EXAMPLE.with_all({"model": model, **changes})).model
        assert (changed.head_dim, changed.rope_dim, changed.v_dim) == (preset.head_dim, preset.rope_dim, preset.v_dim)
        assert changed.kv_heads == changed.heads


def test_latent_attention_is_taken_away_and_given() -> None:
    """Without kv_rank no part of it stays; with it every head has keys of its own."""
    plain = resolve(EXAMPLE.with_all({"model": "deepseek-v3-671b", "kv_rank": 0})).model
    assert (plain.kv_rank, plain.q_rank, plain.rope_dim, plain.v_dim) == (0, 0, 0, 0)
    latent = resolve(EXAMPLE.with_all({"model": "llama-3.1-8b", "kv_rank": 512})).model
    assert (latent.kv_rank, latent.kv_heads) == (512, latent.heads)


def test_what_a_job_says_of_experts_is_set_like_any_field() -> None:
    job = resolve(EXAMPLE.with_all({"model": "mixtral-8x7b", "imbalance": 1.3, "capacity": 1.25, "overlap_experts": True}))
    assert (job.imbalance, job.capacity, job.overlap_experts) == (1.3, 1.25, True)
    usual = resolve(EXAMPLE)
    assert (usual.imbalance, usual.capacity, usual.overlap_experts) == (1.0, 0.0, False)


def test_a_file_that_is_not_there_marks_its_field() -> None:
    with pytest.raises(FieldError, match="nowhere") as refused:
        parse("model", "/nowhere.json")
    assert refused.value.key == "model"


def test_a_model_may_be_a_hugging_face_config(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "num_hidden_layers": 3, "hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 2,
        "intermediate_size": 256, "vocab_size": 1000, "max_position_embeddings": 2048, "tie_word_embeddings": False, "hidden_act": "silu",
    }  # fmt: skip
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    model = resolve(EXAMPLE.with_("model", parse("model", str(path)))).model
    assert (model.layers, model.hidden, model.head_dim) == (3, 96, 16)


def test_figures_are_taken_in_the_unit_of_their_field() -> None:
    job = resolve(EXAMPLE.with_all({"nic_gbit_s": 200.0, "link_gb_s": 300.0, "memory_gib": 79.0, "headroom": 5.0}))
    assert (job.cluster.nic_bytes_s, job.cluster.link_bytes_s, job.cluster.gpu.memory_bytes) == (25e9, 300e9, 79 * GIB)
    assert job.memory_limit == pytest.approx(0.95 * 0.96 * 79 * GIB)  # fragments take their share


def test_half_the_peak_is_half_the_rate_of_matrix_products() -> None:
    usual = resolve(EXAMPLE).cluster.gpu
    slow = resolve(EXAMPLE.with_("tflops_bf16", usual.flops_bf16 / 2e12)).cluster.gpu
    assert slow.gemm.flops_s == pytest.approx(usual.gemm.flops_s / 2)


def test_gpus_must_fill_their_nodes_and_the_nearest_that_do_are_named() -> None:
    with pytest.raises(FieldError, match="use 16 or 24") as refused:
        resolve(EXAMPLE.with_("gpus", 20))
    assert refused.value.key == "gpus"


def test_fewer_gpus_than_a_node_holds_are_one_node() -> None:
    assert resolve(EXAMPLE.with_("gpus", 3)).cluster.gpus_per_node == 3


def test_seven_gpus_a_node_are_a_cluster() -> None:
    cluster = resolve(EXAMPLE.with_all({"gpus_per_node": 7, "gpus": 21})).cluster
    assert (cluster.gpus, cluster.gpus_per_node, cluster.link_domain) == (21, 7, 7)


def test_gpus_without_a_scale_up_switch_reach_their_node_over_pcie() -> None:
    assert resolve(EXAMPLE.with_("gpu", "rtx-4090")).cluster.link_domain == 8


def test_a_rack_is_one_scale_up_domain_though_its_nodes_are_small() -> None:
    assert resolve(Inputs({"cluster": "gb200-nvl72"})).cluster.link_domain == 72


def test_another_preset_drops_what_was_set_on_top_of_the_former() -> None:
    changed = EXAMPLE.with_("memory_gib", 60.0).with_("layers", 100).with_("gpu", "a100-80gb-sxm").with_("model", "llama-3.1-8b")
    assert "memory_gib" not in changed.values and "layers" not in changed.values


def test_the_same_preset_again_drops_nothing() -> None:
    assert EXAMPLE.with_("memory_gib", 60.0).with_("gpu", "h100-sxm").values["memory_gib"] == 60.0


def test_a_cluster_brings_its_gpu_and_its_size() -> None:
    inputs = EXAMPLE.with_("cluster", "dgx-a100")
    cluster = resolve(inputs).cluster
    shape = presets.cluster("dgx-a100")
    assert (cluster.gpu.name, cluster.gpus, cluster.gpus_per_node) == (shape.gpu, shape.gpus, shape.gpus_per_node)
    assert shown(inputs)["gpu"] == (shape.gpu, False)


def test_another_gpu_in_the_same_chassis_brings_its_own_links() -> None:
    cluster = resolve(Inputs({"cluster": "dgx-a100", "gpu": "h100-sxm"})).cluster
    assert cluster.link_bytes_s == presets.gpu("h100-sxm").link_bytes_s


def test_kv_heads_follow_the_heads_of_a_model_without_grouped_queries() -> None:
    model = resolve(EXAMPLE.with_all({"model": "gpt3-175b", "heads": 48})).model
    assert (model.kv_heads, model.head_dim) == (48, 256)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(FieldError, match="set head_dim too"):
        resolve(EXAMPLE.with_("heads", 120))


def test_a_sequence_nobody_set_stays_within_learned_positions() -> None:
    assert resolve(EXAMPLE.with_("model", "gpt3-175b")).sequence == 2048


def test_shown_says_what_was_set_and_what_a_preset_fills_in() -> None:
    fields = shown(EXAMPLE.with_("nic_gbit_s", 200.0))
    assert fields["nic_gbit_s"] == (200.0, True)
    assert fields["hidden"] == (16384, False)
    assert fields["gradient_bytes"] == ("4", False)


def test_inputs_are_one_key_of_a_cache_however_they_came_about() -> None:
    assert len({EXAMPLE, EXAMPLE.with_("layers", 3).with_("layers", None), EXAMPLE.with_("attention", "")}) == 1


def test_a_precision_without_units_is_refused() -> None:
    """Units set to none are no units, on a GPU that has them as sold too."""
    with pytest.raises(FieldError, match="h100-sxm has no fp8 units; use bf16 or fp16"):
        resolve(EXAMPLE.with_all({"precision": "fp8", "tflops_fp8": 0.0}))
