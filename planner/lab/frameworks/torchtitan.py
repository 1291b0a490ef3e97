"""torchtitan: its models, parallelize functions, losses, optimizers and torch's pipeline schedules. Read with torchtitan 0.3.0.

Attention is scaled_dot_product_attention in place of FlexAttention, which needs its compiler: the tensors stored are the same.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import torch
import torch.distributed.pipelining.schedules as schedules
import torch.distributed.pipelining.stage as stages
import torchtitan.distributed.parallel_dims as parallel_dims
import torchtitan.models.common.token_dispatcher as dispatcher
import torchtitan.tools.utils as tools
from torch.distributed.pipelining._utils import InferenceMode, _DTensorMeta, _StageBackwardMeta, _StageForwardMeta, _TensorMeta
from torchtitan.components.loss import ChunkedLossWrapper, CrossEntropyLoss
from torchtitan.components.optimizer import default_adamw
from torchtitan.config import CompileConfig, ParallelismConfig, TrainingConfig
from torchtitan.distributed import ParallelDims
from torchtitan.distributed import utils as distributed
from torchtitan.distributed.activation_checkpoint import FullAC, SelectiveAC
from torchtitan.models.common.attention import ScaledDotProductAttention
from torchtitan.models.common.config_utils import decoder_vocab_size
from torchtitan.trainer import Trainer

from planner.lab import adapt, device, kernels
from planner.lab.frameworks.torchtitan_models import spec_of
from planner.lab.record import LabError
from planner.lab.task import Task
from planner.lab.tracker import Tracker

CHUNKS = 8  # of ChunkedLossWrapper
READ = ("loss_kernel", "imbalance", "optimizer", "foreach", "master_bytes", "gradient_bytes", "state_bytes", "reduce_bytes", "kernels")
SCHEDULES = {("1f1b", False): "1F1B", ("1f1b", True): "Interleaved1F1B", ("zb-v", True): "ZBVZeroBubble", ("dualpipev", True): "DualPipeV"}


def run(task: Task, tracker: Tracker) -> None:
    """Run the task's stage."""
    check(task, tracker)
    logging.disable(logging.WARNING)
    fake = device.start(task.world, task.rank)
    kernels.replace()
    tools.device_type, tools.device_module, parallel_dims.device_type = "cuda", torch.cuda, "cuda"
    config = trainer_config(task, tracker)
    dims = ParallelDims.from_config(config.parallelism, task.world)
    distributed.set_spmd_backend(config.parallelism.spmd_backend)
    dims.build_mesh()
    without_other_ranks(task, config, dims)
    adapt.real_meshes()
    adapt.label_gathered(tracker.making)
    with fake, tracker:
        tracker.progress("building the model")
        trainer = trainer_of(task, tracker, config, dims)
        optimizers = config.optimizer.build(model_parts=trainer.model_parts)
        for step in range(task.steps):
            tracker.progress(f"step {step + 1} of {task.steps}")
            train_step(task, tracker, trainer, optimizers)


def check(task: Task, tracker: Tracker) -> None:
    """LabError for what torchtitan cannot run on a CPU; notes for what stands in."""
    if task.job["optimizer"] != "adamw":
        raise LabError(f"verify runs torchtitan with the optimizer adamw, not {task.job['optimizer']}")
    if task.plan["pp"] > 1 and schedule(task) is None:
        raise LabError(f"verify runs pipelines of torchtitan with 1f1b, zb-v and dualpipev, not {task.plan['schedule']}")
    if task.job["tuning"] != "full":
        raise LabError("verify runs torchtitan with tuning full alone")
    if task.plan["schedule"] != "1f1b" and task.plan["recompute"] != "none":
        raise LabError(f"torch does not recompute under {task.plan['schedule']}, which splits backward passes; set recompute to none")
    if task.job["loss_kernel"] != "plain" and task.job["sequence"] // task.plan["cp"] % CHUNKS:
        raise LabError(f"torchtitan's loss in chunks needs a sequence that divides by {CHUNKS} on each rank; set loss_kernel to plain")
    if task.job["kernels"] == "compiled":
        tracker.note("torch.compile needs a GPU: eager kernels stand in for fused ones")
    if task.job["loss_kernel"] not in ("plain", "chunked"):
        tracker.note(f"the chunked loss of torchtitan stands in for loss_kernel {task.job['loss_kernel']}")
    if task.plan["recompute"] == "first":
        tracker.note("no layer is recomputed, in place of recompute first")
    for sentence in task.ignored(READ):
        tracker.note(sentence)


def schedule(task: Task) -> str | None:
    """torch's name of the plan's schedule; None where the lab runs none like it."""
    return SCHEDULES.get((task.plan["schedule"], len(task.rank_layers) > 1))


