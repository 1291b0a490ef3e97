"""Files, arguments and the environment are data, for the terminal too: what the command line writes of them does nothing there."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from planner import presets
from planner.document.inputs import Value
from planner.document.planfile import Document
from planner.exporters import registry
from planner.lab.record import Holding, Peak, Record
from planner.plaintext import LONGEST
from tests.hostile import HOSTILE, NAME, hidden, hostile_plan, written
from tests.planner.calibration.step_files import rows, stepped
from tests.planner.importers.test_formats import DEEPSPEED, MEGATRON
from tests.tui.driving import SMALL
from tui.cli import main

GIB = 2**30
DRAWN = re.sub(r"\s", " ", "".join(c for c in NAME if not hidden(c)))  # what is left of the name, wherever it is shown whole
CONFIG = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_hidden_layers": 2, "vocab_size": 1024,
          "max_position_embeddings": 8192}  # fmt: skip


class Evil:
    """A folder of a hostile name with files of hostile names and contents, and a similar config folder."""

    def __init__(self, folder: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.config, self._capsys = folder, config, capsys
        folder.mkdir()
        self.plan = hostile_plan(SMALL, folder / f"{NAME}.toml")
        self.out = self.err = ""

    def file(self, name: str, text: str) -> str:
        """A file of some text; its path."""
        path = self.folder / f"{NAME}{name}"
        path.write_text(text, encoding="utf-8", newline="")
        return str(path)

    def script(self, name: str, *lines: str) -> str:
        """A program that prints some lines; its path."""
        path = Path(self.file(name, f"#!{sys.executable}\n" + "".join(f"print({line!r})\n" for line in lines)))
        path.chmod(0o755)
        return str(path)

    def table(self, name: str, result: Sequence[dict[str, str]]) -> str:
        """A file of rows as CSV; its path."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(dict.fromkeys(key for row in result for key in row)))
        writer.writeheader()
        writer.writerows(result)
        return self.file(name, text.getvalue())

    def run(self, *argv: str) -> int:
        """The exit code of a command line, both of whose streams are found harmless and whose narration is readable."""
        code = main.run(list(argv))
        self.out, self.err = self._capsys.readouterr()
        assert not hidden(self.out) and not hidden(self.err), argv
        assert max(map(len, self.err.split("\n"))) <= LONGEST + len("tmplan: ")
        assert "fault of tmplan" not in self.err, argv
        return code


