"""A config.json of an unknown family is planned as a Llama, with a note."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from planner import presets
from planner.document import planfile
from planner.errors import FileError
from planner.plaintext import quoted
from planner.specs.plan import Plan
from tests.tui.driving import SMALL, Driver, drive
from tests.tui.printing import output_of
from tui.cli import main
from tui.cli.answer import Answer
from tui.state.history import History, Moment
from tui.state.session import Session, State

TINY = {
    "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 8, "num_attention_heads": 16, "num_key_value_heads": 8,
    "vocab_size": 32000, "max_position_embeddings": 8192,
}  # fmt: skip
SIZE = ("--gpus", "8", "--global-batch", "64")
READ = "it was read as a Llama (gated MLP, RMSNorm, rotary positions): check its sizes, or write a model TOML"
COMMANDS = (
    ("plan", "--top", "1"), ("explain",), ("why-not", "tp=2"), ("compare", "--plan", "tp=1", "--plan", "tp=2"), ("pareto",), ("timeline",),
    ("ranks",), ("scale", "--sizes", "8"), ("sensitivity", "--by", "2"), ("versus", "--against", "h200-sxm"), ("budget",),
    ("export", "--to", "megatron-lm"),
)  # fmt: skip


def config(folder: Path, **more: Any) -> str:
    """The path of a configuration with these keys in addition to its sizes."""
    path = folder / "config.json"
    path.write_text(json.dumps(TINY | more))
    return str(path)


@pytest.mark.parametrize("reported", ["foo", None, "", 5, "x\x1b[2J" * 40])
def test_an_unknown_family_is_reported_in_one_sentence(tmp_path: Path, reported: object) -> None:
    """The model read as a Llama says, in one printable line with the file and what its model_type is, that it was, and what to do."""
    path = config(tmp_path, model_type=reported)
    (note,) = presets.model(path).notes
    what = f"model_type {quoted(str(reported))} is not known" if reported else "model_type is missing"
    assert note == f"{path}: {what}; {READ}" and note.isprintable()
    (note,) = presets.model(config(tmp_path)).notes
    assert note == f"{path}: model_type is missing; {READ}"


@pytest.mark.parametrize("known", ["llama", "qwen3", "gemma3", "mixtral", "deepseek_v3", "phi3"])
def test_a_known_family_needs_no_note(tmp_path: Path, known: str) -> None:
    """A known family needs no note, under its name or that of another."""
    sizes = {"text_config": TINY | {"num_experts_per_tok": 2}} if known == "gemma3" else {"num_experts_per_tok": 2}
    assert presets.model(config(tmp_path, model_type=known, **sizes)).notes == ()


def test_a_model_toml_has_no_notes(tmp_path: Path) -> None:
    """Values missing in a TOML have defaults: notes are not one of its keys."""
    (tmp_path / "own.toml").write_text((presets.SHIPPED / "models" / "llama-3.1-8b.toml").read_text() + 'notes = ["x"]\n')
    with pytest.raises(FileError, match="unknown key 'notes'"):
        presets.model(tmp_path / "own.toml")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_every_command_states_once_what_it_assumed(tmp_path: Path, command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The note stands on stderr once, however often the command reads the model, and not on stdout."""
    path = config(tmp_path, model_type="foo")
    code, out, err = output_of(capsys, *command, "--model", path, *SIZE)
    assert (code, err.count(f"note: {path}: model_type 'foo' is not known; {READ}\n"), err.count("is not known")) == (0, 1, 1)
    assert "is not known" not in out


def test_fit_import_and_a_plan_file_say_it_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Serving the model, importing a file with it, and a plan file made from it print the same note; a preset prints none."""
    path, plan, deepspeed = config(tmp_path, model_type="foo"), str(tmp_path / "plan.toml"), tmp_path / "ds.json"
    deepspeed.write_text(json.dumps({"train_batch_size": 64, "train_micro_batch_size_per_gpu": 1, "gradient_accumulation_steps": 8}))
    reported = f"note: {path}: model_type 'foo' is not known; {READ}\n"
    assert output_of(capsys, "fit", "--model", path)[2].count(reported) == 1
    assert output_of(capsys, "import", str(deepspeed), "--model", path)[2].count(reported) == 1
    assert output_of(capsys, "plan", "--model", path, *SIZE, "--save", plan)[2].count(reported) == 1
    Path(path).unlink()
    assert output_of(capsys, "explain", plan)[2].count(reported) == 1
    assert "note:" not in output_of(capsys, "plan", "--model", "llama-3.1-8b", *SIZE)[2]


def test_the_screen_is_not_reported_on_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening the program leaves stderr alone, which is the screen's."""
    monkeypatch.setattr(main, "open_program", lambda *_, **__: Answer())
    assert output_of(capsys, "--model", config(tmp_path, model_type="foo")) == (0, "", "")


@pytest.mark.slow
def test_the_message_line_states_it_when_the_model_is_set(tmp_path: Path) -> None:
    """Typed into the model field, the note precedes the effect of the edit, is absent after the next edit, and returns with a redo."""
    path = config(tmp_path, model_type="foo")
    reported = f"{path}: model_type 'foo' is not known; {READ}"

    async def play(it: Driver) -> None:
        await it.field("model", path)
        assert it.foot.message.startswith(f"{reported}; Model llama-3.1-8b → {path}") and READ in " ".join(it.text().split())
        await it.field("sequence", "2k")
        assert "is not known" not in it.foot.message and "Sequence" in it.foot.message
        await it.press("u", "u", "U")
        assert it.foot.message.startswith(reported)

    drive(play)


def test_the_message_line_states_it_when_the_program_opens(tmp_path: Path) -> None:
    """The note on such a model, in a document or plan file, follows the other messages at the start; characters that move a cursor are
    replaced."""
    path = config(tmp_path, model_type="foo")
    document = replace(SMALL, inputs=SMALL.inputs.with_("model", path))
    text = planfile.dumps(document).replace("model_type 'foo'", "model_type '\\u001bfoo'")

    async def play(it: Driver) -> None:
        assert it.foot.message == f"{path}: model_type 'foo' is not known; {READ}"

    async def escaped(it: Driver) -> None:
        assert "model_type '?foo' is not known" in it.foot.message

    async def behind(it: Driver) -> None:
        assert it.foot.message == f"the session is not saved; {path}: model_type 'foo' is not known; {READ}"

    drive(play, document)
    drive(behind, document, session=Session(None, 2, None, "the session is not saved"))
    drive(escaped, planfile.loads(text))


def test_the_first_answer_does_not_hide_what_was_reported_at_the_start() -> None:
    """Where the plan of a session is gone, why its config or its folder is left out still stands before that; later edits stand alone."""

    async def play(it: Driver) -> None:
        await it.ready()
        assert it.foot.message == "the session is not saved; the plan the cursor was on is not valid any more"
        await it.field("global_batch", "128")
        await it.ready()
        assert "the session is not saved" not in it.foot.message

    state = State(History([Moment.of(SMALL)]), chosen=Plan(tp=3, dp=5))
    drive(play, state=state, session=Session(None, 2, None, "the session is not saved"))
