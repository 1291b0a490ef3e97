"""Every reader of the planner refuses what is not a regular file in one sentence, at once and within bounded memory."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.calibration import kernel_tables
from planner.document import planfile
from planner.document.fields import load
from planner.document.inputs import EXAMPLE, Inputs, Recorded, used
from planner.document.other_cluster import against
from planner.errors import FileError, TmplanError
from planner.files import reader
from planner.importers import formats
from planner.presets import toml_keys
from planner.runs import row_file
from planner.runs.configure import configured
from tests.odd import ODD, patience

RUN = {"framework": "torchtitan", "model": "m", "layers": "2", "hidden": "64", "heads": "4", "seq": "64", "global_batch": "8", "gpus": "8"}


HERE = Inputs({}, Recorded(used(EXAMPLE)))  # a job that reads no preset file


# Every reader of the planner: the name of its file and the function that reads it.
READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "TOML": ("x.toml", lambda path: toml_keys.read_toml(Path(path))),
    "model": ("x.toml", presets.model),
    "config.json": ("config.json", presets.model),
    "gpu": ("x.toml", presets.gpu),
    "cluster": ("x.toml", presets.cluster),
    "stack": ("x.toml", presets.stack),
    "field": ("x.toml", lambda path: load("gpu", path)),
    "against": ("x.toml", lambda path: against(HERE, path)),
    "plan file": ("x.toml", planfile.read),
    "import": ("x.sh", formats.read),
    "runs": ("x.csv", row_file.numbered_rows),
    "predictions": ("x.jsonl", row_file.read_predictions),
    "gpu of a run": ("x.toml", lambda path: configured(RUN | {"gpu": path})),
    "products": ("x.csv", kernel_tables.read_gemm),
    "collectives": ("x.csv", kernel_tables.read_nccl),
}
each_reader = pytest.mark.parametrize(("name", "read"), READERS.values(), ids=READERS)


def refused(read: Callable[[str], Any], path: str) -> str:
    """The sentence of the refusal of a path."""
    with patience(), pytest.raises(TmplanError) as refusal:
        read(path)
    sentence = str(refusal.value)
    assert sentence.isprintable() and 0 < len(sentence) <= 1000
    return sentence


@each_reader
@pytest.mark.parametrize(("put", "message"), ODD.values(), ids=ODD)
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, name: str, read: Callable[[str], Any], put: Callable[[Path], None], message: str
) -> None:
    """A folder, pipe, device, dangling link, oversized or non-text file is refused in a sentence with the path and the reason."""
    put(tmp_path / name)
    sentence = refused(read, str(tmp_path / name))
    if (put, read) != (ODD["nothing"][0], READERS["against"][1]):  # its message lists the presets instead
        assert sentence.startswith(f"{tmp_path / name}: ") and message in sentence


@each_reader
@pytest.mark.parametrize(
    "path",
    ["", ".", "/", "a\0b", "~\0/{}", "~nobody-of-that-name/{}", "x" * 300 + "/{}", "x/" * 2500 + "{}", "\ud800/{}", "{}/{}", "/dev/stdin"],
    ids=["none", "here", "root", "null", "null in a name", "unknown user", "long name", "long path", "not text", "below a file", "stdin"],
)
def test_a_path_that_cannot_be_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[str], Any], path: str
) -> None:
    """Any text as a path is refused in a sentence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("x")
    refused(read, path.format(name, name))


@each_reader
def test_what_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[str], Any]) -> None:
    """A file that may not be opened, and one whose disk fails, is refused with the system's reason, and no descriptor leaks."""
    path = tmp_path / name
    path.write_text("x = 1\n")

    def denied(*_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    def broken(*_: Any) -> Any:
        raise OSError(5, "Input/output error")

    opened = len(os.listdir("/dev/fd"))
    for call, fails, message in (("open", denied, "permission denied"), ("read", broken, "input/output error")):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            assert f"{path}: cannot be read: {message}" in refused(read, str(path))
    assert len(os.listdir("/dev/fd")) == opened


def test_the_file_type_is_checked_again_after_opening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that replaces a file between check and opening is neither read nor waited for."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("x")
    real, file = os.stat, os.stat(tmp_path / "file")
    monkeypatch.setattr(os, "stat", lambda path: file if str(path).endswith("pipe") else real(path))
    with patience(), pytest.raises(FileError, match="it is a pipe"):
        reader.content(tmp_path / "pipe", 10, "is larger")


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 2**21])
def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path, size: int) -> None:
    """A limit of 10 bytes allows 10 and refuses 11; a file larger than one system read is read completely."""
    (tmp_path / "file").write_bytes(b"x" * size)
    if size <= 10:
        assert reader.content(tmp_path / "file", 10, "is larger") == b"x" * size
    else:
        with pytest.raises(FileError, match="file: is larger"):
            reader.content(tmp_path / "file", 10, "is larger")
        assert reader.content(tmp_path / "file", size, "is larger") == b"x" * size