def trainer_config(task: Task, tracker: Tracker) -> Any:
    """torchtitan's configuration of the job and the plan."""
    plan, piped = task.plan, task.plan["pp"] > 1
    spec = spec_of(task, tracker)
    for layer in spec.model.layers:
        layer.attention.inner_attention = ScaledDotProductAttention.Config()
    shards = plan["dp_shard"] if plan["zero"] else 1
    parallelism = ParallelismConfig(
        data_parallel_shard_degree=shards, data_parallel_replicate_degree=plan["dp"] // shards, tensor_parallel_degree=plan["tp"],
        pipeline_parallel_degree=plan["pp"], context_parallel_degree=plan["cp"], expert_parallel_degree=plan["ep"],
        fsdp_reshard_after_forward=("always" if piped else "default") if plan["zero"] == 3 else "never", spmd_backend="partial_dtensor",
        pipeline_parallel_schedule=schedule(task) or "1F1B", module_fqns_per_model_part=parts_of(task) if piped else None,
        pipeline_parallel_microbatch_size=plan["micro_batch"],
    )  # fmt: skip
    training = TrainingConfig(
        local_batch_size=plan["micro_batch"] * (task.micro_batches if piped else 1), seq_len=task.job["sequence"], disable_cuda_graphs=True,
        dtype="bfloat16" if task.job["master_bytes"] == 0 else "float32",
    )  # fmt: skip
    plain = CrossEntropyLoss.Config(global_vocab_size=decoder_vocab_size(spec))
    optimizer = default_adamw(lr=1e-4)
    if task.job["foreach"]:
        optimizer = dataclasses.replace(optimizer, implementation="foreach")
    return Trainer.Config(
        loss=plain if task.job["loss_kernel"] == "plain" else ChunkedLossWrapper.Config(loss_fn=plain), model_spec=spec, training=training,
        parallelism=parallelism, optimizer=optimizer,
        activation_checkpoint={"selective": SelectiveAC.Config, "full": FullAC.Config}.get(plan["recompute"], lambda: None)(),
    )  # fmt: skip


def parts_of(task: Task) -> list[list[str]]:
    """The modules of every virtual stage, by name."""
    parts, number = [], 0
    for layers in task.layers:
        parts.append([f"layers.{number + i}" for i in range(len(layers))])
        number += len(layers)
    parts[0].insert(0, "tok_embeddings")
    parts[-1] += ["norm", "lm_head"]
    return parts


