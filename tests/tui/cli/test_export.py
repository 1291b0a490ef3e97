"""Exports from the command line and from the screen, the table as Markdown, and the picture of the ranks."""

from __future__ import annotations

import asyncio
import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner.document import planfile
from planner.errors import FileError
from planner.exporters import registry
from planner.exporters.registry import Exported, Target
from planner.files import writer
from tests.tui.driving import Driver, drive
from tui.cli import main
from tui.state import export_files

JOB = ("--model", "llama-3.1-8b", "--gpus", "16", "--global-batch", "64", "--sequence", "4096")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which three made-up targets can be written: one file, two files, and one that refuses."""
    monkeypatch.chdir(tmp_path)
    one = Target("one", "One", "one.yaml", "1.0", lambda r: [], lambda r: Exported({"one.yaml": f"tp: {r.plan.tp}\n"}, ("speed differs",)))
    two = Target("two", "Two", "a.sh", "2.0", lambda r: [], lambda r: Exported({"a.sh": f"# {r.about[1]}\n", "b.sh": "b\n"}))
    never = Target("never", "Never", "never.toml", "3.0", lambda r: ["it knows no tp", "it knows no pp"], lambda r: Exported({}))
    known = {target.name: target for target in (one, two, never)}
    monkeypatch.setattr(registry, "targets", lambda: known)
    return tmp_path


@pytest.fixture
def plan(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """A plan file with a plan that is not the best of its job."""
    assert main.run(["plan", *JOB, "--pin", "tp=4", "--save", "plan.toml"]) == 0
    document = planfile.read("plan.toml")
    planfile.write("plan.toml", planfile.Document(document.inputs, plan=document.plan, predictions=document.predictions))
    capsys.readouterr()
    return "plan.toml"


def test_the_only_file_goes_to_stdout_and_notes_to_stderr(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --out, or with -, stdout has only the file of the plan file's plan."""
    for out in ((), ("--out", "-")):
        assert main.run(["export", plan, "--to", "one", *out]) == 0
        printed = capsys.readouterr()
        assert printed.out == "tp: 4\n"
        assert printed.err == "note: speed differs\n"


