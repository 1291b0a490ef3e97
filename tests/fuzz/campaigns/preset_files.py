"""Campaign: presets of the four kinds, mutated; passed as files, and placed in the user's folder of presets."""

from __future__ import annotations

import tomllib
from functools import cache
from random import Random

from planner import presets
from planner.document.inputs import Inputs, resolve
from planner.document.planfile import Document
from planner.document.space import Space
from planner.report.best import best_fitting
from planner.report.columns import records
from tests.fuzz import nasty, place, tomltext
from tests.fuzz.campaign import Bench, Campaign, Case, register
from tests.fuzz.campaigns.config_json import SMALL
from tests.fuzz.mutate import mutated, shaken
from tests.fuzz.numbered import sound
from tests.fuzz.place import KINDS, SHIPPED
from tests.fuzz.promises import tried
from tui.state import edits


@cache
def shipped() -> tuple[tuple[str, str], ...]:
    """Kind and text of every preset that is shipped."""
    result = ((kind, path.read_text(encoding="utf-8")) for kind in KINDS for path in sorted((SHIPPED / kind).glob("*.toml")))
    return tuple(result)


def draw(rng: Random) -> Case:
    """A preset with tables or bytes of it changed."""
    kind, text = rng.choice(shipped())
    if rng.random() < 0.15:
        data = shaken(rng, text.encode())
    else:
        data = tomltext.dumps(mutated(rng, tomllib.loads(text), none=False), rng).encode("utf-8", "replace")
    return {"kind": kind, "data": nasty.packed(data), "way": rng.choices(("file", "best", "own", "list"), (85, 5, 5, 5))[0]}


def check(case: Case, bench: Bench) -> None:
    """The file is a preset, or refused; a damaged user preset affects only what needs it."""
    kind, data = case["kind"], nasty.unpacked(case["data"])
    if case["way"] in ("own", "list"):
        _as_custom(case["way"], kind, data, bench)
        return
    one = kind.removesuffix("s")
    path = bench.file("preset.toml", data)
    getattr(presets, one)(str(path))
    document = Document(Inputs({**SMALL, "model": "llama-3.1-8b"}).with_(one, str(path)).with_("gpus", 8))
    job = resolve(document.inputs)
    edits.texts(document), edits.notes(document), edits.about(one, str(path))
    if case["way"] == "best" and (result := best_fitting(job, Space().with_("tp", "1").with_("pp", "1"))):
        sound(records(result.estimate)[0])


def _as_custom(way: str, kind: str, data: bytes, bench: Bench) -> None:
    """A command with the preset among the user's, under a name that sorts first; commands that do not need it are not refused."""
    folder = place.settings_folder() / "presets" / kind
    folder.mkdir(parents=True, exist_ok=True)
    path = bench.put(folder / "aaa-own.toml", data)
    try:
        small = ["--model", "llama-3.2-1b", "--gpus", "8", "--global-batch", "16", "--sequence", "2048", "--tp", "1", "--pp", "1"]
        argv = [kind] if way == "list" else ["plan", *small, "--top", "1"]
        tried(argv, codes=(0,))
    finally:
        path.unlink()


register(Campaign("presets", "presets of GPUs, clusters, models and stacks", draw, check, weight=1.0, shrinks=("data",)))
