"""Campaign: text typed by a user: fields, axes, filters, "why not", pins, columns, names of keys."""

from __future__ import annotations

from functools import cache
from random import Random

from planner.document import planfile
from planner.document.inputs import EXAMPLE, resolve, run_of
from planner.document.planfile import Document
from planner.document.space import AXES, parse_bounds, write_bounds
from planner.report.columns import find
from tests.fuzz import nasty
from tests.fuzz.campaign import Bench, Campaign, Case, need, register
from tui.cli.inputs import bounded
from tui.pages.whynot import parse_axes
from tui.settings import key_names
from tui.state import edits
from tui.state.filter import parse_filter

PIECES = (
    "0", "1", "2", "8", "16", "-", "+", ".", ",", "e", "_", "k", "m", "b", "t", "%", "x", "0x", "1e309", "1e-400", "nan", "inf", "²", "١٢",
    "𝟚", "½", "1_000", "1,5", "-0", "5k", "2^40", "<=", ">=", "..", "*", "=", "!=", "<", ">", "!", "/", "yes", "no", "none", "full",
    "auto", "bf16", "GiB", "Gb/s", "tokens", "$", "W", "min", "tp", "pp", "mem", "fits", "sharding", "fsdp", "recompute", "custom", "é",
    "(", ")", "[", "]", "'", "~", "~root", "../", "llama-3.1-8b", "dgx-h100", '"', "\x00", " ", "\t", "\n", "\u2009", "\xa0", "\ud800",
    "\x1b[2J", "\u202e", "9" * 60, "9" * 61, "9" * 5000,
)  # fmt: skip
TERMS = ("mem<72", "tp=8", "pp=2..8", "sharding=fsdp", "fits", "!fits", "step<1e3", "mfu>40%")
WAYS = ("field", "filter", "why-not", "axis", "pin", "column", "key")
CHANGES: tuple[dict[str, str | int], ...] = (
    {}, {"model": "deepseek-v2-lite-16b", "gpus": 64, "cluster": "dgx-h100"},
    {"tuning": "qlora", "stack": "pytorch-fsdp", "model": "llama-3.2-1b"},
)  # fmt: skip


@cache
def documents() -> tuple[Document, ...]:
    """The documents that are typed into: dense, a mixture of experts, and one with adapters."""
    return tuple(Document(EXAMPLE.with_all(changes)) for changes in CHANGES)


def typed(rng: Random) -> str:
    """A text that a user, or a cat, may type."""
    return "".join(rng.choice(PIECES) for _ in range(rng.choice((1, 1, 2, 2, 3, 4, 6))))


def draw(rng: Random) -> Case:
    """A text, and where it is typed."""
    way = rng.choices(WAYS, (60, 12, 8, 8, 6, 3, 3))[0]
    text = typed(rng) if rng.random() < 0.8 else rng.choice((*nasty.TEXTS, *map(str, nasty.NUMBERS)))
    if way == "filter" and rng.random() < 0.7:
        text = " ".join(rng.choice((*TERMS, text)) for _ in range(rng.choice((1, 2, 3))))
    where = rng.choice(sorted(edits.BY_KEY)) if way == "field" else rng.choice(AXES)
    return {"way": way, "where": where, "text": text, "document": rng.randrange(len(CHANGES)), "deep": rng.random() < 0.1}


def check(case: Case, bench: Bench) -> None:
    """A text is taken or refused; what was taken reads back the same."""
    way, where, text = case["way"], case["where"], case["text"]
    if way == "field":
        field(documents()[case["document"]], where, text, case["deep"])
    elif way == "filter":
        parse_filter(text)
    elif way == "why-not":
        parse_axes(f"{where}={text},pp={text}" if case["deep"] else text)
    elif way == "axis":
        bounds = parse_bounds(where, text)
        need(parse_bounds(where, write_bounds(where, bounds)) == bounds, "bounds do not read back", (where, write_bounds(where, bounds)))
    elif way == "pin":
        bounded(documents()[0].space, [f"{where}={text}"], [text], [f"pp={text}"])
    elif way == "column":
        find(text)
    else:
        key_names.read(text)


def field(document: Document, key: str, text: str, deep: bool) -> None:
    """A text typed into a field: what it then reads as can be typed again, and the document written, read and resolved."""
    changed = edits.set_text(document, key, text)
    shown = edits.texts(changed)
    again = edits.texts(edits.set_text(document, key, shown[key][0]))
    need(again[key][0] == shown[key][0], f"what the field {key} shows does not read back", (shown[key], again[key]))
    edits.listed(changed, shown), edits.size(changed)
    if deep:
        read = planfile.loads(planfile.dumps(changed))
        need((read.inputs.values, read.space) == (changed.inputs.values, changed.space), "the text typed is not read back unchanged")
        run_of(changed.inputs, resolve(changed.inputs))


register(Campaign("typed-texts", "fields, axes, filters, why-not, pins, columns", draw, check, weight=1.0, shrinks=("text",)))
