"""A user's file that cannot be read affects only what needs it, is named once, and is refused when requested."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.presets import folders
from tests.odd import ODD, patience
from tests.planner.importers.test_formats import MEGATRON
from tests.tui.driving import Driver, drive
from tests.tui.fake import fake_search, made_up
from tests.tui.printing import output_of
from tests.tui.pseudo_terminal import Terminal

__all__ = ["made_up"]

SMALL = ("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "8", "--global-batch", "8", "--sequence", "2048")
COMMANDS: dict[str, tuple[str, ...]] = {
    "plan": ("plan", *SMALL, "--top", "2"),
    "explain": ("explain", *SMALL, "--plan", "tp=2"),
    "fit": ("fit", *SMALL[:4], "--tp", "1"),
    "fit largest": ("fit", *SMALL[:4], "--largest"),
    "models": ("models",),
    "gpus": ("gpus", "--format", "json"),
    "clusters": ("clusters",),
    "stacks": ("stacks",),
    "versus": ("versus", *SMALL, "--against", "dgx-b200,gpus=8"),
    "import": ("import", "run.sh", "--gpu", "h100-sxm"),
    "estimate": ("estimate", "runs.csv"),
    "names": ("completion", "names", "models"),
    "themes": ("themes",),
}
SILENT = ("names", "themes")  # what a shell waits for; what needs no preset
RUNS = """id,framework,model,layers,hidden,heads,ffn,vocab,experts,topk,expert_ffn,gpu,gpus,seq,global_batch,tp,pp,cp,micro_batch
a,megatron-core,m,8,1024,16,4096,32000,8,2,1024,h100-sxm,8,2048,16,1,1,1,1
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with a script and a file of runs; no settings yet."""
    monkeypatch.chdir(tmp_path)
    Path("run.sh").write_text(MEGATRON)
    Path("runs.csv").write_text(RUNS)
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def long(config: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """A name that no system takes."""
    monkeypatch.setenv("TMPLAN_CONFIG", "x" * length)


def forbidden(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that may not be looked into, nor anything below it: another's, left by a `sudo`."""
    (config / "presets" / "models").mkdir(parents=True)
    for name in ("stat", "lstat", "open", "scandir"):
        real = getattr(os, name)

        def requested(path: Any, *rest: Any, real: Callable[..., Any] = real, **named: Any) -> Any:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{config}"):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return real(path, *rest, **named)

        monkeypatch.setattr(os, name, requested)


def circle(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links without an end."""
    config.symlink_to(config)


def nowhere(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to a folder that has gone."""
    config.symlink_to("gone")


def a_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in place of the folder."""
    config.write_text("")


def a_pipe(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe in place of a folder of presets."""
    (config / "presets").mkdir(parents=True)
    for kind in folders.KINDS:
        os.mkfifo(config / "presets" / kind)


FOLDERS: dict[str, tuple[Callable[[Path, pytest.MonkeyPatch], None], str]] = {
    "forbidden": (forbidden, "cannot be listed: permission denied"),
    "300 characters": (lambda config, patch: long(config, patch, 300), "cannot be listed: file name too long"),
    "5,000 characters": (lambda config, patch: long(config, patch, 5000), "cannot be listed: file name too long"),
    "a circle": (circle, "cannot be listed: it is a symbolic link in a cycle of links"),
    "a link to nothing": (nowhere, "cannot be listed: it is a symbolic link to a folder that does not exist"),
    "a file": (a_file, "cannot be listed: it is not a folder"),
    "a pipe": (a_pipe, "presets/models: cannot be listed: it is not a folder"),
}


IN_THEM = [
    pytest.param(name, *FOLDERS[folder], id=f"{folder}, {name}")
    for folder in FOLDERS
    for name in (COMMANDS if folder == "forbidden" else ("plan", "models", "import", "themes"))
]


@pytest.mark.parametrize(("name", "spoil", "message"), IN_THEM)
def test_a_folder_that_cannot_be_looked_into_stops_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str,
    spoil: Callable[[Path, pytest.MonkeyPatch], None], message: str,
) -> None:  # fmt: skip
    """Every command answers as it does without a folder, and says once on stderr why what lies there is left out."""
    expected = output_of(capsys, *COMMANDS[name])
    spoil(home, monkeypatch)
    with patience():
        code, out, err = output_of(capsys, *COMMANDS[name])
    assert (code, out) == expected[:2]
    if name not in SILENT:
        assert err.count(message) == 1 and err.count("left out") == err.count("cannot be listed")