@pytest.fixture
def evil(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Evil:
    """The folder, with the config folder in the environment."""
    config = tmp_path / f"config{NAME}"
    monkeypatch.setenv("TMPLAN_CONFIG", str(config))
    return Evil(tmp_path / f"folder{NAME}", config, capsys)


def runs(evil: Evil, *more: dict[str, str]) -> str:
    """Measured runs of hostile ids, groups, models and sweeps, with a column of a hostile name."""
    blank = dict.fromkeys(("peak_mem_gib", "mem_kind", "mem_rank", "oom", "quality_speed"), "")
    reported = {"group": f"{NAME} g", "sweep": NAME, "model": NAME, "quality_speed": "A", NAME: NAME}
    result = [{**blank, **row, **reported, "id": f"{NAME}{i}"} for i, row in enumerate(stepped(rows({}, {"tp": "2"}, {"gpus": "16"}), {}))]
    return evil.table(f"runs{len(more)}.csv", [*result, *({**result[0], "id": f"{NAME}+{i}", **wrong} for i, wrong in enumerate(more))])


def predicted(evil: Evil) -> str:
    """Predictions for runs of hostile ids, and for one that is not there."""
    return evil.file("p.jsonl", "".join(json.dumps({"id": f"{NAME}{i}", "step_seconds": 1.0 + i}) + "\n" for i in range(7)))


def custom_presets(kind: str) -> Callable[[Evil], list[list[str]]]:
    """User presets filled and damaged by hostile texts, two of them under hostile names, which no preset can have."""

    def lists(evil: Evil) -> list[list[str]]:
        folder = evil.config / "presets" / kind
        shipped = presets.table(kind, presets.names(kind)[0])
        written(folder / "own.toml", {**shipped, "name": f"{NAME} own", "sources": [NAME]})
        written(folder / "damaged.toml", {**shipped, NAME: NAME})
        written(folder / f"{NAME}2.toml", {**shipped, "name": NAME})
        (folder / f"{NAME}3.toml").write_text(f"a = {NAME}", encoding="utf-8")
        return [[], ["--format", "json"]]

    return lists


def on_a_plan(*more: str) -> Callable[[Evil], list[list[str]]]:
    """A command on the plan file of hostile presets, as text and as JSON."""
    return lambda evil: [[evil.plan, *more], [evil.plan, *more, "--format", "json"]]


def exports(evil: Evil) -> list[list[str]]:
    """Every target, to stdout where it has one file, else refused; and their list."""
    return [["--list"], *([evil.plan, "--to", name, "--out", "-"] for name in registry.targets()), [evil.plan, "--to", NAME]]


def verified(evil: Evil) -> list[list[str]]:
    """A plan of hostile names, with an interpreter that answers with a hostile record, refuses by a hostile sentence, or is not there."""
    peak = Peak(3 * GIB, {NAME: GIB, "params": 2 * GIB})
    record = Record({"loss": peak, "end": peak}, 5 * GIB, 4 * GIB, GIB, (Holding(GIB, 2, NAME, NAME),), (NAME,), {NAME: NAME})
    lines: list[list[dict[str, object]]] = [
        [{"progress": NAME}, {"record": record.table()}],
        [{"refused": NAME}],
        [{"failed": NAME}],
        [{"missing": NAME}],
    ]
    paths = [evil.script(f"p{i}", *(json.dumps(line) for line in answer)) for i, answer in enumerate(lines)]
    base = [evil.plan, "--stack", "megatron-core", "--python"]  # no framework has a stack of the user
    formats = [[*base, paths[0], "--format", how] for how in ("text", "json", "csv")]
    return [*formats, *([*base, path] for path in (*paths[1:], f"/{NAME}"))]


def imports(evil: Evil) -> list[list[str]]:
    """Files of other frameworks with options and keys of hostile names, and damaged ones."""
    script = evil.file("a.sh", MEGATRON.replace("--frobnicate 3", f"'--{NAME}' '{NAME}'"))
    deepspeed = evil.file("ds.json", json.dumps({**DEEPSPEED, NAME: {NAME: NAME}}))
    damaged = [evil.file(f"x{end}", f"{NAME}: [{NAME}") for end in (".yaml", ".toml", ".json", ".sh")]
    return [[script], [script, "--format", "json"], [deepspeed, "--model", "llama-3.1-8b"], *([path] for path in damaged)]


def settings(evil: Evil) -> list[list[str]]:
    """A config file with a hostile theme, hostile keys and names of keys."""
    written(evil.config / "config.toml", {"theme": NAME, NAME: NAME, "keys": {NAME: NAME, "quit": NAME, "help": [NAME, 1]}})
    return [[], ["--init"]]


def themes(evil: Evil) -> list[list[str]]:
    """Themes of hostile titles, colours and roles."""
    written(evil.config / "themes" / f"{NAME}1.toml", {"title": NAME, "dark": True, "colours": {NAME: NAME}, "roles": {NAME: NAME}})
    written(evil.config / "themes" / f"{NAME}2.toml", {NAME: NAME})
    return [[], ["--format", "json"]]


def models(evil: Evil) -> list[list[str]]:
    """A config.json whose name, family and architectures are hostile, and one that cannot be read."""
    reported = {"_name_or_path": f"x/{HOSTILE}", "model_type": HOSTILE, "architectures": [HOSTILE], HOSTILE: HOSTILE}
    good, bert = (
        evil.file("m.json", json.dumps(CONFIG | reported)),
        evil.file("b.json", json.dumps(CONFIG | reported | {"model_type": "bert"})),
    )
    bad = evil.file("c.json", json.dumps(CONFIG | reported | {"hidden_size": HOSTILE}))
    return [["--model", model, "--gpus", "8", "--global-batch", "64"] for model in (good, bert, bad)]


def names(evil: Evil) -> list[list[str]]:
    """The names of the user's presets, and of an unknown kind."""
    for kind in main.LISTS:
        custom_presets(kind)(evil)
    return [[NAME], ["names", NAME], *(["names", kind] for kind in main.LISTS)]


COMMANDS: dict[str, Callable[[Evil], list[list[str]]]] = {
    "open": lambda evil: [[evil.plan]],
    "plan": lambda evil: [*models(evil), *([evil.plan, "--all", "--format", how] for how in ("table", "json", "csv", "markdown"))],
    "explain": on_a_plan("--depth", "3"),
    "symbols": lambda evil: [[NAME], ["bubble"]],
    "why-not": lambda evil: [["tp=16", evil.plan], [f"tp={NAME}", evil.plan], ["tp=4", evil.plan, "--format", "json"]],
    "compare": on_a_plan("--plan", "tp=4"),
    "pareto": on_a_plan(),
    "timeline": on_a_plan(),
    "ranks": on_a_plan(),
    "scale": lambda evil: [[evil.plan, "--sizes", "8,16", "--format", how] for how in ("table", "csv", "json")],
    "sensitivity": lambda evil: [[evil.plan, "--by", "2", "--format", how] for how in ("table", "csv", "json")],
    "versus": on_a_plan("--against", "b200"),
    "budget": lambda evil: [[evil.plan, "--format", how] for how in ("table", "csv", "json")] + [[evil.plan, "--explain"]],
    "fit": on_a_plan(),
    "verify": verified,
    "export": exports,
    "import": imports,
    "estimate": lambda evil: [[runs(evil, {"gpu": NAME}, {"framework": NAME}, {"recompute": NAME}, {"step_s": NAME})]],
    "validate": lambda evil: [[runs(evil), predicted(evil), "--worst", "9", "--format", how] for how in ("table", "json")],
    "calibrate": lambda evil: [[runs(evil), "--name", NAME], [runs(evil), "--name", "mine"], [runs(evil, {"gpu": NAME}), "--name", "my"]],
    "refit": lambda evil: [[runs(evil), "--shipped"], [runs(evil, {"gpu": NAME}), "--shipped"], [evil.table("r.csv", [{"id": NAME}])]],
    **{kind: custom_presets(kind) for kind in main.LISTS},
    "themes": themes,
    "config": settings,
    "completion": names,
}


def test_every_command_is_tried() -> None:
    """A command that is added has hostile files here."""
    assert set(COMMANDS) == set(main.COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.slow
def test_no_file_reaches_the_terminal_through_a_command(command: str, evil: Evil) -> None:
    """Whatever the files hold and are called, neither stream has a character that a terminal acts on; sentences stay readable."""
    codes = [evil.run(command, *argv) for argv in COMMANDS[command](evil)]
    assert command in ("open", "config") or 0 in codes  # not all of them were refused


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.slow
def test_no_argument_reaches_the_terminal_through_a_command(command: str, evil: Evil, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the arguments and the environment are: refused, by a sentence that shows nothing of them that a terminal acts on."""
    for name in ("TERM", "EDITOR", "VISUAL", "TMPLAN_THEME", "TMPLAN_STATE"):
        monkeypatch.setenv(name, NAME)
    words = [
        [HOSTILE],
        [f"--{HOSTILE}"],
        ["--model", HOSTILE],
        ["--pin", f"{HOSTILE}=2"],
        ["--pin", f"tp={HOSTILE}"],
        ["--format", HOSTILE],
    ]
    for argv in (*words, ["--gpus", HOSTILE], ["--save", f"/{HOSTILE}/x"], ["--top", HOSTILE], ["--model", f"{HOSTILE}.json"]):
        assert evil.run(command, *argv) == (0 if command == "symbols" and argv == [HOSTILE] else 2)
    assert evil.run(HOSTILE) == evil.run(f"--{HOSTILE}") == evil.run(f"./{HOSTILE}.toml") == 2


def test_the_name_is_still_read(evil: Evil) -> None:
    """What is left of a name is shown: it is cleaned, not dropped; a preset of a hostile name is not listed, others in their columns."""
    assert evil.run("plan", evil.plan) == 0
    assert f"{DRAWN} model" in evil.err
    assert evil.run("gpus") == 0
    before = len(evil.out.splitlines())
    custom_presets("gpus")(evil)
    assert evil.run("gpus") == 0
    lines = evil.out.splitlines()
    assert len(lines) == before + 1 and sum(line.startswith("own ") for line in lines) == 1
    at = lines[0].index("vendor")
    assert all(line[at - 2 : at] == "  " and line[at] != " " for line in lines)


def test_a_cell_is_no_formula(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A name that a spreadsheet would evaluate is text in CSV; negative numbers remain numbers."""
    path = hostile_plan(SMALL, tmp_path / "plan.toml", '=HYPERLINK("http://x")')
    assert main.run(["budget", path, "--format", "csv"]) == 0
    values = [row[1] for row in csv.reader(io.StringIO(capsys.readouterr().out))]
    assert sum(value.startswith("'=HYPERLINK") for value in values) >= 3
    assert not any(value.startswith(("=", "+", "@")) for value in values)


@pytest.mark.parametrize("target", registry.targets())
def test_no_export_holds_what_a_terminal_acts_on(target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file written for another framework can be shown by `cat`, whatever the presets are called."""
    stack = {"nanotron": "nanotron", "maxtext": "maxtext", "deepspeed": "deepspeed", "torchtitan": "torchtitan"}.get(
        target, "megatron-core"
    )
    gpu = "tpu-v5p" if target == "maxtext" else "h100-sxm"
    values: dict[str, Value | None] = {
        "model": "llama-3.1-8b",
        "gpus": 16,
        "global_batch": 64,
        "sequence": 4096,
        "stack": stack,
        "gpu": gpu,
    }
    document = Document(SMALL.inputs.with_all(values))
    plan = hostile_plan(document, tmp_path / "plan.toml")
    pins = ("--pin", "pp=1", "--pin", "zero=3") if target in ("accelerate", "axolotl") else ()
    code = main.run(["export", plan, "--to", target, "--out", str(tmp_path / "out"), *pins])
    assert code == 0, capsys.readouterr().err
    files = [path for path in (tmp_path / "out").iterdir() if path.is_file()]
    assert files and not any(hidden(path.read_text() + path.name) for path in files)
