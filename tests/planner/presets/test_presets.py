"""Presets: every shipped file is read, agrees with published figures, and an invalid file is refused in one sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.errors import FileError, TmplanError, UnknownName
from planner.specs.hardware import GIB, Gpu
from planner.specs.job import Stack
from planner.specs.model import Model
from planner.specs.parameters import active_parameters, total_parameters
from tests.planner.refusals import model_refused

READERS: dict[str, Callable[[str], Any]] = {
    "gpus": presets.gpu,
    "clusters": presets.cluster,
    "models": presets.model,
    "stacks": presets.stack,
}
SHIPPED = [(file.parent.name, file.stem) for file in sorted(presets.SHIPPED.glob("*/*.toml"))]
MODELS = [name for kind, name in SHIPPED if kind == "models"]
MIXTURES = [name for name in MODELS if "experts" in tomllib.loads((presets.SHIPPED / "models" / f"{name}.toml").read_text("utf-8"))]
MODEL = """
layers = 2
hidden = 64
heads = 4
kv_heads = 2
head_dim = 16
ffn = 256
vocab = 1000
max_positions = 128
sources = ["typed here"]
"""


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty configuration folder, so that no test sees the presets of the user who runs it."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    """Write a preset file, creating its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(("kind", "name"), SHIPPED)
def test_every_shipped_preset_is_read_and_has_sources(kind: str, name: str) -> None:
    """Each shipped file gives a spec of its name with the sources of its numbers."""
    spec = READERS[kind](name)
    assert spec.name == name
    assert spec.sources
    assert all(len(source) > 5 for source in spec.sources)


def test_the_shipped_presets_cover_the_measured_runs() -> None:
    """At least 24 GPUs, 50 models, 10 clusters and three stacks are shipped, with the GPUs of the measured runs."""
    assert len(presets.names("gpus")) >= 24
    assert len(presets.names("models")) >= 50
    assert len(presets.names("clusters")) >= 10
    assert {"megatron-core", "torchtitan", "deepspeed"} <= set(presets.names("stacks"))
    measured = {
        "a100-80gb-sxm",
        "a100-40gb-sxm",
        "h100-sxm",
        "h200-sxm",
        "b200",
        "gb200",
        "v100-16gb-sxm",
        "v100-32gb-sxm",
        "h100-96gb-hbm2e",
    }
    assert measured <= set(presets.names("gpus"))


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts_are_those_published(name: str) -> None:
    """The parameter count of a preset is within 0.5 % of the published total."""
    model = presets.model(name)
    assert model.published_parameters > 0
    assert total_parameters(model) == pytest.approx(model.published_parameters, rel=0.005)


@pytest.mark.parametrize("name", MIXTURES)
def test_active_parameter_counts_are_those_published(name: str) -> None:
    """Active parameters of a mixture are within 0.5 % of the published number, and below a third of the total."""
    model = presets.model(name)
    assert model.published_active > 0
    assert active_parameters(model) == pytest.approx(model.published_active, rel=0.005)
    assert active_parameters(model) < total_parameters(model) / 3


@pytest.mark.parametrize(
    ("name", "billions", "active"),
    [("deepseek-v3-671b", 671.026, 37.552), ("mixtral-8x7b", 46.703, 12.880), ("gpt-oss-120b", 116.829, 5.712)],
)
def test_well_known_mixtures_have_their_exact_counts(name: str, billions: float, active: float) -> None:
    """DeepSeek-V3 has 671.026 B parameters and 37.552 B active ones, Mixtral 8x7B 46.703 B, gpt-oss-120b 116.829 B."""
    model = presets.model(name)
    assert total_parameters(model) / 1e9 == pytest.approx(billions, abs=0.0005)
    assert active_parameters(model) / 1e9 == pytest.approx(active, abs=0.0005)


def test_every_parameter_of_a_dense_model_is_active() -> None:
    """Active parameters equal the total without experts."""
    for name in sorted(set(MODELS) - set(MIXTURES)):
        model = presets.model(name)
        assert active_parameters(model) == total_parameters(model)


