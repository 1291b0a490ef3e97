"""Megatron-Core: GPTModel (local spec), buffers of DistributedDataParallel, the distributed optimizer, 1F1B and interleaved schedules.

Read with megatron-core 0.16.1. Kernels of apex and TransformerEngine, and the routing of tokens, are those of `megatron_parts`.
"""

from __future__ import annotations

from typing import Any

import torch
from megatron.core.jit import disable_jit_fuser

disable_jit_fuser()  # before the functions that it decorates are defined

import megatron.core.distributed.param_and_grad_buffer as buffers  # noqa: E402
import megatron.core.optimizer as optimizers  # noqa: E402
import megatron.core.optimizer.distrib_optimizer as distributed_optimizer  # noqa: E402
import megatron.core.transformer.transformer_block as block  # noqa: E402
from megatron.core import parallel_state  # noqa: E402
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads  # noqa: E402
from megatron.core.models.gpt import GPTModel  # noqa: E402
from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec, get_gpt_mtp_block_spec  # noqa: E402
from megatron.core.optimizer import OptimizerConfig, get_megatron_optimizer  # noqa: E402
from megatron.core.pipeline_parallel import get_forward_backward_func  # noqa: E402
from megatron.core.transformer.enums import ModelType  # noqa: E402
from megatron.core.transformer.transformer_config import MLATransformerConfig, TransformerConfig  # noqa: E402

from planner.lab import device  # noqa: E402
from planner.lab.frameworks import megatron_parts as parts  # noqa: E402
from planner.lab.record import LabError  # noqa: E402
from planner.lab.task import SPARSE, Task  # noqa: E402
from planner.lab.tracker import Tracker  # noqa: E402

DROPOUT = 0.1  # of models that are trained with it
READ = ("gradient_bytes", "state_bytes", "optimizer", "loss_kernel", "recompute_modules", "imbalance", "capacity")  # of a job
STATE_TYPES = {4: torch.float32, 2: torch.bfloat16, 1: torch.uint8}
FUSED_ATTENTION = ("flash-1", "flash-2", "flash-3")


def run(task: Task, tracker: Tracker) -> None:
    """Run the task's stage."""
    check(task, tracker)
    fake = device.start(task.world, task.rank)
    start_groups(task)
    parts.install(flash=task.job["attention"] in FUSED_ATTENTION)
    if task.model["experts"]:
        tracker.note("tokens are routed to experts in equal numbers, and their products run as TransformerEngine's grouped kernels would")
        parts.install_experts(tracker, float(task.job["imbalance"]))
    config = transformer_config(task)
    with fake, tracker:
        torch.set_default_device("cuda")
        tracker.progress("building the model")
        chunks = [chunk(task, tracker, config, number) for number in range(len(task.rank_layers))]
        layers = [list(each.decoder.layers) for each in chunks]
        tracker.layers(next((each for of_chunk in layers for each in of_chunk), None), *(each[-1] for each in layers if each))
        wrapped = in_buffers(task, tracker, config, chunks)
        optimizer = optimizer_of(task, tracker, wrapped)
        for step in range(task.steps):
            tracker.progress(f"step {step + 1} of {task.steps}")
            train_step(task, tracker, config, wrapped, optimizer)


def check(task: Task, tracker: Tracker) -> None:
    """LabError for what Megatron-Core alone cannot run on a CPU; notes for what stands in."""
    for sentence in task.ignored(READ):
        tracker.note(sentence)
    if task.model["qk_norm"] == "full":
        tracker.note("norms of queries and keys are per head in Megatron-Core, not over all heads")
    if task.model["parallel_block"] or task.model["norms_per_layer"] != 2:
        tracker.note("layers of Megatron-Core have attention and MLP in sequence and two norms, which stand in for those of this model")
    if task.plan["cp"] > 1:
        tracker.note("the ring of context parallelism is in TransformerEngine; the key-value blocks that it exchanges do not count")
    if task.plan["zero"] > 1:
        raise LabError("ZeRO-2 and 3 of Megatron-Core are Megatron-FSDP, which needs a GPU; verify runs its plans with zero 0 and 1")
    if task.plan["schedule"] != "1f1b":
        raise LabError(f"Megatron-Core has no schedule {task.plan['schedule']}; verify runs its plans with schedule 1f1b")
    if task.job["tuning"] != "full":
        raise LabError("adapters of Megatron-Core are those of Megatron-Bridge, which needs a GPU; verify runs its plans with tuning full")


