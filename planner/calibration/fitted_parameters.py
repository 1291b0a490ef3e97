"""The constants that are fitted to measured runs, with the stacks or GPUs that share each, its start and its bounds.

`tmplan refit RUNS` fits them; their values are only in the files of stacks and GPUs and in `constants.py`. Starts are estimates from
before any fit: a count of bytes, a measured table, a published figure, or the middle of the plausible range. Bounds are physical: rates
up to the ideal, shares up to twice the cost of a term.
"""

from __future__ import annotations

from planner.calibration.fit import Parameter

MEGATRON = ("megatron-core", "nemo", "nemo-tuned")


def _stack(names: tuple[str, ...] | str, attribute: str, start: float, low: float, high: float) -> Parameter:
    return Parameter("stack", (names,) if isinstance(names, str) else names, attribute, start, low, high)


def _gpu(names: tuple[str, ...] | str, attribute: str, start: float, low: float, high: float) -> Parameter:
    return Parameter("gpu", (names,) if isinstance(names, str) else names, attribute, start, low, high)


def _constant(attribute: str, start: float, low: float, high: float) -> Parameter:
    return Parameter("constants", (), attribute, start, low, high)


# Each pays on runs left out of the fit (`tmplan refit --ablate`); constants that did not are at their starts in the files.
PARAMETERS: tuple[Parameter, ...] = (
    # host time: launches, and what a step costs whatever its size
    _stack("megatron-deepspeed", "launch_pace", 2, 0.5, 8), _stack("nanotron", "launch_pace", 2, 0.5, 8),
    _constant("launch_s", 1e-5, 3e-6, 4e-5), _stack(MEGATRON, "step_fixed_s", 0.02, 1e-3, 0.2),
    # rates in training, below those of isolated benchmarks
    _gpu("hopper", "gemm.training", 0.9, 0.7, 1), _gpu("volta", "gemm.training", 0.94, 0.6, 1),
)  # fmt: skip
