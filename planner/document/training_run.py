"""The training run: what training costs beyond its plan: tokens, price, power, failures, storage. No change of these needs a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.specs.job import Job
from planner.specs.parameters import active_parameters
from planner.specs.validate import checked

# Llama 3 (2024), Section 3.3.4: 419 unexpected interruptions in 54 days on 16,384 GPUs; a constant failure rate per GPU is assumed.
LLAMA3_INTERRUPTIONS, LLAMA3_DAYS, LLAMA3_GPUS = 419, 54, 16_384
GPU_MTBF_HOURS = round(LLAMA3_DAYS * 24 * LLAMA3_GPUS / LLAMA3_INTERRUPTIONS)
# Section 3.3.1: storage sustains 2 TB/s. A job is assumed to get the share of it that it has of those GPUs.
LLAMA3_STORAGE = 2e12
DAY = 86400.0  # seconds
CHINCHILLA = 20.0  # tokens per parameter; Hoffmann et al. 2022: 1.4e12 tokens for 70e9
PUE = 1.1  # Patterson et al. 2021, Table 4: the data centre of GPT-3
RESTART_MINUTES = 10.0  # assumed as in Daly 2006 (Figures 3 to 5 from memory); Llama 3's 90 % effective time implies less than 15 minutes


@dataclass(frozen=True)
class Run:
    """The training as a whole, in base units. None: not given, and every quantity that depends on it is omitted.

    `train_tokens` are the training tokens, `served_tokens` those the model serves over its lifetime.
    """

    train_tokens: int
    tokens_per_parameter: float
    power_w: float | None  # per GPU board
    pue: float
    co2_g_kwh: float | None
    price_gpu_hour: float | None
    deadline_s: float | None
    served_tokens: int
    gpu_mtbf_s: float  # mean time between failures per GPU, including its share of host and network
    restart_s: float  # from a failure until training resumes
    storage_bytes_s: float  # checkpoint write bandwidth of the whole job
    checkpoint_s: float | None  # between checkpoints; None: the optimal interval
    shared: bool = False  # storage was not given: the job's share of Llama 3's, which scales with GPUs

    def __post_init__(self) -> None:
        limits = {"train_tokens": (1, 10**20), "served_tokens": (0, 10**20), "pue": (1, 10), "gpu_mtbf_s": (1, 1e15), "restart_s": (0, 1e9)}
        checked(self, limits | {"storage_bytes_s": (1, 1e18)})
        for key in ("power_w", "co2_g_kwh", "price_gpu_hour", "deadline_s", "checkpoint_s"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 1e15:
                raise FieldError(key, f"{key} must not be negative, nor beyond 1e15, not {quoted(value)}")


def resolved(job: Job, given: Mapping[str, Any]) -> Run:
    """The run of a job from the given attributes of Run; the others follow from the job."""
    optional = {name: given.get(name) for name in ("power_w", "co2_g_kwh", "price_gpu_hour", "deadline_s", "checkpoint_s")}
    ratio, active = given.get("tokens_per_parameter", CHINCHILLA), active_parameters(job.model)
    tokens = given.get("train_tokens") or max(1, round(ratio * active))
    return Run(
        train_tokens=tokens,
        tokens_per_parameter=tokens / active,
        pue=given["pue"],
        served_tokens=given["served_tokens"],
        gpu_mtbf_s=given["gpu_mtbf_s"],
        restart_s=given["restart_s"],
        shared="storage_bytes_s" not in given,
        storage_bytes_s=given.get("storage_bytes_s") or LLAMA3_STORAGE * job.cluster.gpus / LLAMA3_GPUS,
        **optional | {"power_w": optional["power_w"] or job.cluster.gpu.board_w or None},
    )
