"""Models of Hugging Face transformers for the lab: built from a task, with adapters, checkpoints of layers and kernels of the loss.

Read with transformers 5.24 and peft 0.21.
"""

from __future__ import annotations

from types import MethodType, SimpleNamespace
from typing import Any

import torch
import transformers

from planner.lab import adapt
from planner.lab.record import LabError
from planner.lab.task import Task
from planner.lab.tracker import Tracker

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
TARGETS = {"attention": ATTENTION, "query-value": ("q_proj", "v_proj"), "all": (*ATTENTION, "gate_proj", "up_proj", "down_proj")}
BLOCKS = ("model.layers", "transformer.h")
CHUNKS = 8  # of a loss over chunks of the tokens


def config(task: Task) -> Any:
    """The configuration of the model; LabError where no family of the lab is like it."""
    model = task.model
    layers = sum(map(len, task.layers))
    if model["norm"] == "layernorm" and model["positions"] == "learned" and not model["gated"] and model["kv_heads"] in (1, model["heads"]):
        dropout = 0.1 if model["dropout"] else 0.0
        return transformers.AutoConfig.for_model(
            "gpt2" if model["kv_heads"] > 1 else "gpt_bigcode", n_embd=model["hidden"], n_layer=layers, n_head=model["heads"],
            n_inner=model["ffn"], vocab_size=model["vocab"], n_positions=max(task.job["sequence"], 1024), resid_pdrop=dropout,
            embd_pdrop=dropout, attn_pdrop=dropout,
        )  # fmt: skip
    if model["norm"] != "rmsnorm" or not model["gated"] or model["kv_rank"] or model["shared_ffn"] or model["parallel_block"]:
        raise LabError(f"verify runs transformers with models like Llama, Qwen2, Qwen3, Mixtral and GPT-2; {model['name']} is none of them")
    values = {
        "hidden_size": model["hidden"], "num_hidden_layers": layers, "num_attention_heads": model["heads"],
        "num_key_value_heads": model["kv_heads"], "head_dim": model["head_dim"], "intermediate_size": model["ffn"] or model["expert_ffn"],
        "vocab_size": model["vocab"], "tie_word_embeddings": model["tied"], "max_position_embeddings": max(131_072, task.job["sequence"]),
    }  # fmt: skip
    per_head = model["qk_norm"] != "none"
    if not model["experts"]:
        return transformers.AutoConfig.for_model("qwen3" if per_head else "qwen2" if model["qkv_bias"] else "llama", **values)
    routed = {"num_experts_per_tok": model["experts_per_token"]}
    if per_head:
        routed |= {"num_experts": model["experts"], "moe_intermediate_size": model["expert_ffn"], "decoder_sparse_step": 1}
        return transformers.AutoConfig.for_model("qwen3_moe", **values, **routed)
    return transformers.AutoConfig.for_model("mixtral", **values, **routed, num_local_experts=model["experts"])


def build(task: Task, tracker: Tracker, dtype: Any, device: str) -> Any:
    """The model, its layers checkpointed where the plan recomputes them, with adapters where the job has them."""
    transformers.logging.set_verbosity_error()
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config(task), attn_implementation="sdpa", dtype=dtype)
    if task.job["tuning"] == "qlora":
        raise LabError("weights in 4 bits are bitsandbytes', which needs a GPU; verify runs adapters with tuning lora")
    base, adapted = model, task.job["tuning"] == "lora"
    if adapted:
        model = with_adapters(task, model)
    model.train()
    base.config.use_cache = False
    recompute = task.plan["recompute"]
    if recompute in ("selective", "first"):
        tracker.note(f"transformers recomputes all layers or none: none are, in place of recompute {recompute}")
    if recompute == "full":
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False, "preserve_rng_state": False})
        if adapted:
            model.enable_input_require_grads()
    tracker.modules(model)
    tracker.layers(blocks(base)[0], blocks(base)[-1])
    return model