def start_groups(task: Task) -> None:
    """The process groups of the plan."""
    plan = task.plan
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=plan["tp"],
        pipeline_model_parallel_size=plan["pp"],
        virtual_pipeline_model_parallel_size=plan["vpp"] if plan["vpp"] > 1 else None,
        context_parallel_size=plan["cp"],
        expert_model_parallel_size=plan["ep"],
        expert_tensor_parallel_size=plan["etp"] if task.model["experts"] else None,
        num_distributed_optimizer_instances=plan["dp_replicate"] if plan["zero"] else 1,
        create_gloo_process_groups=False,
    )


def transformer_config(task: Task) -> Any:
    """Megatron's configuration of the model and the plan."""
    model, plan = task.model, task.plan
    gated, dropout = model["gated"], DROPOUT if model["dropout"] else 0.0
    values: dict[str, Any] = {
        "num_layers": plan["pp"] * plan["vpp"],  # those of a stage are given layer by layer
        "hidden_size": model["hidden"], "num_attention_heads": model["heads"], "ffn_hidden_size": model["ffn"] or model["expert_ffn"],
        "gated_linear_unit": gated, "activation_func": torch.nn.functional.silu if gated else torch.nn.functional.gelu,
        "bias_activation_fusion": gated or model["bias"], "add_bias_linear": model["bias"], "add_qkv_bias": model["qkv_bias"],
        "normalization": "RMSNorm" if model["norm"] == "rmsnorm" else "LayerNorm", "qk_layernorm": model["qk_norm"] != "none",
        "hidden_dropout": dropout, "attention_dropout": dropout, "bf16": True, "params_dtype": torch.bfloat16,
        "pipeline_dtype": torch.bfloat16 if plan["pp"] > 1 else None, "tensor_model_parallel_size": plan["tp"],
        "pipeline_model_parallel_size": plan["pp"], "virtual_pipeline_model_parallel_size": plan["vpp"] if plan["vpp"] > 1 else None,
        "context_parallel_size": plan["cp"], "sequence_parallel": plan["sequence_parallel"], "perform_initialization": False,
        "gradient_accumulation_fusion": False, "masked_softmax_fusion": False, "bias_dropout_fusion": False,
        "cross_entropy_loss_fusion": task.job["loss_kernel"] == "fused", "attention_softmax_in_fp32": False,
        "deallocate_pipeline_outputs": True, "batch_p2p_comm": True, "batch_p2p_sync": False, "barrier_with_L1_time": False,
    }  # fmt: skip
    values |= recompute_options(task)
    if model["experts"]:
        values |= expert_options(task)
    if not model["kv_rank"]:
        return TransformerConfig(**values, num_query_groups=model["kv_heads"], kv_channels=model["head_dim"])
    return MLATransformerConfig(
        **values, multi_latent_attention=True, q_lora_rank=model["q_rank"] or None, kv_lora_rank=model["kv_rank"],
        qk_head_dim=model["head_dim"], qk_pos_emb_head_dim=model["rope_dim"], v_head_dim=model["v_dim"] or model["head_dim"],
        rope_type="rope", apply_rope_fusion=False,
    )  # fmt: skip


