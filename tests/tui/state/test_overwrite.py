"""Commands leave existing files unchanged without --force."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.document import planfile
from planner.search import search
from tests.tui.cli.test_import_plan import script
from tests.tui.cli.test_main import SMALL
from tui.cli import main
from tui.cli import plan as cli_plan
from tui.state import export_files, overwrite

RUNS = "layers,hidden,heads,seq,gpu,gpus,global_batch,stack\n16,2048,32,2048,h100-sxm,8,64,megatron-core\n"

COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "plan": lambda out: ["plan", *SMALL, "--top", "1", "--save", out],
    "import": lambda out: ["import", "pretrain.sh", "--save", out],
    "estimate": lambda out: ["estimate", "runs.csv", "--out", out],
    "export": lambda out: ["export", *SMALL, "--to", "megatron-lm", "--out", out],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with something to read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs.csv").write_text(RUNS)
    script(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_overwrites_only_with_force(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that is there stays, and is refused in a sentence that names the way; with --force it is replaced."""
    out = folder / "out.toml"
    assert main.run(COMMANDS[name]("out.toml")) in (0, 1), capsys.readouterr().err
    written = out.read_text()
    out.write_text("precious")
    capsys.readouterr()
    assert main.run(COMMANDS[name]("out.toml")) == 2
    assert "out.toml exists; --force overwrites" in capsys.readouterr().err and out.read_text() == "precious"
    assert main.run([*COMMANDS[name]("out.toml"), "--force"]) in (0, 1)
    assert out.read_text() == written


@pytest.mark.parametrize("name", ["plan", "import"])
def test_a_file_in_the_way_is_refused_before_any_search(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a ranking that is then thrown away."""
    (folder / "out.toml").touch()

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("searched")

    monkeypatch.setattr(search, "search", never)
    assert main.run(COMMANDS[name]("out.toml")) == 2


def test_a_file_that_comes_during_the_search_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was not there when the command began."""
    real = cli_plan.searched

    def slow(*given: Any) -> Any:
        (folder / "out.toml").write_text("theirs")
        return real(*given)

    monkeypatch.setattr(cli_plan, "searched", slow)
    assert main.run(COMMANDS["plan"]("out.toml")) == 2
    assert "--force overwrites" in capsys.readouterr().err and (folder / "out.toml").read_text() == "theirs"


def test_the_plan_file_read_is_no_exception(folder: Path) -> None:
    """`tmplan plan plan.toml --save plan.toml` would lose what the user wrote into it."""
    assert main.run(["plan", *SMALL, "--top", "1", "--save", "plan.toml"]) == 0
    before = (folder / "plan.toml").read_text() + "# a note\n"
    (folder / "plan.toml").write_text(before)
    assert main.run(["plan", "plan.toml", "--save", "plan.toml"]) == 2
    assert (folder / "plan.toml").read_text() == before
    assert main.run(["plan", "plan.toml", "--save", "plan.toml", "--force"]) == 0
    assert planfile.read("plan.toml").plan is not None


def test_an_export_of_several_files_leaves_one_that_comes_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the writing: what was written is taken back, what came stays."""
    first, second = tmp_path / "a", tmp_path / "b"
    real = overwrite.put

    def put(path: Path, text: str, *, force: bool) -> None:
        second.write_text("theirs")
        real(path, text, force=force)

    monkeypatch.setattr(export_files, "put", put)
    with pytest.raises(overwrite.Exists):
        export_files.write({first: "x", second: "y"}, force=False)
    assert not first.exists() and second.read_text() == "theirs"


def test_a_device_is_no_file_in_the_way(folder: Path) -> None:
    """/dev/null takes anything."""
    assert main.run(COMMANDS["plan"]("/dev/null")) == 0


def test_a_config_file_that_comes_meanwhile_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tmplan config --init` makes one where none is, be it a link to nowhere."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(folder))
    path = folder / "config.toml"
    path.write_text("theirs")
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert main.run(["config", "--init"]) == 2
    monkeypatch.undo()
    assert path.read_text() == "theirs"


def test_a_folder_that_is_not_there_is_refused_before_any_work(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--save and --out into no folder: a sentence that names it, and no search before it."""
    assert main.run(["plan", *SMALL, "--save", "nowhere/plan.toml"]) == 2
    output_of = capsys.readouterr()
    assert output_of.out == "" and output_of.err == "tmplan: nowhere/plan.toml: cannot be written: there is no folder nowhere\n"


def test_no_name_of_a_plan_file_is_not_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty name, such as an unset variable, is refused: it is not a request for the example."""
    assert main.run(["plan", ""]) == 2
    assert "cannot be read" in capsys.readouterr().err
