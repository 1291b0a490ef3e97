"""The fields of training: framework, batch, precision and optimizer, and those that decide the memory of a plan."""

from __future__ import annotations

from planner.document.field import Field
from planner.specs.dispatchers import DISPATCHERS
from planner.specs.job import ATTENTIONS, OPTIMIZERS, PRECISIONS
from planner.specs.lora import TARGETS, TUNINGS
from planner.specs.options import CUDA_GRAPHS, KERNELS, LOSS_KERNELS, TP_OVERLAPS
from planner.specs.recipes import RECIPES

BATCH: tuple[Field, ...] = (
    Field("stack", "batch", "Stack", "preset", "training framework", preset_kind="stacks", default="megatron-core"),
    Field("stack_release", "batch", "Stack release", "month", "facts of the stack in this month, YYYY-MM; empty: the newest",
          optional=True),
    Field("sequence", "batch", "Sequence", "int", "sequence length; 32k is 32,768", "tokens", "job", "sequence", default=8192),
    Field("global_batch", "batch", "Global batch", "int", "sequences per step", "sequences", "job", "global_batch", default=2048),
    Field("precision", "batch", "Precision", "choice", "compute data type; tf32 and fp32: weights and activations in 4 bytes", "",
          "job", "precision", choices=PRECISIONS, default="bf16"),
    Field("optimizer", "batch", "Optimizer", "choice", "optimizer", "", "job", "optimizer", choices=OPTIMIZERS, default="adamw"),
    Field("tuning", "batch", "Tuning", "choice", "trained weights: all; adapters on frozen weights; adapters on 4-bit weights", "", "job",
          "tuning", choices=TUNINGS, default="full"),
    Field("lora_rank", "batch", "LoRA rank", "int", "rank of the adapters; at most the hidden size", "", "job",
          "lora_rank", 1.0, 1, 65_536, default=16, depends_on="tuning"),
    Field("lora_targets", "batch", "LoRA on", "choice", "matrices with adapters: attention, its queries and values, or all", "", "job",
          "lora_targets", choices=TARGETS, default="attention", depends_on="tuning"),
    Field("imbalance", "batch", "Imbalance", "float", "tokens of the most loaded expert-parallel rank over the mean; 1: even", "", "job",
          "imbalance", 1.0, 1, 100, default=1.0, depends_on="experts"),
    Field("capacity", "batch", "Capacity", "float", "capacity factor: tokens beyond it are dropped; 0: dropless", "", "job",
          "capacity", 1.0, 0, 100, default=0.0, depends_on="experts"),
    Field("overlap_experts", "batch", "Overlap A2A", "bool", "overlap the experts' all-to-all with another micro-batch, where stack "
          "and plan allow", "", "job", "overlap_experts", default=False, depends_on="experts"),
)  # fmt: skip
OPTIONS: tuple[Field, ...] = (
    Field("attention", "options", "Attention", "choice", "attention kernel; empty: the stack's", "", "job", "attention",
          choices=ATTENTIONS, optional=True),
    Field("kernels", "options", "Kernels", "choice", "element-wise operations: one kernel each, fused by hand, or by torch.compile; "
          "empty: the stack's", "", "job", "kernels", choices=KERNELS, optional=True),
    Field("cuda_graphs", "options", "CUDA graphs", "choice", "what runs in CUDA graphs: the router and the dispatch's preparation; "
          "with the attention part of layers; layers without dropless experts; the whole step", "", "job", "cuda_graphs",
          choices=CUDA_GRAPHS, default="none"),
    Field("loss_kernel", "options", "Loss kernel", "choice", "cross-entropy: operations on whole logits; one kernel on them; chunks of "
          "tokens; one kernel with the head; empty: the stack's", "", "job", "loss_kernel", choices=LOSS_KERNELS, optional=True),
    Field("gradient_bytes", "options", "Gradients", "choice", "bytes per stored gradient; empty: the stack's", "bytes", "job",
          "gradient_bytes", choices=("2", "4"), optional=True),
    Field("reduce_bytes", "options", "Reduction", "choice", "bytes per gradient in communication; empty: the stack's", "bytes", "job",
          "reduce_bytes", choices=("2", "4"), optional=True),
    Field("state_bytes", "options", "States", "choice", "bytes per optimizer state value; empty: the optimizer's", "bytes", "job",
          "state_bytes", choices=("1", "2", "4"), optional=True),
    Field("master_bytes", "options", "Master copy", "choice", "bytes per weight of the master copy; 2: the bits that bf16 rounds off; "
          "0: none, trained whole in 16 bits; empty: the stack's", "bytes", "job", "master_bytes", choices=("0", "2", "4"), optional=True),
    Field("autocast", "options", "Autocast", "bool", "weights and residual stream in fp32, matrix products in 16 bits; empty: the "
          "stack's", "", "job", "autocast", optional=True),
    Field("fp8_recipe", "options", "fp8 recipe", "choice", "scaling of tensors in fp8 or fp4: per tensor, from earlier steps or its own "
          "maximum; per row; per block of 128, of 32, or of 16 in 4 bits; empty: the stack's for the GPU", "", "job", "fp8_recipe",
          choices=RECIPES, default="", optional=True, depends_on="precision", with_values=("fp8", "fp4")),
    Field("fp8_parameters", "options", "fp8 weights", "bool", "weights stored in 8 bits, with precision fp8; FSDP: gathered so", "", "job",
          "fp8_parameters", default=False, depends_on="precision", with_values=("fp8",)),
    Field("foreach", "options", "Foreach step", "bool", "the optimizer step as operations over lists of tensors, with temporaries; "
          "empty: the stack's", "", "job", "foreach", optional=True),
    Field("optimizer_in_backward", "options", "Step in backward", "bool", "apply and free each gradient in the backward pass", "", "job",
          "optimizer_in_backward", default=False),
    Field("moe_dispatcher", "options", "Dispatcher", "choice", "exchange of tokens with their experts: an all-to-all of copies, DeepEP, "
          "HybridEP, or an all-gather; empty: the stack's", "", "job", "moe_dispatcher", choices=tuple(DISPATCHERS), default="",
          optional=True, depends_on="experts"),
    Field("tp_overlap", "options", "TP overlap", "choice", "products that hide tensor-parallel communication: none, those of the "
          "backward pass, or all (user buffers, asynchronous TP); empty: the stack's", "", "job", "tp_overlap", choices=TP_OVERLAPS,
          default="", optional=True),
    Field("pipeline_layout", "options", "Pipeline layout", "layout", "modules of each virtual stage in Megatron's notation, such as "
          "Et*3|(tt|)*29m|L; empty: as the stack splits", "", "job", "pipeline_layout", default="", optional=True),
    Field("recompute_modules", "options", "Recomp. modules", "text", "modules of selective recomputation, such as core_attn,moe_act; "
          "empty: the stack's", "", "job", "recompute_modules", default="", optional=True, depends_on="recompute",
          with_values=("selective",)),
    Field("recompute_every", "options", "Recomp. every", "int", "full recomputation of every k-th layer", "layers", "job",
          "recompute_every", 1.0, 1, 10_000, default=1, depends_on="recompute", with_values=("full",)),
    Field("offload_optimizer", "options", "Offload states", "bool", "store the optimizer states in host memory", "", "job",
          "offload_optimizer", default=False),
    Field("offload_nvme", "options", "States on NVMe", "bool", "store offloaded optimizer states on NVMe", "", "job", "offload_nvme",
          default=False, depends_on="offload_optimizer"),
    Field("offload_parameters", "options", "Offload weights", "bool", "store sharded weights in host memory", "", "job",
          "offload_parameters", default=False),
    Field("offload_activations", "options", "Offload activ.", "float", "share of the layers whose activations wait in host memory", "%",
          "job", "offload_activations", 0.01, 0, 100, default=0.0),
    Field("offload_checkpoints", "options", "Offload ckpts", "bool", "store the inputs of recomputed layers in host memory", "", "job",
          "offload_checkpoints", default=False, depends_on="recompute", with_values=("full", "first")),
    Field("expandable_segments", "options", "Expandable segs", "bool", "expandable segments of PyTorch's caching allocator", "", "job",
          "expandable_segments", default=False),
)  # fmt: skip