def without_other_ranks(task: Task, config: Any, dims: Any) -> None:
    """Replace what stages of a pipeline and experts ask of other ranks: shapes of hidden states, and counts of tokens."""

    def warm(_: Any, of_rank: Any, *__: Any, **___: Any) -> None:
        for stage in of_rank:
            stage._inference_mode = InferenceMode.DYNAMIC

    for kind in (schedules._PipelineSchedule, schedules.PipelineScheduleSingle, schedules.PipelineScheduleMulti):
        if "_warmup_p2p" in vars(kind):
            kind._warmup_p2p = warm

    def shapes(self: Any, source: int) -> Any:
        if source > self.stage_index:
            metas = (dataclasses.replace(meta, requires_grad=False) for meta in self._stage_meta.outputs)
            return _StageBackwardMeta(backward_metas=tuple(metas))
        return _StageForwardMeta(forward_metas=(hidden_states(task, config.model_spec.model.dim, dims),))

    stages.PipelineStage._recv_meta, stages.PipelineStage._send_meta = shapes, lambda *_: None

    def counts(self: Any, local: Any, of_all: Any, ranks: int) -> Any:
        tokens = task.plan["micro_batch"] * task.job["sequence"] // task.plan["cp"] // task.plan["tp"] * self.top_k
        received = int(tokens * task.job["imbalance"]) // ranks
        return of_all.reshape(-1), [tokens // ranks] * ranks, [received] * ranks

    dispatcher.AllToAllTokenDispatcher._sync_token_count_exchange = counts


def hidden_states(task: Task, width: int, dims: Any) -> Any:
    """What the stage before sends: the hidden states of a micro-batch, sharded over the sequence with tensor parallelism."""
    batch, tp = task.plan["micro_batch"], task.plan["tp"]
    tokens = task.job["sequence"] // task.plan["cp"]
    local = (batch, tokens // tp, width)
    base: dict[str, Any] = {
        "shape": torch.Size(local),
        "stride": (local[1] * width, width, 1),
        "dtype": torch.bfloat16,
        "requires_grad": True,
    }
    if tp == 1:
        return _TensorMeta(**base)
    from torch.distributed.tensor import Shard

    mesh = dims.get_mesh(["tp"])
    return _DTensorMeta(
        **base, global_shape=torch.Size((batch, tokens, width)), global_stride=(tokens * width, width, 1), placements=(Shard(1),),
        mesh_dim_names=("tp",), mesh_layout=mesh._layout,
    )  # fmt: skip


def trainer_of(task: Task, tracker: Tracker, config: Any, dims: Any) -> Any:
    """The trainer with the rank's parts of the model, in place of Trainer.__init__, which reads data sets."""
    spec, compiled = config.model_spec, CompileConfig()
    spec.model.update_from_config(config=config)
    with torch.device("meta"):
        model = spec.model.build()
    loss = config.loss.build(compile_config=compiled)
    options = {
        "parallel_dims": dims, "training": config.training, "parallelism": config.parallelism, "compile_config": compiled,
        "ac_config": config.activation_checkpoint, "dump_folder": "",
    }  # fmt: skip
    trainer = object.__new__(Trainer)
    if task.plan["pp"] > 1:
        trainer.pp_schedule, parts, trainer.pp_has_first_stage, trainer.pp_has_last_stage = spec.pipelining_fn(
            model, device=torch.device("cuda"), model_config=spec.model, parallelize_fn=spec.parallelize_fn, loss_fn=loss, **options
        )
    else:
        parts = [spec.parallelize_fn(model, **options)]
    for part in parts:
        part.to_empty(device="cuda")
        part.train()
        tracker.parameters(part)
        tracker.modules(part)
    layers = [list(part.layers.values() if hasattr(part.layers, "values") else part.layers) for part in parts]
    tracker.layers(next((each for of_part in layers for each in of_part), None), *(each[-1] for each in layers if each))
    if isinstance(loss, ChunkedLossWrapper) and task.last:
        loss.set_lm_head(parts[-1].lm_head)
        parts[-1]._skip_lm_head = True
    trainer.config, trainer.parallel_dims, trainer.device = config, dims, torch.device("cuda")
    trainer.model_config, trainer.model_parts, trainer.loss_fn = spec.model, parts, loss
    trainer.ntokens_seen, trainer.step = 0, 1
    trainer.train_context = distributed.get_spmd_context(parallel_dims=dims)
    return trainer


def train_step(task: Task, tracker: Tracker, trainer: Any, optimizers: Any) -> None:
    """The micro-batches of a step, the norm of its gradients and its update."""
    valid = torch.tensor(1.0, device="cuda")
    with tracker.training():
        if task.plan["pp"] > 1:
            pipeline(task, trainer, valid)
        else:
            for _ in range(task.micro_batches):
                micro_batch(task, trainer, valid)
    weights = [parameter for part in trainer.model_parts for parameter in part.parameters()]
    tracker.gradients(weights)
    dims = trainer.parallel_dims
    with tracker.updating():
        distributed.clip_grad_norm_(weights, 1.0, foreach=True, pp_mesh=dims.get_optional_mesh("pp"), ep_enabled=dims.ep_enabled)
        optimizers.step()
    for optimizer in optimizers.optimizers:
        tracker.states(optimizer)
    optimizers.zero_grad(set_to_none=True)
    tracker.end_step()


def data(task: Task) -> Any:
    """The tokens of a micro-batch."""
    return torch.zeros(task.plan["micro_batch"], task.job["sequence"], dtype=torch.long, device="cuda")


def micro_batch(task: Task, trainer: Any, valid: Any) -> None:
    """One micro-batch without a pipeline, as in Trainer.forward_backward_step."""
    given = {"input": data(task)}
    if task.plan["cp"] > 1:
        given["positions"] = torch.arange(task.job["sequence"], device="cuda").expand(task.plan["micro_batch"], -1)
    inputs, labels, extra = trainer.post_dataloading_process(given, data(task))
    with trainer.train_context():
        output = trainer.model_parts[0](inputs, **extra)
        loss, _ = trainer.loss_fn(output, labels, valid)
        del output
        loss.backward()


def pipeline(task: Task, trainer: Any, valid: Any) -> None:
    """The micro-batches of a pipeline: torch 2.13's schedules take them one by one."""
    plan, count = trainer.pp_schedule, task.micro_batches
    losses: list[Any] | None = [] if trainer.pp_has_last_stage else None
    with trainer.train_context():
        for stage in plan._stages if hasattr(plan, "_stages") else [plan._stage]:
            stage.has_backward = True
            stage.clear_runtime_states()
        plan._step_microbatches(
            [(data(task),) for _ in range(count)] if trainer.pp_has_first_stage else [()] * count, [{} for _ in range(count)],
            [data(task) for _ in range(count)] if trainer.pp_has_last_stage else None, losses,
            loss_kwargs={"global_valid_tokens": valid}, return_outputs=False,
        )  # fmt: skip
