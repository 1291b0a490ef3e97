"""From the options of a command line to the document they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from planner.document.axis_pairs import pairs
from planner.document.inputs import EXAMPLE, Inputs, Value, parse
from planner.document.space import AXES, Bounds, Space, parse_bounds
from planner.document.version import version
from planner.presets.folders import problems
from tui.cli.answer import narrate

if TYPE_CHECKING:
    from planner.document.planfile import Document

Texts = Iterable[str] | None  # what a repeatable option was given
LEFT_OUT = 8  # sentences on presets that are told one by one


def start(file: str | None, given: Mapping[str, str | bool], pin: Texts = None, most: Texts = None, least: Texts = None) -> Document:
    """The document of a command, and on stderr what was assumed of its model."""
    document = document_from(file, given, pin, most, least)
    tell_notes([document])
    return document


def tell_left_out(sentences: Iterable[str]) -> None:
    """On stderr what of a person's own presets could not be read, and was not needed; a sentence a preset, the first of many."""
    told = list(sentences)
    for sentence in told[:LEFT_OUT]:
        narrate(f"tmplan: {sentence}")
    if len(told) > LEFT_OUT:
        narrate(f"tmplan: left out {len(told) - LEFT_OUT:,} more; `tmplan models` and its like tell each")


def tell_notes(documents: Iterable[Document]) -> None:
    """On stderr which folders of presets cannot be listed, and what was assumed of the models of some documents, each once."""
    from tui.state.edits import notes

    tell_left_out(problems())
    for note in dict.fromkeys(note for document in documents for note in notes(document)):
        narrate(f"note: {note}")


def document_from(
    file: str | None, given: Mapping[str, str | bool], pin: Texts = None, most: Texts = None, least: Texts = None
) -> Document:
    """The document to begin with: the plan file or the example, then what the options set on top of it."""
    from planner.document import planfile

    document = planfile.read(file) if file is not None else planfile.Document(EXAMPLE)
    inputs = document.inputs.with_all(values_of({key: text for key, text in given.items() if key not in AXES}, document.inputs))
    space = bounded(document.space, pin, most, least, {axis: str(text) for axis, text in given.items() if axis in AXES})
    return planfile.Document(inputs, space, document.plan, document.predictions, version(), document.source)


def begin(
    file: str | None, given: Mapping[str, str | bool], pin: Texts, most: Texts, least: Texts, wanted: str | None = None
) -> tuple[Document, bool]:
    """The same with the axes of --plan pinned too, and whether anything said bounds which plan is meant."""
    document = start(file, given, [*(pin or ()), *([wanted] if wanted else ())], most, least)
    return document, bool(pin or most or least or wanted or any(axis in given for axis in AXES))


def values_of(given: Mapping[str, str | bool], inputs: Inputs) -> dict[str, Value | None]:
    """The values of the options given; a preset that the plan file recorded needs no preset of that name here."""
    return {
        key: text if isinstance(text, bool) or (key, text) in inputs.recorded.presets else (parse(key, text) if text else _cleared(key))
        for key, text in given.items()
    }


def _cleared(key: str) -> Value | None:
    """An empty option takes back what the plan file or the example set, where a field may be empty."""
    return parse(key, "") or None


def bounded(space: Space, pin: Texts, most: Texts, least: Texts, own: Mapping[str, str] = MappingProxyType({})) -> Space:
    """A space with the axes that options name bounded anew, `own` by options of theirs: what is said of one axis must all hold."""
    said = [(axis, parse_bounds(axis, text)) for axis, text in own.items()]
    for option, texts, sign in (("--pin", pin, ""), ("--max", most, "<="), ("--min", least, ">=")):
        for text in texts or ():
            for axis, values in pairs(option, text):
                said.append((axis, Bounds() if values == "*" else parse_bounds(axis, sign + values.removeprefix(sign))))
    asked = Space()
    for axis, bounds in said:
        asked = asked.meet(axis, bounds)
        space = space.with_(axis, asked[axis])
    return space