def test_a_file_of_reported_size_zero_is_read(tmp_path: Path) -> None:
    """A file of /proc reports size 0 and has content."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc here")
    assert os.stat("/proc/self/status").st_size == 0
    assert reader.content("/proc/self/status", 2**16, "is larger")


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    """A symbolic link to a regular file is read."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    assert reader.text(tmp_path / "link", 10, "is larger") == "text"


@pytest.mark.parametrize(("path", "expected"), [("~/x", "{}/x"), ("x", "x"), ("~\0", "~\0"), ("~\ud800/x", "~\ud800/x"), ("", "")])
def test_a_known_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str) -> None:
    """~ is replaced by the home folder; an unknown user's is unchanged."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert reader.expand_home(path) == expected.format(tmp_path)


def test_names_in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorted names with the ending, hidden ones excluded; empty without the folder; a sentence for what is not a folder or is too full."""
    for name in ("b.toml", "a.toml", ".c.toml", "readme"):
        (tmp_path / name).write_text("")
    (tmp_path / "d.toml").mkdir()
    (tmp_path / ".#a.toml").symlink_to("somebody@somewhere.42")  # an editor's lock
    assert reader.names_in(tmp_path, ".toml") == ["a.toml", "b.toml", "d.toml"]
    assert reader.names_in(tmp_path / "none", ".toml") == reader.names_in(tmp_path / "readme" / "below", ".toml") == []
    (tmp_path / "link").symlink_to("nowhere")
    for path, message in (
        ("readme", "it is not a folder"),
        ("link", "it is a symbolic link to a folder that does not exist"),
        ("x" * 300, "too long"),
    ):
        with pytest.raises(FileError, match=f"cannot be listed: .*{message}"):
            reader.names_in(tmp_path / path, ".toml")
    monkeypatch.setattr(reader, "MOST_NAMES", 5)
    with pytest.raises(FileError, match="has more than 5 files"):
        reader.names_in(tmp_path, ".toml")


DIGITS = "9" * 5000
TOML = {
    "digits": f"layers = {DIGITS}", "hexadecimal": f"layers = 0x{'f' * 5000}", "huge": "board_w = 1e999", "nan": "hbm_gb_s = nan",
    "in a list": f"sources = [{DIGITS}]", "in a table": f"[gemm]\ntflops = {DIGITS}", "as a key": f"{DIGITS} = 1",
    "400 digits": f"memory_gib = {'9' * 400}", "deep": "x = " + "[" * 100_000, "deep tables": "x = " + "{a=" * 100_000,
    "dotted": "a." * 20_000 + "a = 1", "dotted heading": "[" + "a." * 20_000 + "a]\n" + "".join(f"k{i} = 1\n" for i in range(2000)),
}  # fmt: skip
JSON = {
    "digits": f'{{"hidden_size": {DIGITS}}}', "400 digits": f'{{"hidden_size": {"9" * 400}}}', "huge": '{"hidden_size": 1e999}',
    "negative": f'{{"hidden_size": -{DIGITS}}}', "deep": "[" * 100_000, "deep objects": '{"a":' * 100_000, "as a text": f'"{DIGITS}"',
    "in an unused key": f'{{"x": [{DIGITS}]}}',
}  # fmt: skip
CSV = {
    "digits": f"op_name,num_gpus,message_size,m,n,k,latency\nall_reduce,{DIGITS},{DIGITS},{DIGITS},1,1,1\n",
    "huge": "op_name,num_gpus,message_size,m,n,k,latency\nall_reduce,8,1e999,1e999,1,1,1\n", "one field": "x" * 200_000,
    "columns": ",".join(f"c{i}" for i in range(20_000)) + "\n" + "1\n" * 20_000, "JSON": "[" * 100_000,
    "digits in JSON": f'{{"id": {DIGITS}}}\n', "columns in JSON": "".join(f'{{"c{i}": 1}}\n' for i in range(5000)),
}  # fmt: skip
CONTENTS = (
    [(text, ("TOML", "model", "gpu", "cluster", "stack", "field", "against"), name) for name, text in TOML.items()]
    + [(text, ("config.json",), name) for name, text in JSON.items()]
    + [(text, ("products", "collectives", "runs", "predictions"), name) for name, text in CSV.items()]
)
CASES = [
    pytest.param(reader, text, id=f"{reader}: {name}")
    for text, readers, name in CONTENTS
    for reader in readers
    if (reader, name) not in {("TOML", "hexadecimal"), ("TOML", "huge"), ("TOML", "nan"), ("TOML", "400 digits"), ("TOML", "as a key"),
                              ("runs", "digits"), ("runs", "huge"), ("runs", "digits in JSON")}  # valid, or never used, there
]  # fmt: skip


