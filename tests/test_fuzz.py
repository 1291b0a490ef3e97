"""The machinery of the campaigns: determined by its seed, short in its reproductions, and never blind to a fault."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from planner.errors import FieldError
from tests.fuzz import __main__ as program
from tests.fuzz import campaign as registry
from tests.fuzz import guard, nasty, report, tomltext
from tests.fuzz.campaign import Bench, Broken, Campaign, Case, campaigns, need
from tests.fuzz.ledger import Fault, Ledger, fault_of
from tests.fuzz.mutate import mutated, shaken
from tests.fuzz.promises import checked, clean, command, sentence
from tests.fuzz.runner import Budget, generator, run, trial
from tests.fuzz.shrink import shrunk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the campaigns read /proc")
TABLES = {"job": {"model": "llama-3.1-8b", "gpus": 8, "rates": [1.5, 2.5]}, "space": {"tp": "2"}, "schema": 1}


def drawn(rng: Random) -> Case:
    """A text of a few letters."""
    return {"text": "".join(rng.choice("abcdefgh") for _ in range(30))}


def planted(case: Case, bench: Bench) -> None:
    """Wrong for every text that holds an a before a b; refused where there is no c."""
    need("b" not in case["text"].partition("a")[2], "no b after an a", case["text"])
    if "c" not in case["text"]:
        raise FieldError("text", "there is no c")


PLANTED = Campaign("planted", "a fault to be found", drawn, planted, shrinks=("text",))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted campaign among the others, and the unchanged environment."""
    monkeypatch.setitem(registry._known, PLANTED.name, PLANTED)


def test_the_same_seed_gives_the_same_mutations() -> None:
    """Mutations of tables and of bytes, and their TOML, depend on the seed alone; another seed gives others."""

    def made(seed: int) -> list[object]:
        rng = Random(seed)
        return [(tomltext.dumps(mutated(rng, TABLES, none=False, rate=0.3), rng), shaken(rng, b"a few bytes to shake")) for _ in range(50)]

    assert made(1) == made(1) != made(2)


def test_every_campaign_draws_the_same_inputs_from_the_same_seed() -> None:
    """Two runs of any campaign draw the same inputs, all of them represented exactly in JSON."""
    for each in campaigns().values():
        first, second = generator(3, each), generator(3, each)
        for _ in range(5):
            case = each.draw(first)
            assert case == each.draw(second) == json.loads(json.dumps(case)), each.name


def test_bytes_and_halves_of_pairs_survive_json() -> None:
    """What is packed is unpacked to the same bytes, JSON between."""
    data = bytes(range(256))
    assert nasty.unpacked(json.loads(json.dumps(nasty.packed(data)))) == data
    assert nasty.unpacked(nasty.encoded("\ud800é")) == b"\xed\xa0\x80\xc3\xa9"


def test_the_ledger_keeps_the_shortest_reproduction() -> None:
    """Of a fault met several times the ledger counts each and keeps the shortest input, whenever it came; JSON keeps it all."""
    ledger = Ledger("some")
    assert ledger.add(Fault("some", "wrong", {"text": "long enough"}, "first"))
    assert not ledger.add(Fault("some", "wrong", {"text": "short"}, "second"))
    assert not ledger.add(Fault("some", "wrong", {"text": "longer than both"}, "third"))
    assert ledger.faults["wrong"] == Fault("some", "wrong", {"text": "short"}, "second", 3)
    assert Ledger.from_dict(json.loads(json.dumps(ledger.as_dict()))) == ledger


def test_a_signature_names_the_innermost_frame_of_tmplan() -> None:
    """Faults are distinguished by their location in tmplan, and broken promises by the promise."""
    from planner.presets.toml_keys import fill

    with pytest.raises(AttributeError) as caught:
        fill(None, {}, "here")  # type: ignore[arg-type]
    assert fault_of("some", {}, caught.value).signature.startswith("AttributeError planner/presets/toml_keys.py:")
    assert fault_of("some", {}, Broken("all is well", "it is not")).signature == "broken: all is well"


def test_a_reproduction_is_made_shorter_as_long_as_it_shows_the_fault() -> None:
    """Texts, lists and tables lose what the fault does not need, and the rest of the case is unchanged."""
    case = {"text": "x" * 300 + "needle" + "y" * 300, "list": [{"a": 1, "b": 2}, 3, 4], "way": "left unchanged"}
    result = shrunk(case, ("text", "list"), lambda c: "needle" in c["text"] and 3 in c["list"], tries=300)
    assert result == {"text": "needle", "list": [3], "way": "left unchanged"}
    assert shrunk(case, ("text",), lambda c: False, tries=5) == case