def recompute_options(task: Task) -> dict[str, Any]:
    """Options of recomputation: the modules of the job, all layers one by one, or the first of a virtual stage."""
    kind = task.plan["recompute"]
    if kind == "selective":
        modules = task.job["recompute_modules"].replace(",", " ").split()
        return {"recompute_granularity": "selective", "recompute_modules": modules or ["core_attn"]}
    if kind == "full":
        return {"recompute_granularity": "full", "recompute_method": "uniform", "recompute_num_layers": 1}
    layers = task.plan["recompute_layers"]
    return {"recompute_granularity": "full", "recompute_method": "block", "recompute_num_layers": layers} if kind == "first" else {}


def expert_options(task: Task) -> dict[str, Any]:
    """Options of a mixture of experts."""
    model, capacity = task.model, task.job["capacity"]
    dropping = {"moe_expert_capacity_factor": capacity, "moe_pad_expert_input_to_capacity": True} if capacity else {}
    return dropping | {
        "num_moe_experts": model["experts"], "moe_router_topk": model["experts_per_token"], "moe_ffn_hidden_size": model["expert_ffn"],
        "moe_shared_expert_intermediate_size": model["shared_ffn"] or None, "moe_shared_expert_gate": model["shared_gate"],
        "moe_token_dispatcher_type": "alltoall", "moe_router_load_balancing_type": "none", "moe_grouped_gemm": True,
        "moe_router_num_groups": model["router_groups"] or None, "moe_router_group_topk": model["groups_per_token"] or None,
        "expert_model_parallel_size": task.plan["ep"], "expert_tensor_parallel_size": task.plan["etp"],
    }  # fmt: skip


