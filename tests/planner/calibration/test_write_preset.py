"""Written presets read back to the same numbers, with any comments and names, and are written completely or not at all."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import presets
from planner.calibration import write_preset
from planner.calibration.kernel_tables import FittedGemm
from planner.errors import FieldError, FileError
from planner.presets import ClusterPreset
from planner.specs.hardware import Gemm

FACTORS = {"pace": 1.0314, "host_pace": 0.77, "link_bytes_s": 0.931, "nic_bytes_s": 1.21}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty config folder, so that tests do not depend on the user's presets."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def written(shape: ClusterPreset, folder: Path) -> ClusterPreset:
    """A cluster after it was written and read."""
    path = folder / f"{shape.name}.toml"
    write_preset.save({path: write_preset.text(["a head"], write_preset.cluster_table(shape), {"pace": "a note"})})
    return presets.cluster(path)


@pytest.mark.parametrize("name", presets.names("clusters"))
def test_a_cluster_reads_back_unchanged(name: str, tmp_path: Path) -> None:
    """Every shipped cluster reads back unchanged, with and without factors."""
    shape = presets.cluster(name)
    assert written(shape, tmp_path) == shape
    moved = replace(write_preset.rounded(shape, {key: FACTORS[key] for key in ("pace", "host_pace")}), calibrated_runs=3)
    assert written(moved, tmp_path) == moved


@given(st.floats(0.31, 3.3), st.floats(0.31, 3.3), st.floats(1e-2, 1e5), st.floats(1e-2, 1e6))
def test_factors_survive_to_the_last_bit(pace: float, by: float, link: float, nic: float) -> None:
    """The numbers of a scaled cluster in a file equal the scaled numbers."""
    shape = replace(presets.cluster("dgx-h100"), link_bytes_s=link * 1e9, nic_bytes_s=nic * 1.25e8)
    moved = write_preset.rounded(shape, {"pace": pace, "host_pace": by, "link_bytes_s": by, "nic_bytes_s": pace})
    table = tomllib.loads(write_preset.text([], write_preset.cluster_table(moved), {"pace": "x"}))
    assert (table["pace"], table["host_pace"]) == (moved.pace, moved.host_pace)
    assert (table["link_gb_s"] * 1e9, table["nic_gbit_s"] * 1.25e8) == (moved.link_bytes_s, moved.nic_bytes_s)


def test_a_gpu_keeps_all_but_its_products(config: Path) -> None:
    """A GPU with fitted products reads back with them, its other figures, its training factor and the source of the fit."""
    fitted = FittedGemm(Gemm(3.1e-6, 801.25e12, 1e-14, 20.5, 160.0, 2.71e12), 99, 50, 0.06, 7e14, 0.2)
    path = write_preset.path_of("gpus", "ours")
    write_preset.save({path: write_preset.text(["mine"], write_preset.gpu_table("h100-sxm", fitted, "made here"), {})})
    gpu, shipped = presets.gpu("ours"), presets.gpu("h100-sxm")
    assert path.is_relative_to(config)
    assert gpu.gemm == replace(fitted.gemm, pad_m=0.0, training=shipped.gemm.training, source="made here")
    assert replace(gpu, gemm=shipped.gemm, sources=shipped.sources) == shipped
    assert gpu.sources == (*shipped.sources, "[gemm]: made here")


def test_comments_are_safe_for_any_path() -> None:
    """Line ends, control characters and invalid bytes do not end a comment."""
    text = write_preset.text(["a\nb = 1\r\x00\udc80"], {"gpu": "x"}, {"gpu": "c\nd = 2"})
    assert tomllib.loads(text) == {"gpu": "x"} and text.encode().count(b"\n") == 2


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-x", "a b", "x.toml", "X.JSON", "é", "a" * 65, "a\n"])
def test_an_invalid_name_is_refused(name: str) -> None:
    """A name has letters, digits, dash, underscore and point, and is not a file name."""
    with pytest.raises(FieldError, match=r"^name must be letters, digits"):
        write_preset.named(name)


@pytest.mark.parametrize(("kind", "name"), [("clusters", "dgx-h100"), ("clusters", "DGX-H100"), ("gpus", "h100-sxm")])
def test_a_name_that_is_taken_is_refused(kind: str, name: str) -> None:
    """A shipped preset's name counts as taken, whatever its case."""
    with pytest.raises(FieldError, match=r"a preset '.*' of the .* exists; choose another name, or replace it with --force"):
        write_preset.free(kind, name)
    write_preset.free(kind, "nobody-has-this")


def test_several_files_are_written_all_or_none(tmp_path: Path) -> None:
    """If one file cannot be written the others are restored: absent, or with their former text."""
    old, new, bad = tmp_path / "old.toml", tmp_path / "new" / "new.toml", tmp_path / "folder"
    old.write_text("before")
    bad.mkdir()
    with pytest.raises(FileError, match="cannot be written"):
        write_preset.save({old: "after", new: "after", bad: "after"})
    assert old.read_text() == "before" and not new.exists()
    write_preset.save({old: "after", new: "after"})
    assert old.read_text() == new.read_text() == "after"


def test_a_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    """A file at the path of the config folder is refused with the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"file/presets/x.toml: cannot be written: "):
        write_preset.save({tmp_path / "file" / "presets" / "x.toml": "text"})