def test_figures_are_converted_to_base_units(tmp_path: Path) -> None:
    """An H100 has 79.65 GiB, 989 TFLOP/s, 450 GB/s of NVLink and 50 GB/s of network, in bytes and FLOP/s."""
    gpu = presets.gpu("h100-sxm")
    assert isinstance(gpu, Gpu)
    assert gpu.memory_bytes / GIB == pytest.approx(79.65, abs=0.01)
    assert (gpu.flops_bf16, gpu.link_bytes_s, gpu.nic_bytes_s, gpu.hbm_bytes_s) == (989e12, 450e9, 50e9, 3.35e12)
    cluster = presets.cluster("dgx-h100")
    assert (cluster.gpu, cluster.gpus_per_node, cluster.nic_bytes_s, cluster.host_memory_bytes) == ("h100-sxm", 8, 50e9, 2.0**41)
    path = tmp_path / "mine.toml"
    text = (presets.SHIPPED / "stacks" / "megatron-core.toml").read_text(encoding="utf-8")
    for key, number in (("host_micro_batch_us", 200), ("step_fixed_ms", 30), ("context_gib", 1)):
        text = re.sub(rf"(?m)^{key} = \S+", f"{key} = {number}", text)
    path.write_text(text, encoding="utf-8")
    stack = presets.stack(path)
    assert isinstance(stack, Stack)
    assert (stack.host_micro_batch_s, stack.step_fixed_s, stack.context_bytes) == (0.0002, 0.03, GIB)


def test_a_measured_gemm_has_a_separate_training_factor() -> None:
    """The plateau of a [gemm] table is the measured one; the share reached in training is a separate field."""
    gemm = presets.gpu("h100-sxm").gemm
    assert gemm.flops_s == pytest.approx(832e12)
    assert 0.7 < gemm.training < 1
    assert gemm.overhead_s == pytest.approx(2.7e-6)
    assert "fit" in gemm.source
    assert "derived" not in gemm.source


def test_the_host_of_a_grace_superchip_is_reached_over_nvlink_c2c() -> None:
    """450 GB/s one way; two Blackwell GPUs share the 512 GB/s of their Grace's memory, and 78 % of it are taken as of PCIe."""
    assert presets.gpu("gh200").pcie_bytes_s == 450e9
    assert [presets.gpu(name).pcie_bytes_s for name in ("gb200", "gb300", "b200")] == [200e9, 200e9, 50e9]
    assert presets.gpu("gb200").pcie_bytes_s == pytest.approx(0.78 * 512e9 / 2, rel=0.01)


def test_an_unmeasured_gemm_is_derived() -> None:
    """Without a [gemm] table the plateau is 0.82 of the peak, 0.85 of the bandwidth, and the source says derived."""
    gpu = presets.gpu("l40s")
    assert gpu.gemm.flops_s == pytest.approx(0.82 * gpu.flops_bf16)
    assert gpu.gemm.bytes_s == pytest.approx(0.85 * gpu.hbm_bytes_s)
    assert gpu.gemm.source.startswith("derived")
    part = presets.gpu("mi300x").gemm  # only its plateau is measured
    assert part.flops_s == pytest.approx(668.4e12)
    assert "measured" in part.source
    assert "derived" in part.source


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (("tflops = 832", "tflops = 1250"), r"\[gemm\] gives products 1,000 TFLOP/s .* above the peak of 989 \(tflops_bf16\); lower"),
        (("tflops_bf16 = 989", "tflops_bf16 = 660"), r"products 665\.6 TFLOP/s .* above the peak of 660 \(tflops_bf16\)"),
        (("tb_s = 2.9", "tb_s = 6.8"), r"tb_s must be no more than 2 times the memory bandwidth, 6\.7 TB/s here, not 6\.8"),
        (("training_factor = 0.8 ", "training_factor = 1.1 "), "training must lie between 0.01 and 1, not 1.1"),
        (("tflops = 989", "tflops = 990"), r"\[flash_3\] tflops must be at most the peak of 989 \(tflops_bf16\), not 990"),
    ],
)
def test_a_gpu_with_kernels_above_its_peak_is_refused(tmp_path: Path, changed: tuple[str, str], message: str) -> None:
    """A rate above the peak, or a share above one, is refused with the file and the keys."""
    shipped = (presets.SHIPPED / "gpus" / "h100-sxm.toml").read_text(encoding="utf-8")
    text = re.sub(r"training_factor = [\d.]+ ", "training_factor = 0.8 ", shipped)  # whatever was fitted last
    assert changed[0] in text
    path = write(tmp_path, text.replace(*changed))
    with pytest.raises(FileError, match=message) as refused:
        presets.gpu(path)
    assert str(path) in str(refused.value)


