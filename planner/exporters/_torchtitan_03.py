"""torchtitan 0.3.0's Python module: its keys, and the text that sets them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from planner.exporters._common import comment
from planner.exporters._degrees import Degrees
from planner.exporters._keys import Key, keys
from planner.exporters._keys_torchtitan import KEYS, Flavor
from planner.exporters._options import chosen
from planner.exporters.registry import Request
from planner.specs.job import Job

VERSION_03 = "0.3.0"
REMOVED = (
    "expert_tensor_parallel_degree",
    "pipeline_parallel_expert_parallel_overlap",
    "expert_parallel_comm_backend",
)  # keys of 0.2.2 without a successor
PARALLELISM: Mapping[str, Key] = {
    name.removeprefix("parallelism."): key
    for name, key in KEYS.items()
    if name.startswith("parallelism.") and not name.endswith(REMOVED)
} | keys(bool, "enable_sequence_parallel")  # fmt: skip
TRAINING: Mapping[str, Key] = {
    name.removeprefix("training."): key for name, key in KEYS.items() if name.startswith("training.")
} | keys(bool, "disable_cuda_graphs")  # fmt: skip
RECOMPUTE = {"none": "", "selective": "SelectiveAC", "full": "FullAC"}

TEXT = """{first}
from torchtitan.components.loss import {losses}
from torchtitan.components.optimizer import default_adamw
{imported}from torchtitan.hf_datasets.text_datasets import HuggingFaceTextDataLoader
from torchtitan.models.common.config_utils import decoder_vocab_size
from torchtitan.models.{model} import model_registry
from torchtitan.trainer import Trainer


def tmplan() -> Trainer.Config:
    model_spec = model_registry({flavor}{converters})
    return Trainer.Config(
        model_spec=model_spec,
        loss={loss},
        optimizer={optimizer},{compiled}
        dataloader=HuggingFaceTextDataLoader.Config(dataset="c4_test"),
        training=TrainingConfig({training}
        ),
        parallelism=ParallelismConfig({parallelism}
        ),
        activation_checkpoint={recompute},
    )
"""


def module(request: Request, d: Degrees, kind: Flavor, split: dict[str, Any], notes: list[str]) -> str:
    """The text of train.py for torchtitan 0.3."""
    job = request.job
    training = {
        "local_batch_size": d.micro_batch * (d.micro_batches if d.pp > 1 else 1), "global_batch_size": job.global_batch,
        "seq_len": job.sequence, "enable_cpu_offload": job.offload_optimizer or job.offload_parameters, "disable_cuda_graphs": True,
        "dtype": "bfloat16" if job.master_bytes == 0 else "float32", "mixed_precision_param": "bfloat16",
        "mixed_precision_reduce": "float32",
    }  # fmt: skip
    split = split | {"enable_sequence_parallel": d.sequence_parallel or d.tp == 1}
    narrow, recompute = job.precision == "fp8", RECOMPUTE[d.recompute]
    converter = "MXFP8LinearConverter" if job.recipe == "mxfp8" else "Float8LinearConverter"
    imported = f"from torchtitan.components.quantization import {converter}\n" if narrow else ""
    compiled = "CompileConfig, " if job.kernels == "compiled" else ""
    imported += f"from torchtitan.config import {compiled}ParallelismConfig, TrainingConfig\n"
    imported += f"from torchtitan.distributed.activation_checkpoint import {recompute}\n" if recompute else ""
    chosen_layers = 'fqns=["layers"]' if job.recipe == "mxfp8" else 'filter_fqns=["lm_head"]'
    converters = f", converters=[{converter}.Config(model_compile_enabled={job.kernels == 'compiled'}, {chosen_layers})]"
    head = comment([f"torchtitan {VERSION_03} (0.3): --module train --config tmplan; 0.2.x takes train.toml", *request.about, *notes])
    return head + TEXT.format(
        first="\nfrom dataclasses import replace\n" if "replace(" in _optimizer(job) else "",
        imported=imported, model=kind.module or kind.model, flavor=_quoted(kind.flavor_03), converters=converters if narrow else "",
        losses="CrossEntropyLoss" if _plain(job) else "ChunkedLossWrapper, CrossEntropyLoss", loss=_loss(job),
        compiled='\n        compile=CompileConfig(enable=True, components=["model", "loss"]),' if compiled else "",
        optimizer=_optimizer(job), training=_lines(training),
        parallelism=_lines(split), recompute=f"{recompute}.Config()" if recompute else "None",
    )  # fmt: skip


def _plain(job: Job) -> bool:
    """Whether the loss is computed without chunks, which are the default."""
    return chosen(job).get("loss_kernel") == "plain"


def _loss(job: Job) -> str:
    """The loss as Python: in chunks of the tokens, or of whole logits."""
    loss = "CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(model_spec))"
    return loss if _plain(job) else f"ChunkedLossWrapper.Config(loss_fn={loss})"


def _optimizer(job: Job) -> str:
    """The optimizer as Python; the implementation is that of all its parameters."""
    name = "foreach" if job.foreach else "fused_opt_states_bf16" if job.state_bytes == 2 else ""
    return f'replace(default_adamw(), implementation="{name}")' if name else "default_adamw()"


def _quoted(value: object) -> str:
    """A value as a Python literal, text in double quotes."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _lines(values: Mapping[str, object]) -> str:
    """The values as keyword arguments, one per line."""
    return "".join(f"\n            {name}={_quoted(value)}," for name, value in values.items())