@pytest.mark.parametrize(("reader", "text"), CASES)
def test_numbers_and_nesting_of_any_length_are_refused(tmp_path: Path, reader: str, text: str) -> None:
    """Thousands of digits, numbers beyond float, unbounded levels and columns are refused in a readable sentence within seconds."""
    name, read = READERS[reader]
    (tmp_path / name).write_text(text)
    assert "set_int_max_str_digits" not in refused(read, str(tmp_path / name))


SHIPPED = {"models": "llama-3.1-8b", "gpus": "h100-sxm", "clusters": "dgx-h100", "stacks": "megatron-core"}
NINES = "9" * 400
NUMBERS = (f"0x{'f' * 5000}", NINES, f"-{NINES}", "1e999", "-1e999", "1e300", "nan", "-7", "[[[[[]]]]]", "1979-05-27", f'"{DIGITS}"')
NUMBER = re.compile(r"(?m)^(\w+) = ([-_\d.e]+)")


@pytest.mark.parametrize("kind", SHIPPED)
def test_no_number_of_a_preset_is_beyond_a_sentence(tmp_path: Path, kind: str) -> None:
    """Each number of each kind of preset, replaced by an impossible one, is refused in a sentence with the file and the key or field."""
    text = (presets.SHIPPED / kind / f"{SHIPPED[kind]}.toml").read_text()
    read = READERS[kind.removesuffix("s")][1]
    path = tmp_path / "x.toml"
    for place in NUMBER.finditer(text):
        tables = (presets.KEYS[kind], presets.GEMM_KEYS, presets.FLASH_KEYS)
        fields = {keys[place[1]].field for keys in tables if place[1] in keys} or {place[1]}
        for number in NUMBERS:
            if (place[1], number) == ("published_parameters", "1e300"):
                continue  # shown, never used in a calculation
            path.write_text(text[: place.start(2)] + number + text[place.end(2) :])
            sentence = refused(read, str(path))
            assert sentence.startswith(f"{path}") and any(name in sentence for name in (place[1], *fields))


def test_more_cells_than_are_held_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows times columns are bounded in CSV and JSON lines alike, since every row gets every column."""
    monkeypatch.setattr(row_file, "MOST_CELLS", 20)
    for text in ("a,b,c\n" + "1\n" * 7, "".join(f'{{"c{i}": 1}}\n' for i in range(5))):
        (tmp_path / "rows").write_text(text)
        with pytest.raises(FileError, match=r"more than 20 cells \([57] rows by [35] columns so far\); split it"):
            row_file.numbered_rows(str(tmp_path / "rows"))
    (tmp_path / "rows").write_text("a,b,c\n" + "1\n" * 6)
    assert len(row_file.numbered_rows(str(tmp_path / "rows"))) == 6
    monkeypatch.setattr(row_file, "MOST_ROWS", 5)
    for text in ("a\n" + "1\n" * 6, '{"id": 1}\n' * 6):
        (tmp_path / "rows").write_text(text)
        with pytest.raises(FileError, match="has more than 5 rows; split it"):
            row_file.numbered_rows(str(tmp_path / "rows"))


@pytest.mark.parametrize("trick", ["same stamp", "clock set back", "same size"])
def test_a_file_rewritten_within_one_clock_tick_is_read_again(tmp_path: Path, trick: str) -> None:
    """The content of a preset counts, not its time stamp: an edit under an unchanged or earlier stamp is read."""
    path, model = tmp_path / "mine.toml", (presets.SHIPPED / "models" / "llama-3.1-8b.toml").read_text()
    path.write_text(model)
    stamp = os.stat(path).st_mtime_ns
    assert presets.model(path).layers == 32
    path.write_text(model.replace("layers = 32", "layers = 31" if trick == "same size" else "layers = 8"))
    os.utime(path, ns=(stamp, stamp if trick != "clock set back" else stamp - 10**12))
    assert presets.model(path).layers in (31, 8)


def test_the_cache_of_parsed_files_is_bounded(tmp_path: Path) -> None:
    """At most a few hundred parsed files are cached."""
    for i in range(400):
        (tmp_path / f"{i}.toml").write_text(f"x = {i}")
        assert toml_keys.read_toml(tmp_path / f"{i}.toml") == {"x": i}
    assert toml_keys._parsed.cache_info().currsize <= 256