def test_a_planted_fault_is_matched_counted_and_made_short(tmp_path: Path) -> None:
    """Every input is taken, refused or met by the fault; the reproduction is the two letters that it needs."""
    ledger = run(PLANTED, Budget(1, inputs=200), Bench(tmp_path))
    assert ledger.inputs == 200 and ledger.hits + ledger.ok + ledger.refused == 200 and ledger.ok and ledger.hits > 100
    assert ledger.faults["broken: no b after an a"].case == {"text": "ab"}
    assert run(PLANTED, Budget(1, inputs=200), Bench(tmp_path)).faults == ledger.faults


def test_an_input_that_does_not_end_is_a_fault(tmp_path: Path) -> None:
    """A wait for a pipe without a writer is interrupted and reported, with its location."""
    os.mkfifo(tmp_path / "pipe")

    def waits(case: Case, bench: Bench) -> None:
        (tmp_path / "pipe").read_text()

    fault = trial(replace(PLANTED, check=waits, limit=0.2), {}, Bench(tmp_path))
    assert isinstance(fault, Fault) and fault.signature.startswith("no end within 0 s")


@pytest.mark.usefixtures("known")
def test_the_program_shows_what_it_matched_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A planted fault is printed with its reproduction, written as JSON, replayed from there, and the exit code is 1; without it, 0."""
    file = tmp_path / "found.json"
    assert program.main(["--only", "planted", "--inputs", "40", "--json", str(file)]) == 1
    output_of = capsys.readouterr().out
    assert '{"campaign": "planted", "case": {"text": "ab"}}' in output_of and "broken: no b after an a" in output_of
    reported = json.loads(file.read_text())
    assert reported["campaigns"]["planted"]["ok"] + reported["campaigns"]["planted"]["refused"] < 40
    assert program.main(["--replay", str(file)]) == 1
    assert "still so" in capsys.readouterr().out
    one = tmp_path / "one.json"
    one.write_text(json.dumps({"campaign": "planted", "case": {"text": "abc".replace("b", "")}}))
    assert program.main(["--replay", str(one)]) == 0
    assert "holds" in capsys.readouterr().out


def test_a_campaign_whose_process_dies_is_reported_with_the_input_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A process that ends without a word leaves its last input as the reproduction."""

    def dies(case: Case, bench: Bench) -> None:
        os._exit(9)

    monkeypatch.setitem(registry._known, "planted", replace(PLANTED, check=dies))
    file = tmp_path / "found.json"
    assert program.main(["--only", "planted", "--inputs", "3", "--json", str(file)]) == 1
    (fault,) = json.loads(file.read_text())["faults"]
    assert fault["signature"] == "the campaign's process ends with 9" and len(fault["case"]["text"]) == 30


def test_an_unknown_campaign_is_refused() -> None:
    """A name nobody knows ends the program with those there are."""
    with pytest.raises(SystemExit, match="no campaign is called nothing; there are command-lines, "):
        program.main(["--only", "nothing"])


@pytest.mark.parametrize("text", ["", "two\nlines", "a\x1b[2J", "a\u202eb", "x" * 1001, "half \ud800"])
def test_a_sentence_that_is_none_is_seen(text: str) -> None:
    """Empty, of two lines, too long, or with something that a terminal acts upon."""
    with pytest.raises(Broken):
        sentence(text)
    sentence("key 'gpus' must be a whole number, not 'é'")


def test_a_command_is_held_to_what_commands_promise() -> None:
    """A refusal of tmplan keeps every promise; one with another code, or that prints, does not."""
    ran = checked(["plan"], command(["plan", "--gpus", "many"]))
    assert ran.code == 2 and ran.err.startswith("tmplan: ")
    for wrong in (replace(ran, code=3), replace(ran, out="something"), replace(ran, err=""), replace(ran, err=f"{ran.err}\x07")):
        with pytest.raises(Broken):
            checked(["plan"], wrong)


def test_the_null_device_is_looked_after(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If /dev/null is not a device any more nothing runs."""
    assert guard.null_is_sound()
    (tmp_path / "null").write_text("a file in its place")
    monkeypatch.setattr(os, "devnull", str(tmp_path / "null"))
    with pytest.raises(SystemExit, match="is not a character device any more"):
        guard.assert_null()


def test_the_report_is_itself_safe_to_show() -> None:
    """The output of a fault and its reproduction are written without control characters."""
    ledger = Ledger("some")
    ledger.add(Fault("some", "broken: a promise", {"text": "\x1b]0;x\x07\u202e"}, "output \x1b[2J\nand \ud800"))
    clean(report.as_text({"some": ledger}), "in the report")