def test_experts_in_a_file_are_read(tmp_path: Path) -> None:
    """A model file with experts is a mixture; the dense width may be 0 where no layer is dense."""
    model = presets.model(write(tmp_path, MODEL.replace("ffn = 256", "ffn = 0") + "experts = 8\nexperts_per_token = 2\nexpert_ffn = 64\n"))
    assert (model.experts, model.sparse_layers) == (8, 2)
    assert total_parameters(model) - active_parameters(model) == 2 * 6 * 3 * 64 * 64


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    """A misspelt preset is refused with the closest names."""
    with pytest.raises(UnknownName, match=r"did you mean .*llama-3\.1-405b"):
        presets.model("llama-3.1-405")
    for odd in ("", "\0", "x" * 5000, "..", "naïve"):
        with pytest.raises(TmplanError):
            presets.gpu(odd)


def test_names_are_case_insensitive() -> None:
    """H100-SXM and h100-sxm are the same preset, and so are further product names of a GPU."""
    assert presets.gpu("H100-SXM") == presets.gpu("h100-sxm")
    assert presets.gpu("B200-SXM") == presets.gpu("b200")


def test_a_user_preset_takes_precedence(config: Path) -> None:
    """A file in the user's folder is listed, and replaces a shipped preset of the same name."""
    write(config / "presets" / "models", MODEL, "mine.toml")
    write(config / "presets" / "models", MODEL, "llama-3.1-8b.toml")
    write(config / "presets" / "models", MODEL, "Mixed-Case.toml")
    assert presets.model("mixed-case").name == "Mixed-Case"
    assert "mine" in presets.names("models")
    assert presets.names("models").count("llama-3.1-8b") == 1
    assert presets.model("mine").layers == presets.model("llama-3.1-8b").layers == 2


def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    """Reading after an edit gives the edited content."""
    path = write(tmp_path, MODEL)
    assert presets.model(path).layers == 2
    write(tmp_path, MODEL.replace("layers = 2", "layers = 12"))
    assert presets.model(str(path)).layers == 12


