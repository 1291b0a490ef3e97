"""Random jobs: any model, GPU, cluster and stack, with some of their sizes and rates at extremes, and bounds on some axes."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any

from planner import presets
from planner.specs.options import KERNELS, LOSS_KERNELS, MODULES, OPTIMIZERS

Values = dict[str, Any]
GPUS = (1, 2, 3, 4, 6, 7, 8, 8, 16, 24, 32, 48, 64, 64, 96, 128, 256, 512, 1000, 1024)
BATCHES = (1, 2, 7, 8, 16, 48, 64, 96, 128, 512, 1000, 1024)
SEQUENCES = (1, 2, 128, 512, 1000, 2048, 4096, 8192, 32768, 131072, 1000003)
EXTREMES: dict[str, tuple[Any, ...]] = {
    "layers": (1, 2, 3, 7, 61, 128), "hidden": (1, 64, 1000, 4096, 16384, 2**17), "heads": (1, 3, 8, 64, 128), "kv_heads": (1, 2, 8),
    "head_dim": (1, 64, 128, 256), "ffn": (1, 128, 14336, 2**18), "vocab": (1, 1000, 32000, 262144, 2**24), "gated": (True, False),
    "tied": (True, False), "experts": (0, 2, 8, 64, 512), "experts_per_token": (1, 2, 8), "expert_ffn": (1, 128, 2048, 16384),
    "shared_ffn": (0, 1, 2048), "dense_layers": (0, 1, 3), "mtp_layers": (0, 1, 3), "kv_rank": (0, 1, 512),
    "memory_gib": (0.25, 1.0, 24.0, 80.0, 1e5), "hbm_gb_s": (0.1, 100.0, 3350.0, 1e7), "tflops_bf16": (1e-3, 1.0, 989.0, 1e8),
    "tflops_fp8": (0.0, 1979.0), "link_gb_s": (1e-3, 25.0, 450.0, 1e6), "nic_gbit_s": (1e-3, 100.0, 400.0, 8e6),
    "pcie_gb_s": (1e-3, 32.0, 1e6), "host_memory_gib": (1.0, 2048.0), "headroom": (0.0, 10.0, 95.0), "link_domain": (1, 2, 8, 72, 65536),
    "precision": ("bf16", "fp16", "fp8", "fp4"), "optimizer": OPTIMIZERS, "tuning": ("full", "lora", "qlora"),
    "lora_rank": (1, 16, 64), "lora_targets": ("query-value", "attention", "all"), "gradient_bytes": ("2", "4"),
    "state_bytes": ("1", "2", "4"), "attention": ("flash-2", "flash-3", "flash-1", "fused-softmax", "unfused"),
    "offload_optimizer": (True, False), "imbalance": (1.0, 1.3, 100.0), "capacity": (0.0, 1.25, 100.0), "overlap_experts": (True, False),
    "loss_kernel": LOSS_KERNELS, "kernels": KERNELS, "master_bytes": ("0", "2", "4"), "reduce_bytes": ("2", "4"), "autocast": (True, False),
    "foreach": (True, False), "fp8_parameters": (True, False), "optimizer_in_backward": (True, False), "expandable_segments": (True, False),
    "recompute_modules": (*MODULES, "core_attn,mlp"), "recompute_every": (1, 2, 10_000), "offload_parameters": (True, False),
    "offload_activations": (0.0, 1.0, 50.0, 100.0), "offload_checkpoints": (True, False), "offload_nvme": (True, False),
}  # fmt: skip
AXES = ("tp", "pp", "vpp", "cp", "dp", "ep", "etp", "zero", "micro_batch", "recompute", "sequence_parallel", "schedule")
NAMED = {
    "zero": ("0", "1", "<=2", "3"), "recompute": ("none", "full", "none,selective", "first"), "sequence_parallel": ("yes", "no"),
    "schedule": ("1f1b", "zb-h1", "dualpipev"),
}  # fmt: skip
DEGREES = ("1", "2", "<=4", ">=2", "1,2,4", "2..8")


@cache
def names(kind: str) -> tuple[str, ...]:
    """The presets that are shipped."""
    return presets.names(kind)


def values(rng: Random) -> Values:
    """The fields of a job."""
    result: Values = {"model": rng.choice(names("models")), "gpu": rng.choice(names("gpus")), "stack": rng.choice(names("stacks"))}
    result |= {"gpus": rng.choice(GPUS), "global_batch": rng.choice(BATCHES), "sequence": rng.choice(SEQUENCES)}
    if rng.random() < 0.3:
        result["cluster"] = rng.choice(names("clusters"))
    if rng.random() < 0.3:
        result["gpus_per_node"] = rng.choice((1, 2, 4, 6, 8, 16, 72))
    for key in rng.sample(sorted(EXTREMES), rng.choice((0, 0, 1, 2, 3, 6))):
        result[key] = rng.choice(EXTREMES[key])
    return result


def bounds(rng: Random) -> dict[str, str]:
    """Bounds on a few axes, in the user's syntax."""
    return {axis: rng.choice(NAMED.get(axis, DEGREES)) for axis in rng.sample(AXES, rng.choice((0, 0, 1, 1, 2)))}