@pytest.mark.parametrize(("spoil", "message"), FOLDERS.values(), ids=FOLDERS)
def test_a_name_is_not_only_unknown_where_its_folder_cannot_be_looked_into(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path, pytest.MonkeyPatch], None], message: str,
) -> None:  # fmt: skip
    """A request for a user's preset in an unreadable folder is refused with that reason; settings are the defaults, with a message."""
    spoil(home, monkeypatch)
    code, out, err = output_of(capsys, "plan", "--model", "ours")
    assert (code, out) == (2, "") and "no readable model is called 'ours'; " in err and "cannot be listed: " in err
    code, out, err = output_of(capsys, "config")
    assert out.startswith("# Settings of tmplan") and "this is a fault" not in err
    assert output_of(capsys, "config", "--init")[0] in (0, 2)


def test_dev_null_is_no_folder_and_states_nothing(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """TMPLAN_CONFIG=/dev/null means that there is no user configuration."""
    monkeypatch.setenv("TMPLAN_CONFIG", "/dev/null")
    assert folders.problems() == ()
    assert output_of(capsys, "models")[2] == ""


NEEDED = {"models": ("models", "fit", "fit largest", "import", "estimate"), **{kind: (kind,) for kind in ("gpus", "clusters", "stacks")}}
DAMAGED: dict[str, tuple[Callable[[Path], Any], str]] = {
    **{name: odd for name, odd in ODD.items() if name != "nothing"},
    "no TOML": (lambda path: path.write_text("x = ["), "line 1 is not valid TOML"),
    "no key": (lambda path: path.write_text("x = 1"), "unknown key 'x'"),
    "digits": (lambda path: path.write_text(f"layers = {'9' * 5000}"), "has a number of thousands of digits"),
}


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("damage", ["a pipe", "a link to nothing", "no TOML"])
def test_a_damaged_preset_stops_nothing_that_does_not_need_it(
    home: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    """One of each kind, before all others by name: every command answers as without; what looks at all of a kind names it once."""
    (put, message), expected = DAMAGED[damage], output_of(capsys, *COMMANDS[name])
    for kind in folders.KINDS:
        folder = home / "presets" / kind
        folder.mkdir(parents=True)
        put(folder / "aaa.toml")
    with patience():
        code, out, err = output_of(capsys, *COMMANDS[name])
    if name == "names":
        assert out == f"aaa\n{expected[1]}"
        return
    assert (code, out) == expected[:2]
    for kind, commands in NEEDED.items():
        assert err.count(f"left out aaa: {home}/presets/{kind}/aaa.toml: ") == (name in commands)
    assert err.count(message) == sum(name in commands for commands in NEEDED.values())


@pytest.mark.parametrize("kind", folders.KINDS)
@pytest.mark.parametrize("name", ["aaa", "shipped"])
@pytest.mark.parametrize(("put", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_preset_is_refused_by_its_custom_path(
    home: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str, put: Callable[[Path], Any], message: str
) -> None:
    """Requested by name it is refused in one sentence that names the user's file and the error, also under a shipped name."""
    name = presets.names(kind)[0] if name == "shipped" else name
    path = home / "presets" / kind / f"{name}.toml"
    path.parent.mkdir(parents=True)
    put(path)
    with patience():
        code, out, err = output_of(capsys, "plan", f"--{kind.removesuffix('s')}", name.upper() if name == "aaa" else name)
    assert (code, out) == (2, "") and err.startswith(f"tmplan: {path}: ") and message in err and err.count("\n") == 1


def test_what_is_no_preset_in_their_folder_is_let_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hidden files, an editor's lock, copies, unlisted names and ten thousand other files are not presets, and not reported."""
    folder, expected = home / "presets" / "models", output_of(capsys, "models")
    folder.mkdir(parents=True)
    odd = (
        ".hidden.toml",
        ".toml",
        "mine.toml~",
        "mine.toml.orig",
        "README",
        "x.json.toml",
        "x.toml.toml",
        "a\x1b]0;b\x07.toml",
        "a\nb.toml",
    )
    for name in odd:
        (folder / name).write_text("x")
    (folder / ".#mine.toml").symlink_to("somebody@somewhere.42")
    (folder / os.fsdecode(b"\xff.toml")).write_text("x")
    for i in range(10_000):
        (folder / f"{i}.txt").touch()
    assert output_of(capsys, "models") == expected


def test_more_presets_than_are_listed_are_reported(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The number of user presets listed is limited, first by name; one beyond the limit is available by name."""
    monkeypatch.setattr(folders, "MOST", 2)
    (home / "presets" / "models").mkdir(parents=True)
    model = (presets.SHIPPED / "models" / "llama-3.1-8b.toml").read_text()
    for name in "abc":
        (home / "presets" / "models" / f"{name}.toml").write_text(model)
    assert {"a", "b"} <= set(presets.names("models")) and "c" not in presets.names("models")
    assert presets.model("c").name == "c"
    assert f"{home}/presets/models: has 3 presets; the first 2 by name are listed" in output_of(capsys, "models")[2]


def test_many_damaged_presets_are_not_reported_one_by_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first few are named, the others counted."""
    (home / "presets" / "models").mkdir(parents=True)
    for i in range(30):
        (home / "presets" / "models" / f"a{i:02}.toml").write_text("x = [")
    err = output_of(capsys, *COMMANDS["import"])[2]
    assert err.count("left out a") == 8 and "left out 22 more; `tmplan models`" in err
    assert output_of(capsys, "models")[2].count("left out a") == 30


@pytest.mark.usefixtures("made_up")
@pytest.mark.parametrize(
    ("typed", "message"),
    [("./p.json", "it is a pipe"), ("./p.toml", "it is a pipe"), ("./zero.json", "it is a device"), ("./", "it is a folder")],
)
def test_a_pipe_typed_as_a_path_is_refused_and_the_program_goes_on(home: Path, typed: str, message: str) -> None:
    """A pipe or a device typed into a preset's field or the prompt for a plan file: a sentence at once, and the keyboard answers."""
    os.mkfifo("p.toml")
    os.mkfifo("p.json")
    Path("zero.json").symlink_to("/dev/zero")

    async def play(it: Driver) -> None:
        await it.field("model", typed)
        assert message in " ".join(it.text().split())
        await it.press("escape", "o")
        assert it.foot.prompt is not None
        it.foot.prompt.edit.insert(typed)
        await it.press("enter")
        assert message in " ".join(it.text().split())
        await it.press("escape", "escape")
        assert len(it.program.history.moments) == 1

    with patience(60):
        drive(play, search=fake_search)


@pytest.mark.usefixtures("made_up")
def test_the_list_of_presets_marks_one_that_cannot_be_read(home: Path) -> None:
    """The list of choices opens with any content of the folder, and marks presets that cannot be described."""
    (home / "presets" / "models").mkdir(parents=True)
    os.mkfifo(home / "presets" / "models" / "aaa.toml")

    async def play(it: Driver) -> None:
        await it.press("2")
        it.forms["model"].go("model")
        await it.press("enter")
        await it.press(*"aaa")
        assert "cannot be read; choose it to see why" in it.text()
        await it.press("enter")
        assert "aaa.toml: cannot be read: it is a pipe" in " ".join(it.text().split())

    with patience(60):
        drive(play, search=fake_search)


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is a thing of Unix")
def test_the_program_opens_and_states_what_it_left_out(tmp_path: Path) -> None:
    """With a config folder that is not a folder the program works, and its first message states that the user's files are not available."""
    (tmp_path / "config").write_text("")
    environment = {"TMPLAN_CONFIG": str(tmp_path / "config"), "TMPLAN_STATE": str(tmp_path / "state")}
    with Terminal("--model", "llama-3.1-8b", "--gpu", "h100-sxm", "--gpus", "16", environment=environment) as it:
        it.until("Step s")
        it.until("cannot be listed")
        it.press("q")
        assert it.wait() == 0
