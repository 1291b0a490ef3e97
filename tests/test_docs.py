"""The documents say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from planner.cost.evaluate import evaluate
from planner.specs.plan import Plan
from tests.planner.cost.test_published import TABLE_4, TABLE_5
from tests.planner.jobs import example, korthikanti
from tui.cli.main import run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_session_in_the_readme_is_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of the README's session prints what stands below it, to the letter."""
    monkeypatch.chdir(tmp_path)
    sessions = [block.split("\n```")[0] for block in README.split("```console\n")[1:]]
    turns = [turn for session in sessions for turn in re.split(r"^\$ tmplan ", session, flags=re.MULTILINE)[1:]]
    assert len(turns) >= 3
    for turn in turns:
        command, _, expected = turn.partition("\n")
        assert run(command.split()) == 0
        assert capsys.readouterr().out.rstrip() == expected.rstrip(), command


def test_the_published_figures_in_the_readme_are_ours() -> None:
    """The table of measured and predicted figures holds every run with the numbers the planner gives today."""
    rows = {
        line.split(" | ")[0].strip("| "): line for line in README.splitlines() if "GPUs cp" in line or line.startswith(("| gpt", "| mt-"))
    }
    assert len(rows) == len(TABLE_4) + 2 * len(TABLE_5)
    for model, gpus, batch, pp, vpp, b, full, selective in TABLE_5:
        for kind, measured, recompute, sp in (("full", full, 2, 0), ("selective", selective, 1, 1)):
            plan = Plan(tp=8, pp=pp, vpp=vpp, micro_batch=b, recompute=recompute, sequence_parallel=sp)
            ours = evaluate(korthikanti(model, gpus, batch), plan).step[0]
            assert f"| {measured:.2f} s | {ours:.2f} s | {100 * (ours / measured - 1):+.1f} % |" in rows[f"{model}, {kind}"]
    for gpus, cp, dp, sequence, batch, mfu in TABLE_4:
        plan = Plan(tp=8, pp=16, vpp=8, cp=cp, dp=dp, dp_shard=dp, zero=2, sequence_parallel=1)
        ours = evaluate(example(gpus=gpus, sequence=sequence, global_batch=batch, stack="torchtitan"), plan).mfu[0]
        assert f"{100 * mfu:.1f} % | {100 * ours:.1f} %" in rows[f"llama-3.1-405b, {gpus} GPUs cp {cp}"]


def test_the_architecture_note_names_every_package() -> None:
    """No package of the planner or of the program is missing from the note, and the note stays one screenful."""
    note = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.parent.name for tree in ("planner", "tui") for path in (ROOT / tree).glob("*/__init__.py")}
    assert len(packages) > 20 and {name for name in packages if f"`{name}`" not in note} == set()
    assert len(note.splitlines()) <= 50


@pytest.mark.parametrize("kind", ["gpus", "clusters", "models", "stacks"])
def test_the_changelog_counts_the_presets_there_are(kind: str) -> None:
    """The numbers of presets in the changelog are those shipped."""
    count = len(list((ROOT / "planner" / "presets" / kind).glob("*.toml")))
    word = "GPUs" if kind == "gpus" else kind
    assert f"{count} {word}" in (ROOT / "CHANGELOG.md").read_text()
