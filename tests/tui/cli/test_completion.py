"""Completion: what a shell offers is what the program takes; the script runs in a real bash, and is well formed for others."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from planner import presets
from planner.document.fields import FIELDS, JOB_GROUPS
from planner.document.space import AXES
from planner.exporters.registry import targets
from planner.report.columns import COLUMNS
from tui.cli.completion import SHELLS, completion
from tui.cli.main import COMMANDS, run

ASK = """
tmplan() {{ {python} -m tui.cli.main "$@"; }}
source {script}
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMPREPLY=()
complete -p tmplan > /dev/null && _tmplan
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script of bash in a file."""
    path = tmp_path_factory.mktemp("completion") / "tmplan.bash"
    path.write_text(completion("bash").text)
    return path


def offered(script: Path, *words: str, folder: Path | None = None) -> list[str]:
    """What bash offers for the last word of a command line; '' is an empty one."""
    ask = ASK.format(python=sys.executable, script=script, words=" ".join(f"'{word}'" for word in ("tmplan", *words)))
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(
        ["bash", "--norc", "-c", ask], capture_output=True, text=True, check=True, env=environment, cwd=folder or script.parent
    )
    assert done.stderr == ""
    return done.stdout.split()


@needs_bash
def test_commands_and_files_are_completed(script: Path, tmp_path: Path) -> None:
    """The first word is a command or a plan file; what begins like neither completes to nothing."""
    (tmp_path / "plan.toml").touch()
    assert set(offered(script, "", folder=tmp_path)) == {*COMMANDS, "plan.toml"}
    assert offered(script, "pl", folder=tmp_path) == ["plan", "plan.toml"]
    assert offered(script, "plan", "pl", folder=tmp_path) == ["plan.toml"]
    assert offered(script, "zz", folder=tmp_path) == []


@needs_bash
def test_every_option_is_completed(script: Path) -> None:
    """Each field and axis has its option in the commands that plan, and where the program opens without a command."""
    requested = {f"--{key.replace('_', '-')}" for key in (*(f.key for f in FIELDS if f.group in JOB_GROUPS), *AXES)}
    assert requested | {"--pin", "--max", "--min", "--help"} <= set(offered(script, "--"))
    assert requested | {"--top", "--format", "--sort", "--no-gated"} <= set(offered(script, "plan", "--"))
    assert offered(script, "export", "--fo") == ["--force", "--foreach"]
    assert set(offered(script, "config", "-")) == {"--init", "--help"}


@needs_bash
@pytest.mark.parametrize(("option", "kind"), [("--model", "models"), ("--gpu", "gpus"), ("--cluster", "clusters"), ("--stack", "stacks")])
def test_presets_are_completed(script: Path, option: str, kind: str) -> None:
    """The names of presets there are, with a space or an = behind the option, with a command or without."""
    known = set(presets.names(kind))
    start = min(known)[:2]
    assert known <= set(offered(script, "plan", option, ""))
    assert set(offered(script, option, "=", start)) == {name for name in known if name.startswith(start)}


@needs_bash
def test_custom_presets_are_completed(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's preset is offered as soon as its file exists."""
    monkeypatch.setenv("TMPLAN_CONFIG", str(tmp_path))
    (tmp_path / "presets" / "gpus").mkdir(parents=True)
    (tmp_path / "presets" / "gpus" / "zeta-1.toml").touch()
    assert offered(script, "plan", "--gpu", "zet") == ["zeta-1"]


@needs_bash
def test_words_are_completed(script: Path) -> None:
    """Axes to pin, columns to sort by, targets, formats, names of an axis and of a choice; a number completes to nothing."""
    assert offered(script, "plan", "--pin", "") == [f"{axis}=" for axis in AXES]
    assert offered(script, "explain", "--plan", "sch") == ["schedule="]
    assert offered(script, "plan", "--sort", "") == [column.key for column in COLUMNS]
    assert offered(script, "export", "--to", "") == list(targets())
    assert offered(script, "plan", "--format", "") == ["table", "json", "csv", "markdown"]
    assert offered(script, "models", "--format", "j") == ["json"]
    assert offered(script, "plan", "--recompute", "s") == ["selective"]
    assert offered(script, "plan", "--optimizer", "sg") == ["sgd", "sgd-plain"]
    assert offered(script, "completion", "") == list(SHELLS)
    assert offered(script, "plan", "--gpus", "") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_well_formed(shell: str, tmp_path: Path) -> None:
    """Where the shell is there it finds no fault in its script; everywhere the script names each command."""
    path = tmp_path / shell
    path.write_text(completion(shell).text)
    assert all(command in path.read_text() for command in COMMANDS)
    if shutil.which(shell):
        checked = subprocess.run([shell, "--no-execute" if shell == "fish" else "-n", str(path)], capture_output=True, text=True)
        assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes(tmp_path: Path) -> None:
    """fish offers commands, options and words as bash does."""
    path = tmp_path / "tmplan.fish"
    path.write_text(completion("fish").text)

    def requested(line: str) -> set[str]:
        code = f"source {path}; complete -C '{line}'"
        done = subprocess.run(["fish", "-c", code], capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)})
        return {row.partition("\t")[0] for row in done.stdout.splitlines()}

    assert requested("tmplan expl") == {"explain"}
    assert requested("tmplan plan --mod") == {"--model"}
    assert {f"{axis}=" for axis in AXES} <= requested("tmplan plan --pin ")


def test_presets_are_named_without_typer_or_numpy(tmp_path: Path) -> None:
    """What a shell waits for loads neither: a press of tab is answered at once."""
    code = (
        "import sys\nfrom tui.cli.main import run\nassert run(['completion', 'names', 'models']) == 0\n"
        "print([m for m in ('typer', 'numpy', 'textual', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(presets.names("models"))
    assert done.stderr == "[]\n"


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The sentence names those there are."""
    assert run(["completion", "tcsh"]) == 2
    assert "shell must be one of bash, zsh, fish, not 'tcsh'" in capsys.readouterr().err
    assert run(["completion", "names", "disks"]) == 2
    assert "disks" in capsys.readouterr().err
