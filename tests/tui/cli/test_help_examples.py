"""The help: every command shows by example how it is used, and the examples work."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tui.cli.app import app
from tui.cli.introspect import commands
from tui.cli.main import COMMANDS, run

EXAMPLES = [(command.name, example) for command in commands() for example in command.examples]
# Left to other tests: what opens the program, needs measured runs or a framework, fits for minutes, and what a
# calibration would have saved.
DEAR = ("open", "verify", "estimate", "validate", "calibrate", "refit")


def argv(example: str) -> list[str]:
    """The words of an example behind `tmplan`; one without a command opens the program."""
    name, *words = shlex.split(example)
    assert name == "tmplan"
    return words if words and words[0] in COMMANDS else ["open", *words]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_by_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`tmplan COMMAND --help` says what it does, shows a line to type, and each option with a few words about it."""
    entry = next(command for command in commands() if command.name == name)
    assert run([name, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert entry.about and entry.examples
    assert all(" ".join(example.split()) in shown for example in entry.examples)
    assert all(parameter.help and parameter.names[0] in shown for parameter in entry.parameters)


def test_the_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`tmplan --help` lists what there is, the exit codes, and where to read more."""
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert {command.name for command in commands()} == set(COMMANDS)
    assert "130 interrupted" in " ".join(shown.split())


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[example for _, example in EXAMPLES])
def test_every_example_is_understood(name: str, example: str) -> None:
    """The parser accepts each example, and it is one of the command it explains, or follows from it."""
    group: Any = typer.main.get_command(app)
    words = argv(example)
    command = group.get_command(None, words[0])
    assert command.make_context(words[0], words[1:]) is not None
    assert words[0] == name or name == "calibrate"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that examples name: plan files, and what another framework trains with."""
    folder = tmp_path_factory.mktemp("desk")
    job = ["--model", "llama-3.1-8b", "--gpus", "64", "--global-batch", "128"]
    for name, pinned in (("plan.toml", "tp=1"), ("today.toml", "tp=4"), ("better.toml", "tp=2")):
        assert run(["plan", *job, "--pin", pinned, "--top", "1", "--save", str(folder / name)]) == 0
    assert run(["export", str(folder / "plan.toml"), "--to", "megatron-lm", "--out", str(folder / "job")]) == 0
    next((folder / "job").glob("*.sh")).rename(folder / "pretrain.sh")
    return folder


@pytest.mark.parametrize(("name", "example"), [(n, e) for n, e in EXAMPLES if n not in DEAR], ids=lambda value: str(value))
def test_every_example_works(
    name: str, example: str, desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run where the files it names are, but for those it writes, each example ends well and prints something."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path))
    here, words = shutil.copytree(desk, tmp_path / "here"), argv(example)
    monkeypatch.chdir(here)
    if "--save" in words:
        (here / words[words.index("--save") + 1]).unlink(missing_ok=True)
    assert run(argv(example)) == 0, capsys.readouterr().err
    printed = capsys.readouterr()
    assert printed.out or printed.err
