"""The document described by the options of a command line."""

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

Texts = Iterable[str] | None  # values of a repeatable option
LEFT_OUT = 8  # messages on presets that are printed individually


def start(file: str | None, given: Mapping[str, str | bool], pin: Texts = None, most: Texts = None, least: Texts = None) -> Document:
    """The document of a command; reports the assumptions on its model on stderr."""
    document = document_from(file, given, pin, most, least)
    report_notes([document])
    return document


def report_left_out(sentences: Iterable[str]) -> None:
    """Report on stderr the user's presets that could not be read and were not needed, one message each, at most LEFT_OUT."""
    messages = list(sentences)
    for sentence in messages[:LEFT_OUT]:
        narrate(f"tmplan: {sentence}")
    if len(messages) > LEFT_OUT:
        narrate(f"tmplan: left out {len(messages) - LEFT_OUT:,} more; `tmplan models`, `gpus`, `clusters` and `stacks` list them")


def report_notes(documents: Iterable[Document]) -> None:
    """Report on stderr the folders of presets that cannot be listed, and the assumptions on the models of documents, each once."""
    from tui.state.edits import notes

    report_left_out(problems())
    for note in dict.fromkeys(note for document in documents for note in notes(document)):
        narrate(f"note: {note}")


def document_from(
    file: str | None, given: Mapping[str, str | bool], pin: Texts = None, most: Texts = None, least: Texts = None
) -> Document:
    """The initial document: the plan file or the example, with the options applied."""
    from planner.document import planfile

    document = planfile.read(file) if file is not None else planfile.Document(EXAMPLE)
    inputs = document.inputs.with_all(values_of({key: text for key, text in given.items() if key not in AXES}, document.inputs))
    space = bounded(document.space, pin, most, least, {axis: str(text) for axis, text in given.items() if axis in AXES})
    return planfile.Document(inputs, space, document.plan, document.predictions, version(), document.source)


def begin(
    file: str | None, given: Mapping[str, str | bool], pin: Texts, most: Texts, least: Texts, axes: str | None = None
) -> tuple[Document, bool]:
    """The same with the axes of --plan pinned too; and whether any option bounds the choice of the plan."""
    document = start(file, given, [*(pin or ()), *([axes] if axes else ())], most, least)
    return document, bool(pin or most or least or axes or any(axis in given for axis in AXES))


def values_of(given: Mapping[str, str | bool], inputs: Inputs) -> dict[str, Value | None]:
    """The values of the options given; a preset recorded in the plan file need not exist here."""
    return {
        key: text if isinstance(text, bool) or (key, text) in inputs.recorded.presets else (parse(key, text) if text else _cleared(key))
        for key, text in given.items()
    }


def _cleared(key: str) -> Value | None:
    """The value of an empty option: it clears what the plan file or the example set, if the field may be empty."""
    return parse(key, "") or None


def bounded(space: Space, pin: Texts, most: Texts, least: Texts, by_axis: Mapping[str, str] = MappingProxyType({})) -> Space:
    """A space with new bounds on the axes that options name, `own` by the axes' options: all bounds on one axis apply together."""
    bounds_given = [(axis, parse_bounds(axis, text)) for axis, text in by_axis.items()]
    for option, texts, sign in (("--pin", pin, ""), ("--max", most, "<="), ("--min", least, ">=")):
        for text in texts or ():
            for axis, values in pairs(option, text):
                bounds_given.append((axis, Bounds() if values == "*" else parse_bounds(axis, sign + values.removeprefix(sign))))
    combined = Space()
    for axis, bounds in bounds_given:
        combined = combined.meet(axis, bounds)
        space = space.with_(axis, combined[axis])
    return space
