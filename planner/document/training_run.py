"""Run: what training costs beside its plan: tokens, price, power, failures and storage. A change of any needs no new search.

Numbers of sections and tables are from memory; Llama 3's figures were looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.specs.job import Job
from planner.specs.parameters import active_parameters
from planner.specs.validate import checked

# Llama 3 (2024), Section 3.3.4: 419 unexpected interruptions in 54 days on 16,384 GPUs. Failures are taken to come as often for each GPU.
LLAMA3_INTERRUPTIONS, LLAMA3_DAYS, LLAMA3_GPUS = 419, 54, 16_384
GPU_MTBF_HOURS = round(LLAMA3_DAYS * 24 * LLAMA3_GPUS / LLAMA3_INTERRUPTIONS)
# Section 3.3.1 of the same: its storage sustains 2 TB/s. A job is taken to get so much of it as it has of those GPUs.
LLAMA3_STORAGE = 2e12
DAY = 86400.0  # seconds
CHINCHILLA = 20.0  # tokens a parameter; Hoffmann et al. 2022: 1.4e12 tokens for 70e9
PUE = 1.1  # Patterson et al. 2021, Table 4: of the data centre of GPT-3
RESTART_MINUTES = 10.0  # an assumption, that of Daly 2006, Figures 3 to 5; Llama 3's 90 % leave less than a quarter of an hour


@dataclass(frozen=True)
class Run:
    """All that is told of the training as a whole, in base units; None: not told, and what rests on it is left out.

    `train_tokens` are those to train on, `served_tokens` those the model is to serve in its life.
    """

    train_tokens: int
    tokens_per_parameter: float
    power_w: float | None  # of one GPU's board
    pue: float
    co2_g_kwh: float | None
    price_gpu_hour: float | None
    deadline_s: float | None
    served_tokens: int
    gpu_mtbf_s: float  # between two failures of one GPU, its share of host and network with it
    restart_s: float  # from a failure to training again
    storage_bytes_s: float  # at which the whole job writes a checkpoint
    checkpoint_s: float | None  # between two checkpoints; None: as the best interval has it
    shared: bool = False  # nobody told the storage: it is the job's share of what Llama 3 had, and grows with the GPUs

    def __post_init__(self) -> None:
        limits = {"train_tokens": (1, 10**20), "served_tokens": (0, 10**20), "pue": (1, 10), "gpu_mtbf_s": (1, 1e15), "restart_s": (0, 1e9)}
        checked(self, limits | {"storage_bytes_s": (1, 1e18)})
        for key in ("power_w", "co2_g_kwh", "price_gpu_hour", "deadline_s", "checkpoint_s"):
            value = getattr(self, key)
            if value is not None and not 0 <= value <= 1e15:
                raise FieldError(key, f"{key} must not be negative, nor beyond 1e15, not {quoted(value)}")


def resolved(job: Job, given: Mapping[str, Any]) -> Run:
    """The run of a job from what was set of it, by the attributes of Run; what may be left open follows the job."""
    told = {name: given.get(name) for name in ("power_w", "co2_g_kwh", "price_gpu_hour", "deadline_s", "checkpoint_s")}
    ratio, visited = given.get("tokens_per_parameter", CHINCHILLA), active_parameters(job.model)
    tokens = given.get("train_tokens") or max(1, round(ratio * visited))
    return Run(
        train_tokens=tokens,
        tokens_per_parameter=tokens / visited,
        pue=given["pue"],
        served_tokens=given["served_tokens"],
        gpu_mtbf_s=given["gpu_mtbf_s"],
        restart_s=given["restart_s"],
        shared="storage_bytes_s" not in given,
        storage_bytes_s=given.get("storage_bytes_s") or LLAMA3_STORAGE * job.cluster.gpus / LLAMA3_GPUS,
        **told | {"power_w": told["power_w"] or job.cluster.gpu.board_w or None},
    )