def chunk(task: Task, tracker: Tracker, config: Any, number: int) -> Any:
    """One virtual stage of the rank."""
    interleaved = len(task.rank_layers) > 1
    virtual = number if interleaved else None
    if interleaved:
        parallel_state.set_virtual_pipeline_model_parallel_rank(number)
    spec = {kind: layer_spec(task, config, sparse=kind == SPARSE) for kind in set(task.rank_layers[number])}
    layers = block.TransformerBlockSubmodules([spec[kind] for kind in task.rank_layers[number]], block.LayerNormImpl)
    first, last = task.first and number == 0, task.last and number == len(task.rank_layers) - 1
    multiple = 128 * task.plan["tp"]  # make-vocab-size-divisible-by
    model = GPTModel(
        config, layers, vocab_size=-(-task.model["vocab"] // multiple) * multiple, max_sequence_length=task.job["sequence"],
        pre_process=first, post_process=last, parallel_output=True, share_embeddings_and_output_weights=task.model["tied"],
        position_embedding_type="learned_absolute" if task.model["positions"] == "learned" else "rope", vp_stage=virtual,
        mtp_block_spec=next_tokens_spec(task, config, virtual) if last and task.model["mtp_layers"] else None,
    )  # fmt: skip
    model.model_type = ModelType.encoder_or_decoder
    for parameter in model.parameters():
        if parameter.dtype != torch.bfloat16:
            parameter.data = parameter.data.to(torch.bfloat16)
    tracker.modules(model)
    return model


def layer_spec(task: Task, config: Any, *, sparse: bool) -> Any:
    """The modules of a layer."""
    return get_gpt_layer_local_spec(
        num_experts=task.model["experts"] if sparse else None, moe_grouped_gemm=True, moe_use_legacy_grouped_gemm=True,
        qk_layernorm=config.qk_layernorm, multi_latent_attention=bool(task.model["kv_rank"]), normalization=config.normalization,
    )  # fmt: skip


def next_tokens_spec(task: Task, config: Any, virtual: int | None) -> Any:
    """The layers of multi-token prediction."""
    config.mtp_num_layers = task.model["mtp_layers"]
    spec = layer_spec(task, config, sparse=bool(task.model["experts"]))
    return get_gpt_mtp_block_spec(config, spec, use_transformer_engine=False, vp_stage=virtual)


def in_buffers(task: Task, tracker: Tracker, config: Any, chunks: list[Any]) -> list[Any]:
    """The virtual stages with their buffers of gradients (and of weights, with the distributed optimizer)."""
    buffers._coalescing_manager = parts.coalesced
    options = DistributedDataParallelConfig(
        grad_reduce_in_fp32=task.job["gradient_bytes"] == 4, use_distributed_optimizer=task.plan["zero"] > 0,
        num_distributed_optimizer_instances=task.plan["dp_replicate"] if task.plan["zero"] else 1,
    )  # fmt: skip
    with tracker.making("grads"):
        wrapped = [DistributedDataParallel(config, options, each, disable_bucketing=number > 0) for number, each in enumerate(chunks)]
    for each in wrapped:
        for parameter in each.parameters():
            tracker.label(parameter.data, "params")
        for buffer in each.buffers + each.expert_parallel_buffers:
            tracker.label(buffer.grad_data, "grads")
            if buffer.param_data is not None:
                tracker.label(buffer.param_data, "params")
    return wrapped


def optimizer_of(task: Task, tracker: Tracker, wrapped: list[Any]) -> Any:
    """The optimizer, with fp32 copies of the weights that the rank updates."""
    adam = type("Adam", (parts.FusedAdam,), {"state_dtype": STATE_TYPES[task.job["state_bytes"]]})
    optimizers.Adam = distributed_optimizer.Adam = torch.optim.AdamW = adam
    kind = "adam" if task.job["optimizer"] == "adamw" else "sgd"
    if task.job["optimizer"] not in ("adamw", "sgd", "sgd-plain"):
        raise LabError(f"verify runs Megatron-Core with the optimizers adamw, sgd and sgd-plain, not {task.job['optimizer']}")
    options = OptimizerConfig(
        optimizer=kind, lr=1e-4, bf16=True, params_dtype=torch.bfloat16, clip_grad=0.0,  # the norm of gradients depends on data
        use_distributed_optimizer=task.plan["zero"] > 0, sgd_momentum=0.0 if task.job["optimizer"] == "sgd-plain" else 0.9,
    )  # fmt: skip
    with tracker.making("optimizer"):
        optimizer = get_megatron_optimizer(options, wrapped, use_gloo_process_groups=False)
    optimizer.get_grad_norm = lambda: 0.0
    return optimizer


def train_step(task: Task, tracker: Tracker, config: Any, wrapped: list[Any], optimizer: Any) -> None:
    """One step of Megatron-LM's training loop."""
    config.finalize_model_grads_func = finalize_model_grads
    config.grad_scale_func = None
    for each in wrapped:
        each.zero_grad_buffer()
    optimizer.zero_grad()
    interleaved = len(wrapped) > 1
    with tracker.training():
        get_forward_backward_func()(
            forward_step_func=lambda _, model: forward_step(task, model), data_iterator=[None] * len(wrapped) if interleaved else None,
            model=wrapped if interleaved else wrapped[0], num_microbatches=task.micro_batches, seq_length=task.job["sequence"],
            micro_batch_size=task.plan["micro_batch"], decoder_seq_length=task.job["sequence"], forward_only=False,
        )  # fmt: skip
    with tracker.updating():
        optimizer.step()
    for each in getattr(optimizer, "chained_optimizers", [optimizer]):
        tracker.states(each.optimizer)
    tracker.end_step()


def forward_step(task: Task, model: Any) -> Any:
    """A micro-batch: the model's output, and the function that sums its loss."""
    shape = task.plan["micro_batch"], task.job["sequence"] // task.plan["cp"]
    tokens, labels, positions = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    weights = torch.ones(shape)
    mask = None
    if task.job["attention"] not in FUSED_ATTENTION:
        mask = torch.ones(1, 1, shape[1], shape[1], dtype=torch.bool)

    def loss(output: Any) -> Any:
        total = torch.sum(output.float().view(-1) * weights.view(-1))
        return total, torch.tensor(shape[0] * shape[1], dtype=torch.int), {}

    return model(tokens, positions, mask, labels=labels), loss
