"""The inputs that a sensitivity changes: rates by any factor, counts to the next valid value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from planner.document.fields import BY_KEY
from planner.document.inputs import Inputs, node_size, resolve, shown
from planner.specs.job import Job
from planner.specs.plan import Plan


@dataclass(frozen=True)
class Input:
    """One input: its key, its label, the fields that change together, and its kind.

    kind: rate (any number), count (doubled or halved), batch and sequence (to the next valid value). A scale-up domain equal to the node
    grows with it.
    """

    key: str
    label: str
    fields: tuple[str, ...]
    kind: str = "rate"
    offload: bool = False  # relevant only if the optimizer states are offloaded

    @property
    def unit(self) -> str:
        """The unit of its values."""
        return BY_KEY[self.fields[0]].unit or ("GPUs" if self.kind == "count" else "")


INPUTS = (
    Input("peak", "peak rate", ("tflops_bf16", "tflops_fp8")),
    Input("hbm", "HBM bandwidth", ("hbm_gb_s",)),
    Input("memory", "memory size", ("memory_gib",)),
    Input("link", "scale-up link", ("link_gb_s",)),
    Input("nic", "NIC", ("nic_gbit_s",)),
    Input("node", "node size", ("gpus_per_node", "link_domain"), "count"),
    Input("domain", "link domain", ("link_domain",), "count"),
    Input("batch", "global batch", ("global_batch",), "batch"),
    Input("sequence", "sequence", ("sequence",), "sequence"),
    Input("pcie", "PCIe", ("pcie_gb_s",), offload=True),
    Input("host", "host memory", ("host_memory_gib",), offload=True),
)


def values_of(inputs: Inputs, one: Input) -> dict[str, float]:
    """The values of the fields of an input, in the units of the fields; fields without a value and zeros are omitted."""
    values = {key: float(value) for key in one.fields if isinstance(value := shown(inputs)[key][0], int | float) and value}
    if one.key == "node":
        values["gpus_per_node"] = float(node_size(inputs))
        if values["link_domain"] != values["gpus_per_node"]:
            del values["link_domain"]
    return values


def candidates(one: Input, before: float, factor: float, plan: Plan) -> Iterator[float]:
    """Candidate values in order of preference, the requested one first; the caller takes the first with which the plan stays valid."""
    scaled, stepped = before * factor, before * 2 if factor > 1 else max(1.0, before // 2)
    if one.kind == "rate":
        yield scaled
        return
    if one.kind != "count":
        if scaled == int(scaled):
            yield scaled
        for unit in units(one, int(before), plan):
            rounded = float((math.ceil if factor > 1 else math.floor)(scaled / unit) * unit)
            if rounded >= 1 and rounded != before:
                yield rounded
    yield stepped


def units(one: Input, before: int, plan: Plan) -> tuple[int, int]:
    """Divisors that keep a batch or a sequence valid with a plan, in order of preference.

    Of a batch: the sequences of one micro-batch per replica, and those of one round of the pipeline. Of a sequence: an eighth of the
    largest power of two that it reaches, and what context and tensor parallelism divide.
    """
    if one.kind == "batch":
        each = int(plan.dp * plan.micro_batch)
        return each, each * int(plan.pp)
    power, eighth = before & -before, 2 ** max(0, before.bit_length() - 4)  # powers of two: the largest divisor; 1/8 of the leading bit
    return min(power, eighth), int(2 * plan.cp * plan.tp)


def made(inputs: Inputs, one: Input, values: dict[str, float], factor: float) -> Job:
    """The job with one input changed. Raises the errors of its fields."""
    new = {key: round(value * factor) if BY_KEY[key].kind == "int" else value * factor for key, value in values.items()}
    return resolve(inputs.with_all(new))
