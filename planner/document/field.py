"""Field: one input, and the specs that fields set."""

from __future__ import annotations

from dataclasses import dataclass

from planner import presets
from planner.specs.hardware import Gpu
from planner.specs.job import Stack
from planner.specs.model import Model

Value = int | float | str | bool
Spec = Gpu | Model | Stack | presets.ClusterPreset


@dataclass(frozen=True)
class Field:
    """One input field. `spec` and `attribute` name the value it sets; `scale` converts its unit to base units.

    `default` applies where neither the user nor a preset gives a value; None where a preset or a rule decides. `optional` fields accept an
    empty text, which selects the preset's value. `depends_on` names the field or axis without which (0, no or full) this one has no effect:
    forms then omit it. Where `with_values` is given, it has an effect with these values of that field alone.
    """

    key: str
    group: str  # cluster, model, batch, options; run: the training as a whole, on which no plan depends
    label: str
    kind: str  # preset, int, float, choice, bool, text (modules), month, layout (of a pipeline)
    help: str
    unit: str = ""
    spec: str = ""  # gpu, cluster, model, job, run
    attribute: str = ""
    scale: float = 1.0
    least: float = 1
    most: float = 2**34
    choices: tuple[str, ...] = ()
    preset_kind: str = ""
    default: Value | None = None
    optional: bool = False
    depends_on: str = ""
    with_values: tuple[str, ...] = ()

    @property
    def numbered(self) -> bool:
        """Whether the choices are numbers: text in the form, a number in a job."""
        return bool(self.choices) and all(choice.isdecimal() for choice in self.choices)