def with_adapters(task: Task, model: Any) -> Any:
    """The model with PEFT's adapters in fp32 on frozen weights."""
    import peft
    from peft.tuners.tuners_utils import BaseTunerLayer

    adapt.convert_by_replacing()
    BaseTunerLayer._move_adapter_to_device_of_base_layer = lambda *_, **__: None
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    if model.config.model_type == "gpt2":
        raise LabError("verify runs adapters on models like Llama, not on GPT-2")
    targets = list(TARGETS[task.job["lora_targets"]])
    options = peft.LoraConfig(r=task.job["lora_rank"], lora_alpha=16, lora_dropout=0.0, target_modules=targets, bias="none")
    with torch.device("cuda"):
        return peft.get_peft_model(model, options)


def base_of(model: Any) -> Any:
    """The model without its adapters."""
    return model.base_model.model if hasattr(model, "peft_config") else model


def blocks(base: Any) -> Any:
    """The layers of a model."""
    for path in BLOCKS:
        owner, name = path.split(".")
        if hasattr(base, owner) and hasattr(getattr(base, owner), name):
            return getattr(getattr(base, owner), name)
    raise LabError(f"{type(base).__name__} has no list of layers that the lab knows")


class FusedLoss(torch.autograd.Function):
    """A cross-entropy in one kernel that writes the gradient over the logits (Liger-Kernel, ops/cross_entropy.py)."""

    @staticmethod
    def forward(ctx: Any, logits: Any) -> Any:
        """The sum of the losses."""
        ctx.save_for_backward(logits.detach())
        return torch.zeros(logits.shape[0], dtype=torch.float32, device=logits.device).sum()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradient of the logits, in place."""
        return ctx.saved_tensors[0].mul_(1.0)


class FusedLinearLoss(torch.autograd.Function):
    """Head and loss over chunks of tokens, gradients made in the forward pass (Liger-Kernel, ops/fused_linear_cross_entropy.py)."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        """The sum of the losses."""
        dtype = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else x.dtype
        tokens = x.shape[0]
        size = chunk_size(tokens, x.shape[1], weight.shape[0])
        of_x = torch.zeros_like(x)
        of_weight = torch.zeros_like(weight) if weight.requires_grad else None
        losses = torch.zeros(tokens, dtype=torch.float32, device=x.device)
        for start in range(0, tokens, size):
            rows = x[start : start + size]
            logits = rows.to(dtype) @ weight.to(dtype).t()
            of_x[start : start + size] = logits @ weight.to(dtype)
            if of_weight is not None:
                of_weight += torch.mm(logits.t().to(dtype), rows.to(dtype)).float()
        ctx.save_for_backward(of_x, of_weight)
        return losses.sum()

    @staticmethod
    def backward(ctx: Any, gradient: Any) -> Any:
        """The gradients of the hidden states and of the head, in place."""
        return tuple(each if each is None else each.mul_(1.0) for each in ctx.saved_tensors)


def chunk_size(tokens: int, hidden: int, vocab: int) -> int:
    """Tokens of a chunk, a power of two: a chunk's logits take about the memory of all hidden states."""
    chunks = -(-vocab // hidden)
    return 1 << max(0, -(-tokens // chunks) - 1).bit_length()


def use_loss(base: Any, kernel: str) -> None:
    """Compute the loss by a kernel; plain is that of the model."""
    if kernel == "fused":
        base.loss_function = lambda logits, labels, vocab_size, **_: FusedLoss.apply(logits.view(-1, vocab_size))
    elif kernel == "chunked":
        base.loss_function = chunked
    elif kernel == "fused-linear":

        def forward(self: Any, input_ids: Any = None, labels: Any = None, use_cache: bool = False, **_: Any) -> Any:
            hidden = self.base_model(input_ids=input_ids, use_cache=False).last_hidden_state
            return SimpleNamespace(loss=FusedLinearLoss.apply(hidden.view(-1, hidden.shape[-1]), self.lm_head.weight))

        base.forward = MethodType(forward, base)


def chunked(logits: Any, labels: Any, vocab_size: int, **_: Any) -> Any:
    """Cross-entropy in fp32 over chunks of the tokens."""
    logits = logits.view(-1, vocab_size)
    target = torch.zeros(logits.shape[0], dtype=torch.long, device=logits.device)
    pairs = zip(logits.chunk(CHUNKS), target.chunk(CHUNKS), strict=True)
    return sum(torch.nn.functional.cross_entropy(rows.float(), each, reduction="sum") for rows, each in pairs)
