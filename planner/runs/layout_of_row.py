"""The layout of the pipeline of a measured run: its column, else the argument of Megatron-LM in its note."""

from __future__ import annotations

from planner.errors import FieldError
from planner.runs.moe_of_row import ARGUMENT
from planner.runs.row import Row, assume, cell, whole
from planner.specs.job import Stack
from planner.specs.model import Model
from planner.specs.pipeline_layout import Layout, compact, layout_of, plain

ARGUMENTS = "pipeline-model-parallel-layout"


def layout_text(row: Row) -> str:
    """The layout of a row as a text; empty without one. FieldError for a column outside the notation; such a note does not count."""
    if text := cell(row, "pp_layout"):
        try:
            return fitted(text, whole(row, "pp", 1))
        except FieldError as error:
            raise FieldError("pp_layout", f"column 'pp_layout': {error}") from None
    noted = dict(ARGUMENT.findall(cell(row, "note"))).get(ARGUMENTS, "")
    try:
        return fitted(noted, whole(row, "pp", 1)) if noted else ""
    except FieldError:
        return ""


def fitted(text: str, pp: int) -> str:
    """The text of a layout; without empty stages, of bars written twice, where it fills virtual stages of pp ranks only in this way."""
    layout = layout_of(text)
    if layout.stages % pp == 0:
        return plain(text)
    stages = ["t" * count + "m" * (layout.ahead if number == layout.ahead_stage else 0) for number, count in enumerate(layout.layers)]
    stages[0], stages[-1] = f"E{stages[0]}", f"{stages[-1]}L"
    filled = [stage for stage in stages if stage]
    return compact(filled) if len(filled) % pp == 0 else plain(text)


def laid(row: Row) -> Layout | None:
    """The layout of a row; None without one."""
    text = layout_text(row)
    return layout_of(text) if text else None


def layout(row: Row, stack: Stack, model: Model, schedule: str, assumed: dict[str, str]) -> str:
    """The layout of a row that its stack, model and pipeline can have; else none, which is listed as assumed."""
    text, pp = layout_text(row), whole(row, "pp", 1)
    if not text:
        return ""
    layout = layout_of(text)
    same = (sum(layout.layers), layout.ahead) == (model.layers, model.mtp_layers)
    if same and stack.layouts and schedule == "1f1b" and layout.stages % pp == 0 and layout.ahead_stage >= layout.stages - pp:
        return text
    assume(assumed, "pp_layout", "the stack's: the layout does not fit the layers or the stages")
    return ""
