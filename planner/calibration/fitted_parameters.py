"""The constants that are fitted to measured runs, with the stacks or GPUs that share each, its start and its bounds.

`tmplan refit RUNS` fits them; their values are only in the files of stacks and GPUs and in `constants.py`. Starts are estimates from
before any fit: a count of bytes, a measured table, a published figure, or the middle of the plausible range. Bounds are physical: rates
up to the ideal, shares up to twice the cost of a term.
"""

from __future__ import annotations

from planner.calibration.fit import Parameter

MEGATRON = ("megatron-core", "nemo", "nemo-tuned")
FORKS = ("megatron-lm-2021", "zero-bubble")
FSDP = ("torchtitan", "pytorch-fsdp", "deepspeed")
BLACKWELL = ("blackwell", "blackwell-ultra")
PYTORCH = (*MEGATRON, *FSDP, "nanotron", "aleph-alpha", *FORKS)  # the host's work per micro-batch is similar


def _stack(names: tuple[str, ...] | str, attribute: str, start: float, low: float, high: float) -> Parameter:
    return Parameter("stack", (names,) if isinstance(names, str) else names, attribute, start, low, high)


def _gpu(names: tuple[str, ...] | str, attribute: str, start: float, low: float, high: float) -> Parameter:
    return Parameter("gpu", (names,) if isinstance(names, str) else names, attribute, start, low, high)


def _constant(attribute: str, start: float, low: float, high: float) -> Parameter:
    return Parameter("constants", (), attribute, start, low, high)


PARAMETERS: tuple[Parameter, ...] = (
    _stack("megatron-deepspeed", "softmax_traffic", 1.5, 0.8, 5),
    _stack((*FORKS, "aleph-alpha"), "softmax_traffic", 1.3, 0.8, 5),
    # host time: launches per layer forward pass, per collective, per micro-batch and per step
    _stack("megatron-deepspeed", "launch_pace", 2, 0.5, 8), _stack("nanotron", "launch_pace", 2, 0.5, 8),
    _constant("launch_s", 1e-5, 3e-6, 1.6e-5),
    _stack("megatron-deepspeed", "host_micro_batch_s", 5e-4, 1e-5, 5e-3), _stack(PYTORCH, "host_micro_batch_s", 8e-4, 1e-5, 5e-3),
    _stack("megatron-deepspeed", "step_fixed_s", 1e-3, 1e-5, 0.1), _stack("nanotron", "step_fixed_s", 0.02, 1e-3, 0.2),
    _stack(MEGATRON, "step_fixed_s", 0.02, 1e-3, 0.2),
    # experts: launches of routing and dispatch, synchronisation for dropless token counts, permutation traffic over one read and write
    _stack(MEGATRON, "host_experts_s", 1.2e-3, 1e-4, 6e-3), _stack(MEGATRON, "host_counts_s", 1.2e-3, 1e-4, 6e-3),
    # overlap of data-parallel communication
    _stack(MEGATRON, "dp_overlap", 0.8, 0.1, 0.97), _stack(FSDP, "dp_overlap", 0.8, 0.1, 0.97),
    _stack("aleph-alpha", "dp_overlap", 0.3, 0.02, 0.97), _stack("nanotron", "dp_overlap", 0.3, 0.02, 0.97),
    _stack("maxtext", "dp_overlap", 0.7, 0.1, 0.97), _stack("internevo", "dp_overlap", 0.4, 0.02, 0.97),
    _stack("nanotron", "gather_overlap", 0.3, 0.02, 0.97),
    _stack("nanotron", "bucket_parameters", 1.2e7, 1e6, 1e9), _stack("nanotron", "sharded_parameters", 8e7, 1e6, 1e9),
    _stack("internevo", "bucket_parameters", 3e7, 1e6, 1e9),
    _stack("nanotron", "far_hops", 10, 0.5, 200),
    _stack((), "straggler", 0.002, 2e-4, 0.01),
    # rates in training, below those of isolated benchmarks
    _gpu("ampere", "gemm.training", 0.91, 0.7, 1), _gpu("hopper", "gemm.training", 0.9, 0.7, 1),
    _gpu("volta", "gemm.training", 0.94, 0.6, 1), _gpu(BLACKWELL, "gemm.training", 0.75, 0.5, 1),
    # networks
    _constant("link_training", 0.7, 0.5, 1), _constant("contention", 0.2, 0.05, 0.5),
    _constant("node_doubling", 3e-5, 5e-6, 6e-5), _constant("node_hop", 3e-5, 2e-6, 5e-4),
    _constant("measured_message", 3e8, 5e7, 1.1e9), _constant("host_power", 4, 2, 8),
)  # fmt: skip