@pytest.mark.parametrize(("out", "written"), [
    ("x.yaml", "x.yaml"), ("job", "job/one.yaml"), ("deep/er/", "deep/er/one.yaml"), ("model-3.1-405b", "model-3.1-405b/one.yaml"),
])  # fmt: skip
def test_one_file_goes_to_a_file_or_into_a_folder(plan: str, out: str, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A path with an ending is the file; any other is a folder, which is made."""
    assert main.run(["export", plan, "--to", "one", "--out", out]) == 0
    assert Path(written).read_text() == "tp: 4\n"
    assert f"wrote {written}" in capsys.readouterr().err


def test_several_files_go_into_a_folder(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """All files are written under their names, and each is reported on stderr."""
    assert main.run(["export", plan, "--to", "two", "--out", "job"]) == 0
    assert Path("job/a.sh").read_text().startswith("# plan: tp=4,")
    assert Path("job/b.sh").read_text() == "b\n"
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "wrote job/a.sh\nwrote job/b.sh\n")


def test_several_files_need_a_folder(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """To stdout, or to a file that is there, they are refused in one sentence that names them."""
    Path("there.sh").write_text("precious")
    for out in ("-", "there.sh"):
        assert main.run(["export", plan, "--to", "two", "--out", out, "--force"]) == 2
        error = capsys.readouterr().err
        assert "a.sh, b.sh" in error and "folder" in error and error.count("\n") == 1
    assert Path("there.sh").read_text() == "precious"


def test_a_file_that_is_there_is_overwritten_with_force_alone(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One file in the way stops the whole export with one sentence; --force writes all."""
    Path("job").mkdir()
    Path("job/b.sh").write_text("precious")
    assert main.run(["export", plan, "--to", "two", "--out", "job"]) == 2
    assert capsys.readouterr().err == "tmplan: job/b.sh exists; --force overwrites\n"
    assert [path.name for path in Path("job").iterdir()] == ["b.sh"] and Path("job/b.sh").read_text() == "precious"
    assert main.run(["export", plan, "--to", "two", "--out", "job", "--force"]) == 0
    assert Path("job/b.sh").read_text() == "b\n" and Path("job/a.sh").exists()


@pytest.mark.parametrize("before", [None, "precious"])
def test_a_failure_leaves_what_was_there(before: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the second of two files cannot be written, the first is restored or removed, and so is its folder."""
    first, second = folder / "new" / "job" / "a.sh", folder / "new" / "job" / "b.sh"
    if before is not None:
        first.parent.mkdir(parents=True)
        first.write_text(before)
    real = writer.write

    def failing(path: Path, text: str, **how: Any) -> None:
        if path == second:
            raise FileError("cannot be written: no space left", where=str(path))
        real(path, text, **how)

    monkeypatch.setattr(writer, "write", failing)
    with pytest.raises(FileError, match="no space left"):
        export_files.write({first: "a", second: "b"}, force=True)
    assert (first.read_text() if first.exists() else None) == before
    assert (folder / "new").exists() == (before is not None)


@pytest.mark.parametrize("out", ["plan.toml/in/a/file", "/proc/nowhere/", "nul\0byte"])
def test_a_path_that_cannot_be_written_is_a_sentence(out: str, plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Any problem with the path is reported in one line, with exit code 2."""
    assert main.run(["export", plan, "--to", "one", "--out", out]) == 2
    error = capsys.readouterr().err
    assert error.startswith("tmplan: ") and error.count("\n") == 1 and "fault of tmplan" not in error


def test_a_plan_the_target_cannot_express_is_refused_whole(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every reason stands in one sentence, the exit code is 2, and nothing is written."""
    assert main.run(["export", plan, "--to", "never", "--out", "job"]) == 2
    printed = capsys.readouterr()
    assert printed.err == "tmplan: this plan cannot be written for Never: it knows no tp; it knows no pp\n"
    assert not Path("job").exists() and not printed.out


def test_unknown_and_missing_targets_are_a_sentence(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name gets the nearest, no name the list."""
    assert main.run(["export", plan, "--to", "onne"]) == 2
    assert "did you mean one" in capsys.readouterr().err
    assert main.run(["export", plan]) == 2
    assert "one, two, never" in capsys.readouterr().err


def test_targets_are_listed_with_title_version_and_file(capsys: pytest.CaptureFixture[str]) -> None:
    """--list does not need a plan and prints a line for each target."""
    assert main.run(["export", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[1].split() == ["one", "one.yaml", "One", "1.0"]


def test_a_file_without_a_plan_gives_the_best_of_its_job(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The first plan of the table is exported, and stderr names it; the file's plan and pins have precedence."""
    planfile.write("bare.toml", planfile.Document(planfile.read(plan).inputs))
    assert main.run(["plan", "bare.toml", "--top", "1", "--format", "json"]) == 0
    best = json.loads(capsys.readouterr().out)["plans"][0]["tp"]
    assert main.run(["export", "bare.toml", "--to", "one"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"tp: {best}\n" and f"no plan was given, using the best: tp={best}," in printed.err
    for pin in (("--pin", "tp=2"), ("--tp", "2")):
        assert main.run(["export", plan, "--to", "one", *pin]) == 0
        assert capsys.readouterr().out == "tp: 2\n"


def test_where_nothing_fits_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A job without a plan that fits ends with code 1 and the advice on stderr; a plan that was named is exported all the same."""
    assert main.run(["export", "--gpus", "8", "--to", "one", "--out", "x.yaml"]) == 1
    assert not Path("x.yaml").exists() and capsys.readouterr().err
    assert main.run(["export", "--gpus", "8", "--tp", "8", "--to", "one"]) == 1
    printed = capsys.readouterr()
    assert printed.out == "tp: 8\n" and "does not fit" in printed.err


def test_the_table_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """Every row has as many cells as the heading, and they are those of the plain table."""
    assert main.run(["plan", *JOB, "--top", "3", "--format", "markdown", "--all"]) == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 5 and {len(row) for row in rows} == {len(rows[0])} and set(rows[1]) == {"---:"}
    assert main.run(["plan", *JOB, "--top", "3", "--all"]) == 0
    plain = [re.split(r"\s{2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert [rows[0], *rows[2:]] == plain


@pytest.mark.parametrize("options", [
    JOB, (*JOB, "--gpus-per-node", "1"), ("--gpus", "16384"), ("--cluster", "gb200-nvl72", "--gpus", "144", *JOB[:2]),
    ("--model", "mixtral-8x7b", "--gpus", "64", "--ep", "8"),
], ids=range(5))  # fmt: skip
def test_the_picture_of_the_ranks_is_compact(options: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """However large the world, the picture is at most 80 columns wide and 40 lines long, and says how many ranks there are."""
    assert main.run(["ranks", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 40
    assert "ranks on" in lines[0]
    assert any(line.startswith("node 0") for line in lines)


def test_the_groups_as_json(plan: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind of group is listed with its size and ranks, and every rank with its node."""
    assert main.run(["ranks", plan, "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["schema"], result["world"], result["nodes"], result["node_of_rank"]) == (1, 16, 2, [0] * 8 + [1] * 8)
    assert set(result["groups"]) == {"tp", "cp", "dp", "ep", "etp", "expert-dp", "pp"}
    assert result["groups"]["tp"]["ranks"][0] == [0, 1, 2, 3] and result["groups"]["tp"]["links"] == {"scale-up": 4}
    documented = (Path(__file__).parents[3] / "docs" / "json.md").read_text()
    assert all(f"`{key}`" in documented for key in {**result, **result["groups"]["tp"]})


async def reported(it: Driver, text: str) -> None:
    """Wait until the screen says something."""
    for _ in range(500):
        await it.pilot.pause()
        if text in it.text():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"the screen never showed {text!r}:\n{it.text()}")


def test_e_writes_the_plan_under_the_cursor(folder: Path) -> None:
    """A target from the list, then a path: the files of the plan under the cursor are there, and the message names them."""

    async def play(it: Driver) -> None:
        await it.press("down", "e")
        assert "export for" in it.text() and "one.yaml for One, 1.0" in it.text()
        await it.type("two")
        await it.press("ctrl+u")
        await it.type("job")
        await reported(it, "wrote job/a.sh, job/b.sh")
        plan = it.table.plan
        assert plan is not None
        assert f"tp={plan.tp},pp={plan.pp}," in (folder / "job" / "a.sh").read_text()

    drive(play)


def test_e_offers_a_folder_and_shows_notes(folder: Path) -> None:
    """The text of the prompt is used unchanged, and what the files cannot express of the plan is reported."""

    async def play(it: Driver) -> None:
        await it.press("e")
        await it.type("one")
        await it.press("enter")
        await reported(it, "wrote llama-3.1-8b-16-one/one.yaml; note: speed differs")
        assert (folder / "llama-3.1-8b-16-one" / "one.yaml").exists()

    drive(play)


def test_e_states_why_a_plan_cannot_be_exported(folder: Path) -> None:
    """The refusal of the target stands in the message line, and nothing is written."""

    async def play(it: Driver) -> None:
        await it.press("e")
        await it.type("never")
        await it.press("enter")
        await reported(it, "✗ this plan cannot be written for Never: it knows no tp")
        assert list(folder.iterdir()) == []

    drive(play)


@pytest.mark.parametrize("keys", [("e", "enter"), ("w",), ("o",)], ids=["export", "write", "open"])
def test_the_home_of_nobody_is_a_folder_like_any_other(keys: tuple[str, ...], folder: Path) -> None:
    """A path that starts with ~ and an unknown name is used as typed: the program continues."""

    async def play(it: Driver) -> None:
        await it.press(*keys, "ctrl+u", "~", *"nobody9x", "enter")
        await reported(it, "~nobody9x")
        assert it.app.is_running

    drive(play)


def test_e_asks_before_it_overwrites(folder: Path) -> None:
    """An existing file requires confirmation; only y overwrites it."""
    (folder / "x.yaml").write_text("precious")

    async def play(it: Driver) -> None:
        for answer, stored in (("n", True), ("y", False)):
            await it.press("e")
            await it.type("one")
            await it.press("ctrl+u")
            await it.type("x.yaml")
            await reported(it, "x.yaml exists; overwrite?")
            await it.press(answer)
            if not stored:
                await reported(it, "wrote x.yaml")
            assert ((folder / "x.yaml").read_text() == "precious") == stored

    drive(play)


def test_a_slow_disk_does_not_hold_the_keyboard(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an export is being written, keys move the cursor."""
    import threading

    go, real = threading.Event(), writer.write

    def slow(path: Any, text: str, **how: Any) -> None:
        go.wait(20)
        real(path, text, **how)

    monkeypatch.setattr(writer, "write", slow)

    async def play(it: Driver) -> None:
        await it.press("e")
        await it.type("one")
        await it.press("enter")
        assert "exporting" in it.text()
        before = it.table.plan
        await it.press("down")
        assert it.table.plan != before
        go.set()
        await reported(it, "wrote ")

    drive(play)


def test_a_fault_of_an_exporter_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody foresaw becomes a sentence: the program stands."""

    def broken(name: str, request: Any) -> Exported:
        raise KeyError("what")

    monkeypatch.setattr(registry, "export", broken)

    async def play(it: Driver) -> None:
        await it.press("e")
        await it.type("one")
        await it.press("enter")
        await reported(it, "a fault of tmplan")
        assert it.app.is_running

    drive(play)


def test_there_is_nothing_to_export_without_plans() -> None:
    """Where no plan is shown, e says so in a sentence and asks nothing."""

    async def play(it: Driver) -> None:
        await it.field("tp", "3")
        await it.press("4", "e")
        assert "no plan here to export" in it.text()
        assert not it.picker.open

    drive(play)


def test_files_have_the_rights_of_any_new_file(plan: str, umask: Callable[[int], None]) -> None:
    """An export is readable by whom the umask allows, like any file a program writes."""
    umask(0o027)
    assert main.run(["export", plan, "--to", "one", "--out", "x.yaml"]) == 0
    assert stat.S_IMODE(Path("x.yaml").stat().st_mode) == 0o640


@pytest.fixture
def umask() -> Any:
    """Set the umask, and put it back."""
    import os

    before = os.umask(0)
    os.umask(before)
    yield os.umask
    os.umask(before)


def test_r_lays_the_plan_out_on_ranks_and_nodes() -> None:
    """The picture is that of `tmplan ranks` for the plan under the cursor; r or esc closes it, and it scrolls."""

    async def play(it: Driver) -> None:
        await it.press("r")
        shown = "\n".join(it.detail.lines())
        assert "16 ranks on 2 nodes of 8" in shown
        assert "leave a node" in shown
        assert "node 1" in shown
        await it.press("end", "home", "r")
        assert not it.detail.page
        await it.press("r", "escape")
        assert not it.detail.page

    drive(play)