WRONG = [
    (MODEL.replace("layers = 2\n", ""), "key 'layers' is missing"),
    (MODEL + "hiden = 3\n", "unknown key 'hiden'; did you mean 'hidden'"),
    (MODEL.replace("layers = 2", 'layers = "2"'), "key 'layers' must be a whole number, not '2'"),
    (MODEL.replace("layers = 2", "layers = true"), "key 'layers' must be a whole number, not True"),
    (MODEL.replace("layers = 2", "layers = 0"), "layers must lie between 1"),
    (MODEL.replace("layers = 2", "layers = 2.5"), "key 'layers' must be a whole number"),
    (MODEL.replace("kv_heads = 2", "kv_heads = 3"), "kv_heads must divide"),
    (MODEL + 'gated = "yes"\n', "key 'gated' must be true or false"),
    (MODEL + 'norm = "batchnorm"\n', "norm must be one of rmsnorm, layernorm"),
    (MODEL + "experts = 8\n", "experts_per_token must be from 1 to the 8 experts, not 0"),
    (MODEL + "experts = 8\nexperts_per_token = 2\n", "expert_ffn must be at least 1 with 8 experts, not 0"),
    (MODEL + "rope_dim = 64\n", "rope_dim is a part of latent attention and needs kv_rank"),
    (MODEL.replace("ffn = 256", "ffn = 0"), "ffn must lie between 1"),
    (MODEL + "published_parameters = nan\n", "key 'published_parameters' must be a number"),
    (MODEL + f"published_parameters = 1{'0' * 400}\n", "key 'published_parameters' must be a number"),
    (MODEL.replace('["typed here"]', "[]"), "key 'sources' must be a list of texts"),
    (MODEL + "broken = = 1\n", "line 11 is not valid TOML"),
    (MODEL + "layers = 3\n", "line 11 is not valid TOML"),
    ("x = " + "[" * 3000, "not valid TOML"),
    ("layers = 'x", "line 1 is not valid TOML"),
    ("", "key 'layers' is missing"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_a_wrong_model_file_is_refused_with_file_and_key(tmp_path: Path, text: str, sentence: str) -> None:
    """An invalid file is refused in one sentence with the file's name and the key or line."""
    path = write(tmp_path, text)
    model_refused(path, sentence)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are not text are refused with the path."""
    (tmp_path / "bytes.toml").write_bytes(b"layers = \xff")
    for path in (tmp_path / "none.toml", tmp_path, tmp_path / "bytes.toml"):
        with pytest.raises(FileError, match=str(path)):
            presets.model(f"{path}/" if path == tmp_path else path)


def test_wrong_gpu_cluster_and_stack_files_are_refused(tmp_path: Path) -> None:
    """Unknown keys, a field set twice, unknown GPUs and shares above one are refused with file and key."""
    gpu = (presets.SHIPPED / "gpus" / "h100-sxm.toml").read_text()
    stack = (presets.SHIPPED / "stacks" / "megatron-core.toml").read_text()
    nanotron = (presets.SHIPPED / "stacks" / "nanotron.toml").read_text()
    cluster = (presets.SHIPPED / "clusters" / "dgx-h100.toml").read_text()
    wrong = [
        (presets.gpu, gpu.replace("pad_m", "padm"), r"\[gemm\]: unknown key 'padm'; did you mean 'pad_m'"),
        (presets.gpu, "memory_gib = 80\n" + gpu, "'memory_gib' and 'memory_mib' set the same field"),
        (presets.gpu, gpu.replace("hbm_gb_s = 3350", "hbm_gb_s = -1"), "key 'hbm_gb_s' must be a number of at least 0"),
        (presets.gpu, gpu.replace("[gemm]", "[[gemm]]"), "key 'gemm' must be a table"),
        (presets.cluster, cluster.replace("h100-sxm", "h100-sxn"), "no gpu is called 'h100-sxn'; did you mean h100-sxm"),
        (presets.cluster, cluster.replace("gpus_per_node = 8", "gpus_per_node = 0"), "gpus_per_node must lie between"),
        (presets.stack, stack.replace("scores = 0.0", "score = 0.0"), r"\[selective.keep\]: unknown key 'score'; did you mean 'scores'"),
        (presets.stack, stack.replace("attention = 1.0", "attention = 1.5"), "key 'attention' must be a share from 0 to 1"),
        (presets.stack, stack.replace("[0, 1, 2, 3]", "[0, 4]"), "key 'zero_stages' must list stages from 0 to 3"),
        (presets.stack, nanotron.replace("interleaved = false", "interleaved = true"), "interleaved must be false with"),
        (presets.stack, 'schedules = ["1f1b", "zb-v"]\n' + nanotron, "schedules without zb-v and dualpipev"),
    ]
    for number, (read, text, sentence) in enumerate(wrong):
        path = write(tmp_path, text, f"{number}.toml")
        with pytest.raises(TmplanError, match=sentence) as refusal:
            read(path)
        assert str(path) in str(refusal.value)


def test_every_cluster_has_a_shipped_gpu_and_full_nodes() -> None:
    """A cluster's GPU is a preset, and its GPUs fill its nodes."""
    for name in presets.names("clusters"):
        cluster = presets.cluster(name)
        assert cluster.gpu in presets.names("gpus")
        assert cluster.gpus % cluster.gpus_per_node == 0


def test_shipped_presets_have_no_name_key() -> None:
    """Shipped presets are named by their file only, so that the two cannot disagree."""
    for kind, name in SHIPPED:
        assert "name" not in tomllib.loads((presets.SHIPPED / kind / f"{name}.toml").read_text())


def test_an_unknown_kind_is_refused() -> None:
    """Only the four kinds of preset can be listed."""
    with pytest.raises(UnknownName):
        presets.names("themes")


def test_a_model_file_gives_a_model(tmp_path: Path) -> None:
    """A file with only the required keys is a complete model, named after the file."""
    model = presets.model(write(tmp_path, MODEL, "tiny.toml"))
    assert isinstance(model, Model)
    assert (model.name, model.layers, model.gated, model.norm) == ("tiny", 2, True, "rmsnorm")


@pytest.mark.parametrize(
    ("written", "preset"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"), ("A100-SXM4-40GB", "a100-40gb-sxm"), ("NVIDIA GeForce RTX 5090", "rtx-5090"),
        ("NVIDIA GH200 480GB", "gh200"), ("NVIDIA GB10", "dgx-spark"), ("Tesla V100-SXM2-16GB", "v100-16gb-sxm"),
        ("RTX 6000 Ada Generation", "rtx-6000-ada"), ("AMD Instinct MI300X", "mi300x"), ("TPU v5e", "tpu-v5e"), ("gb300_nvl72", "gb300"),
    ],
)  # fmt: skip
def test_gpus_are_known_as_vendors_and_drivers_write_them(written: str, preset: str) -> None:
    """Names of drivers, vendors and clouds give the preset of the product; a near name does not."""
    assert presets.gpu(written).name == preset
    with pytest.raises(UnknownName):
        presets.gpu(f"{written} x")
