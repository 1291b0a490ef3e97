"""Layouts of a pipeline in Megatron's notation: which modules each virtual stage holds. Without numpy.

Grammar (megatron/core/transformer/pipeline_parallel_layer_layout.py, parse_str_to_list): E embedding, t transformer layer, m layer of
multi-token prediction, L loss with the head, | between stages; x*n repeats a letter, (...)*n a part; commas and spaces only separate.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.specs.model import Model

KEY = "pipeline_layout"
MOST = 20_000  # modules and bars of a layout, written out
UNIT = re.compile(r"(?:\(([^()]*)\)(?=\*)|([EtmL|]))(?:\*(\d{1,5}))?")
EXAMPLE = "Et*3|(tt|)*29m|L"


class Layout(NamedTuple):
    """A parsed layout: transformer layers of each virtual stage in the order of the data flow, and the stage with the layers ahead."""

    layers: tuple[int, ...]
    ahead: int  # layers of multi-token prediction
    ahead_stage: int  # the virtual stage that holds them; the last if there are none

    @property
    def stages(self) -> int:
        """Virtual stages of all ranks."""
        return len(self.layers)


def plain(text: str) -> str:
    """A layout without the commas and spaces that only separate."""
    return re.sub(r"[,\s]", "", text)


@lru_cache(maxsize=256)
def layout_of(text: str) -> Layout:
    """The layout of a text; FieldError for a text outside the grammar, or an order that Megatron refuses."""
    stages = _written_out(text, plain(text)).split("|")
    order = "".join(stages)
    if not re.fullmatch(r"Et*m*L", order):
        raise FieldError(KEY, f"{KEY} must be one E, then all t, then all m, then one L, such as {EXAMPLE}; {quoted(text)} is not")
    with_ahead = [number for number, stage in enumerate(stages) if "m" in stage]
    if len(with_ahead) > 1:
        raise FieldError(KEY, f"{KEY} must have all m in one stage, not in {len(with_ahead)}: put them together")
    ahead_stage = with_ahead[0] if with_ahead else len(stages) - 1
    return Layout(tuple(stage.count("t") for stage in stages), order.count("m"), ahead_stage)


def _written_out(text: str, part: str) -> str:
    """A part of a layout without repetitions; FieldError outside the grammar."""
    parts, size, at = list[str](), 0, 0
    while at < len(part):
        unit = UNIT.match(part, at)
        if not unit:
            raise FieldError(KEY, f"{KEY} is written with E, t, m, L, |, x*n and (...)*n, such as {EXAMPLE}, not {quoted(text)}")
        once, times = unit[2] if unit[1] is None else _written_out(text, unit[1]), int(unit[3] or 1)
        size += len(once) * times
        if size > MOST:
            raise FieldError(KEY, f"{KEY} must have at most {MOST:,} modules and stages; {quoted(text)} has more")
        parts.append(once * times)
        at = unit.end()
    return "".join(parts)


def compact(stages: tuple[str, ...] | list[str]) -> str:
    """The notation of stages, each a run of letters, equal neighbours written once."""
    runs: list[tuple[str, int]] = []
    for stage in stages[:-1]:
        runs.append((stage, runs.pop()[1] + 1) if runs and runs[-1][0] == stage else (stage, 1))
    joined = "".join(f"({_shortened(stage)}|)*{times}" if times > 1 else f"{_shortened(stage)}|" for stage, times in runs)
    return joined + _shortened(stages[-1])


def _shortened(stage: str) -> str:
    """A run of letters with repetitions counted: tttt is t*4."""
    return re.sub(r"(.)\1+", lambda run: f"{run[1]}*{len(run[0])}", stage)


def check_layout(text: str, model: Model, title: str, has_layouts: bool) -> None:
    """FieldError for a layout that is not of this model, or of a framework that has none."""
    if not text:
        return
    if not has_layouts:
        raise FieldError(KEY, f"{title} takes no layout of its pipeline; leave {KEY} empty")
    layout = layout_of(text)
    for letter, count, named, needed in (
        ("t", sum(layout.layers), "layers", model.layers), ("m", layout.ahead, "mtp_layers", model.mtp_layers),
    ):  # fmt: skip
        if count != needed:
            raise FieldError(KEY, f"{KEY} has {count:,} {letter}, and {model.name} has {named} {needed:,}: make them equal")
