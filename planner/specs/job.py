"""Stack and Job. Frozen dataclasses in base units, without numpy. (Model: model.py; Gpu and Cluster: hardware.py.)

Each class validates its fields on construction and raises FieldError with the name of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property

from planner.errors import FieldError
from planner.specs.constants import CONSTANTS, Constants
from planner.specs.dispatchers import DISPATCHERS, Dispatcher
from planner.specs.hardware import GIB, Cluster
from planner.specs.lora import TARGETS, TUNINGS, check_adapters
from planner.specs.model import Model
from planner.specs.options import CUDA_GRAPHS, KERNELS, LOSS_KERNELS, MODULES, OPERATIONS, TP_OVERLAPS, check_options, modules
from planner.specs.options import OPTIMIZERS as OPTIMIZERS  # re-exported with the other choices
from planner.specs.options import STATE_BYTES as STATE_BYTES
from planner.specs.pipeline_layout import Layout, check_layout, layout_of
from planner.specs.recipes import CASTERS, NUMBERS, RECIPES, check_recipe, usual_recipe
from planner.specs.recompute import Selective as Selective
from planner.specs.recompute import selective
from planner.specs.validate import checked, choice, whole

PRECISIONS = ("bf16", "fp16", "fp8", "fp4", "tf32", "fp32")
WIDE = ("tf32", "fp32")  # all in 4 bytes; tf32 rounds the inputs of products alone
ATTENTIONS = ("flash-2", "flash-3", "flash-1", "fused-softmax", "unfused")
# zb: split backward pass, weight gradients fill the bubble (Qi et al. 2023; h1 and h2 are its ZB-1p and ZB-2p); -v: V placement, two
# stages per rank, down the ranks and back up; dualpipev: forward and backward passes hide each other's communication (DeepSeek-AI 2024).
# Plan.schedule is an index into this tuple.
SCHEDULES = ("1f1b", "zb-h1", "zb-h2", "zb-v", "dualpipev")
RECOMPUTES = ("none", "selective", "full", "first")  # Plan.recompute is an index into this tuple
# Range of each axis of a plan; 1 to LARGEST_GPUS by default.
RANGE: Mapping[str, tuple[int, int]] = {
    "zero": (0, 3), "sequence_parallel": (0, 1), "micro_batch": (1, 2**34), "recompute_layers": (0, 10_000),
    "recompute": (0, len(RECOMPUTES) - 1), "schedule": (0, len(SCHEDULES) - 1),
}  # fmt: skip
MOST_HEADROOM = 95 * 0.01  # 95 %, with the rounding of a field in percent


@dataclass(frozen=True)
class Stack:
    """Properties of a training framework: the plans it accepts, and its memory and time."""

    name: str
    title: str
    # accepted plans
    zero_stages: tuple[int, ...]
    hsdp: bool  # sharded within groups, replicated across them
    interleaved: bool  # virtual pipeline stages
    sequence_parallel: str  # optional, always (whenever tp > 1), never
    context_parallel: bool
    tensor_parallel: bool
    pipeline_zero_most: int  # highest ZeRO stage with a pipeline; -1: no pipelines
    kv_replication: bool  # tp may exceed the kv-heads, which are replicated
    uneven_stages: str  # never, slots (embedding and head count as a layer each), any, flops (equal FLOPs, head included)
    tied_pipeline: bool  # tied embedding and head across a pipeline
    interleaved_groups: bool  # interleaving needs whole groups of pp micro-batches; otherwise rounds of equal size
    sequence_rule: int  # the sequence must divide by this x cp (2: halves for causal balance)
    first_recompute: bool  # can recompute the first N layers of a stage
    # memory
    vocab_multiple: int  # the vocabulary is padded to this x tp; 1: not padded
    gradient_bytes: int  # bytes of a stored gradient
    gradient_reduce_bytes: int  # bytes of a gradient in communication
    pipeline_syncs_once: bool  # in a pipeline, weights are gathered and gradients reduced once per step at any ZeRO stage (FSDP2)
    master_is_parameter: bool  # the sharded fp32 parameter is the master copy (FSDP2)
    logits_bytes: float  # bytes per token and vocabulary entry at the loss
    activation_overhead: float  # measured over theoretical activations
    allocator_slack: float  # reserved over allocated memory, minus 1
    context_bytes: float  # CUDA context, NCCL and library buffers
    selective: Selective
    # time
    host_micro_batch_s: float
    step_fixed_s: float  # per step: data loading, logging, gradient norm
    cp_exposed: float  # least exposed share of context-parallel communication, however long attention takes
    dp_overlap: float  # share of gradient reduction (and of FSDP's all-gathers) that can overlap compute
    gather_overlap: float  # share of ZeRO-1's parameter all-gather that can overlap compute
    bucket_parameters: float  # gradients per message; 0: all in one message
    sharded_parameters: float  # the same with reduce-scatter (ZeRO-1 and 2); 0: as bucket_parameters
    bucket_growth: float  # the same per data-parallel rank, if that is more (Megatron-Core)
    straggler: float  # slowest rank over the mean, per doubling of the nodes
    # sharded data parallelism by units that are gathered and reduced while others are computed (cost/overlap.py); else by dp_overlap
    overlaps_units: bool = False
    gather_copies: float = 0.0  # bytes per parameter that copies move after each all-gather
    reduce_copies: float = 0.0  # bytes per parameter that copies move before a reduce-scatter
    rank_loop_s: float = 0.0  # host time per rank of a loop over ranks around the all-gather of one weight (DeepSpeed)
    prefetch_bucket: float = 0.0  # parameters gathered in one message, of a matrix at least; 0: a layer in one message
    reuse_distance: float = 1e15  # parameters until its next use within which a weight stays gathered
    # products that hide tensor-parallel communication: none, those of the backward pass (Megatron's asynchronous all-gather and
    # reduce-scatter), all (user buffers: tp-comm-overlap)
    tp_overlap: str = "none"
    tp_gathers_again: bool = False  # under sequence parallelism inputs are stored divided, and gathered again in the backward pass
    tp_gathers_rows: bool = False  # the backward pass of row-parallel products gathers the gradients of their inputs over all ranks
    overlaps_sends: bool = False  # interleaved schedules compute while they send
    attention: str = "flash-2"
    # pipeline schedules and experts
    schedules: tuple[str, ...] = ("1f1b",)  # 1f1b includes interleaved 1F1B if the stack interleaves
    micro_batches: str = "any"  # of a pipeline: any, fill (at least pp - 1), stages (multiples of pp)
    hsdp_least: int = 2  # lowest ZeRO stage with HSDP
    unsharded_alone: bool = False  # unsharded plans are limited to one GPU: with tp or pp they would train in fp32
    experts_in_shard: bool = False  # experts are placed within a sharded group only
    pads_sequence: bool = False  # a sequence that tp does not divide is padded under sequence parallelism (XLA)
    one_kv_replicated: bool = False  # a single kv-head (multi-query attention) is replicated over tp, several are not
    expert_parallel: bool = False  # expert parallelism for mixtures of experts
    expert_tensor: str = "never"  # degrees of expert tensor parallelism: never, tp (1 or tp), any
    expert_needs_sp: bool = False  # experts with tensor parallelism need sequence parallelism
    expert_zero_most: int = 3  # highest ZeRO stage for experts
    dispatcher: str = "alltoall"  # its usual one of tokens to experts, a name of DISPATCHERS; deepep: hybridep where links span nodes
    dispatchers: tuple[str, ...] = ("alltoall",)  # those that it supports
    dispatch_bytes: float = 2.0  # per element dispatched to an expert; 2 on the way back
    overlaps_experts: bool = False  # the all-to-all of experts can overlap another micro-batch
    host_experts_s: float = 0.0  # host time of routing, dispatch and experts in the forward pass of a layer
    host_expert_s: float = 0.0  # added by each expert on a rank whose products are launched apart
    host_counts_s: float = 0.0  # host time to wait for the token count of each expert, if dropless
    # streams that single products of experts run on (TransformerEngine's GroupedLinear: 4); 1: one after another; 0: one grouped kernel
    expert_streams: float = 0.0
    quantized_experts: bool = False  # routed experts are linear layers, which QLoRA stores in 4 bits
    tunings: tuple[str, ...] = ("full",)  # full, lora (adapters on frozen weights), qlora (on frozen weights in 4 bits)
    usual_expert_tensor: str = "one"  # one or tp
    # usual choices, for measured runs that do not state them
    usual_zero: int = 1
    usual_sp: bool = False
    usual_interleaved: bool = False
    cp_gathers: bool = False  # context parallelism gathers keys and values before attention, in place of a ring
    dropout: bool = False  # GPT models are trained with it
    usual_recompute: str = "none"  # recomputation in its default configurations
    # memory of some frameworks only
    bucket_gradient_bytes: float = 0.0  # bytes of the 16-bit gradient stored in buckets next to the fp32 gradient, with several replicas
    master_bytes: float = 4.0  # of the master copy of a weight; 2 if it holds only the bits that bf16 rounds off
    gate_kept: float = 0.0  # additional copies of the MLP intermediate stored by an unfused SwiGLU
    act_out_stored: bool = True  # the result of SwiGLU is stored; False: its backward kernel makes it again (xformers)
    gathered_kept: float = 0.0  # copies of a layer's input that stay gathered under sequence parallelism
    gathered_in_pipeline: bool = True  # during pipeline warm-up; otherwise only without a pipeline
    narrow_kept: bool = False  # in fp8 or fp4, inputs of matrix products are stored in 8 bits (TransformerEngine)
    norm_kept: float = 0.0  # additional bytes per hidden unit stored by an unfused norm
    logits_whole: bool = False  # logits are gathered over tensor-parallel ranks before the loss
    workspace_bytes: float = 0.09 * GIB  # workspaces of libraries, in the allocator
    expert_workspace_bytes: float = 0.0  # additional workspaces of grouped products, on Hopper and later
    transformers_layers: bool = False  # layers, loss and adapters as transformers and PEFT have them
    wide_adapters: bool = False  # adapters of weights in 16 bits are in fp32 (PEFT's autocast_adapter_dtype)
    quantized_inputs: bool = False  # products with weights in 4 bits save their inputs
    root_gathered: bool = False  # FSDP's root unit, embedding and head, stays gathered until the end of the backward pass
    # usual choices that decide memory; a job may choose others
    loss_kernel: str = "plain"
    kernels: str = "fused"
    autocast: bool = False  # weights and the residual stream in fp32, matrix products in 16 bits (torch.autocast)
    foreach: bool = False  # the optimizer step as operations over lists of tensors, with temporaries
    gradients_stay: bool = True  # buffers of gradients are allocated for good; otherwise gradients are freed after each step
    fused_logits_bytes: float = 4.0  # bytes per token and vocabulary entry at the loss, as one kernel over whole logits
    loss_chunks: int = 8  # chunks of the tokens, head and loss together
    # DeepSpeed: the optimizer sees flat buffers in place of weights; counts of parameters of its buffers (runtime/zero/config.py)
    # bytes per parameter of the embedding or head that the allocator holds beyond live tensors where weights are gathered; 0: its slack
    edge_slack: float = 0.0
    gathered_units: float = 2.0  # layers whose weights are gathered at a time: the one that runs, and the next
    flat_states: bool = False
    reduce_bucket: float = 0.0  # gradients in a buffer that is reduced at once
    live_parameters: float = 0.0  # weights that stay gathered under ZeRO-3
    sub_group: float = 1e15  # weights of a rank that are updated at once under ZeRO-3
    main_gradients: bool = False  # gradients of weights are made in 16 bits and added to buffers (Megatron's main_grad)
    # training in 8 and 4 bits: recipes that it has, the usual one, and that on Blackwell GPUs; whose kernels cast
    fp8_recipes: tuple[str, ...] = ("delayed", "current", "blockwise", "mxfp8", "nvfp4")
    usual_fp8_recipe: str = "current"
    blackwell_fp8_recipe: str = "mxfp8"
    casts: str = "te"
    narrow_experts: bool = True  # products of routed experts are in 8 or 4 bits too
    usual_fp8_parameters: bool = False  # its recipes store weights in 8 bits where they train in fp8
    expert_out_stored: bool = True  # outputs of experts are stored: they are weighted by the router's probabilities afterwards
    router_in_stored: float = 4.0  # bytes per hidden unit of a copy of the router's input
    fsdp_units: bool = False  # layers, embedding and head are units of FSDP2, their operations not fused (torchtitan)
    split_logits_bytes: float = 0.0  # bytes per token and vocabulary entry of a rank at a loss over a divided vocabulary
    rope_kept: float = 0.0  # additional copies of queries and keys stored by unfused rotary embeddings
    # element-wise work, counted (planner/cost/elementwise.py)
    launch_pace: float = 1.0  # host time per launch over that of PyTorch's modules
    weight_launches: float = 0.0  # launches of hooks on the gradient of a weight
    unfused: tuple[str, ...] = ()  # operations that its fused kernels leave to separate ones: norm, rotary, activation, permute
    eager: tuple[str, ...] = OPERATIONS  # operations that are separate kernels where none is fused
    separate_products: bool = False  # queries, keys and values, gate and up are separate products
    qkv_copies: float = 1.0  # copies of queries, keys and values: made contiguous, or their gradients put together
    # choices that the framework supports
    optimizers: tuple[str, ...] = OPTIMIZERS
    loss_kernels: tuple[str, ...] = LOSS_KERNELS
    recompute_modules: tuple[str, ...] = ()  # of selective recomputation
    cuda_graphs: tuple[str, ...] = ("none",)
    steps_in_backward: bool = False  # the optimizer can run in the backward pass
    tp_overlaps: tuple[str, ...] = ()  # of tp_overlap that a job may choose, besides the usual one
    layouts: bool = False  # a job may place its layers on stages (Megatron's pipeline-model-parallel-layout)
    released: str = ""  # the month that a user chose, YYYY-MM; empty: the newest release
    sources: tuple[str, ...] = ()

    @property
    def dated(self) -> str:
        """Its name, with the month of its release where a user chose one."""
        return f"{self.name} of {self.released}" if self.released else self.name

    def __post_init__(self) -> None:
        choice("sequence_parallel", self.sequence_parallel, ("optional", "always", "never"))
        choice("uneven_stages", self.uneven_stages, ("never", "slots", "any", "flops"))
        choice("tp_overlap", self.tp_overlap, TP_OVERLAPS)
        choice("micro_batches", self.micro_batches, ("any", "fill", "stages"))
        choice("expert_tensor", self.expert_tensor, ("never", "tp", "any"))
        choice("usual_expert_tensor", self.usual_expert_tensor, ("one", "tp"))
        for schedule in self.schedules:
            choice("schedules", schedule, SCHEDULES)
        for tuning in self.tunings:
            choice("tunings", tuning, TUNINGS)
        for key, known in (
            ("optimizers", OPTIMIZERS), ("loss_kernels", LOSS_KERNELS), ("recompute_modules", MODULES),
            ("cuda_graphs", CUDA_GRAPHS), ("unfused", OPERATIONS), ("eager", OPERATIONS), ("fp8_recipes", RECIPES),
            ("tp_overlaps", TP_OVERLAPS),
        ):  # fmt: skip
            for name in getattr(self, key):
                choice(key, name, known)
        choice("attention", self.attention, ATTENTIONS)
        choice("usual_fp8_recipe", self.usual_fp8_recipe, RECIPES)
        choice("blackwell_fp8_recipe", self.blackwell_fp8_recipe, RECIPES)
        choice("casts", self.casts, CASTERS)
        choice("loss_kernel", self.loss_kernel, LOSS_KERNELS)
        choice("kernels", self.kernels, KERNELS)
        for name in (self.dispatcher, *self.dispatchers):
            choice("dispatchers", name, tuple(DISPATCHERS))
        whole("loss_chunks", self.loss_chunks, 1, 65_536)
        if self.uneven_stages == "flops" and (self.interleaved or {"zb-v", "dualpipev"} & set(self.schedules)):
            reason = "stages even in FLOPs are whole ranks: interleaved must be false with uneven_stages flops, and schedules without zb-v"
            raise FieldError("uneven_stages", f"{reason} and dualpipev")
        shares = (
            "activation_overhead",
            "allocator_slack",
            "cp_exposed",
            "dp_overlap",
            "straggler",
        )
        choice("usual_recompute", self.usual_recompute, RECOMPUTES)
        for stage in self.zero_stages:
            whole("zero_stages", stage, 0, 3)
        bounds: dict[str, tuple[float, float]] = {f.name: (0, 1e15) for f in fields(self) if f.type == "float"}
        stages = dict.fromkeys(("usual_zero", "expert_zero_most"), (0, 3)) | {"pipeline_zero_most": (-1, 3), "hsdp_least": (0, 4)}
        counts = {"gradient_bytes": (2, 4), "gradient_reduce_bytes": (2, 4), "sequence_rule": (1, 1024), "vocab_multiple": (1, 2**20)}
        checked(self, bounds | dict.fromkeys(shares, (0, 100)) | stages | counts)


@dataclass(frozen=True)
class Job:
    """Input of a plan: model, cluster, framework, batch and training options."""

    model: Model
    cluster: Cluster
    stack: Stack
    sequence: int
    global_batch: int  # sequences per step
    precision: str = "bf16"
    optimizer: str = "adamw"
    gradient_bytes: int = 4
    state_bytes: int = 4  # of each optimizer state, without the fp32 master copy
    attention: str = "flash-2"
    master_bytes: int = 4  # of the master copy of a weight; 2: the bits that bf16 rounds off; 0: none, trained whole in 16 bits
    reduce_bytes: int = 4  # of a gradient in communication
    loss_kernel: str = "plain"
    kernels: str = "fused"  # of element-wise operations
    cuda_graphs: str = "none"  # what runs in CUDA graphs
    autocast: bool = False  # weights and the residual stream in fp32, matrix products in 16 bits
    foreach: bool = False  # the optimizer step as operations over lists of tensors
    optimizer_in_backward: bool = False  # each gradient is applied and freed once it is reduced
    expandable_segments: bool = False  # of the caching allocator
    fp8_recipe: str = ""  # of training in 8 or 4 bits, a name of RECIPES; empty: the stack's for the GPU
    fp8_parameters: bool = False  # weights stored in 8 bits
    recompute_modules: str = ""  # of selective recomputation, separated by commas; empty: the stack's
    recompute_every: int = 1  # full recomputation of every k-th layer alone
    offload_optimizer: bool = False
    offload_parameters: bool = False  # weights in host memory until they are used
    offload_activations: float = 0.0  # share of the layers whose activations are in host memory until their backward pass
    offload_checkpoints: bool = False  # inputs of recomputed layers in host memory
    offload_nvme: bool = False  # offloaded optimizer states on NVMe
    headroom: float = 0.0  # share of the device memory left free
    imbalance: float = 1.0  # tokens on the rank with the most loaded experts over the mean
    capacity: float = 0.0  # capacity factor of each expert: tokens beyond it are dropped, missing ones padded; 0: dropless
    moe_dispatcher: str = ""  # dispatcher of tokens to experts, a name of DISPATCHERS; empty: the stack's
    overlap_experts: bool = False  # overlap the all-to-all of experts with another micro-batch, if stack and plan support it
    tp_overlap: str = ""  # what hides tensor-parallel communication, of TP_OVERLAPS; empty: the stack's
    pipeline_layout: str = ""  # modules of each virtual stage in Megatron's notation; empty: as the stack splits
    tuning: str = "full"  # full, lora (adapters on frozen weights) or qlora (on frozen weights in 4 bits)
    lora_rank: int = 16  # rank of the adapters
    lora_targets: str = "attention"  # matrices with adapters: attention, query-value, or all of a layer
    constants: Constants = CONSTANTS

    def __post_init__(self) -> None:
        checked(
            self,
            {
                "sequence": (1, 2**34), "global_batch": (1, 2**34), "gradient_bytes": (2, 4), "state_bytes": (1, 4),
                "offload_activations": (0, 1), "headroom": (0, MOST_HEADROOM),
                "imbalance": (1, 100), "capacity": (0, 100), "lora_rank": (1, 65_536),
            },
        )  # fmt: skip
        choice("tuning", self.tuning, TUNINGS)
        choice("lora_targets", self.lora_targets, TARGETS)
        choice("precision", self.precision, PRECISIONS)
        choice("attention", self.attention, ATTENTIONS)
        check_options(self)
        check_recipe(self.fp8_recipe, self.precision, self.stack, self.cluster.gpu)
        if self.fp8_parameters and self.stack.casts == "torchao" and self.recipe != "current":
            raise FieldError("fp8_recipe", f"FSDP gathers 8 bits with a scale per tensor, not {self.recipe}; set fp8_recipe to current")
        check_layout(self.pipeline_layout, self.model, self.stack.title, self.stack.layouts)
        if not self.cluster.gpu.units(self.precision):
            raise FieldError("precision", f"{self.cluster.gpu.name} has no {self.precision} units; use bf16 or fp16")
        if self.wide and self.master_bytes:
            raise FieldError("master_bytes", f"in {self.precision} a weight is its master copy; set master_bytes to 0")
        if self.wide and (self.frozen or self.autocast):
            reason = "adapters are planned on weights in 16 bits" if self.frozen else "autocast computes in 16 bits"
            raise FieldError("precision", f"{reason}, not in {self.precision}; set precision to bf16")
        if self.model.positions == "learned" and self.sequence > self.model.max_positions:
            raise FieldError(
                "sequence", f"sequence {self.sequence:,} is beyond the {self.model.max_positions:,} learned positions of {self.model.name}"
            )

        if self.tuning not in self.stack.tunings:
            trained = " or ".join(self.stack.tunings)
            raise FieldError("tuning", f"{self.stack.title} is planned with tuning {trained}, not {self.tuning}; set tuning to {trained}")
        if self.frozen:
            check_adapters(self.model, self.tuning, self.lora_rank, self.lora_targets, self.precision, self.stack.quantized_experts)

    @property
    def wide(self) -> bool:
        """Whether weights and activations have 4 bytes: training in fp32, or in tf32."""
        return self.precision in WIDE

    @property
    def numbers(self) -> str:
        """The number format of matrix products."""
        return NUMBERS[self.recipe] if self.recipe else {"fp16": "bf16"}.get(self.precision, self.precision)

    @property
    def expert_numbers(self) -> str:
        """The number format of the products of routed experts."""
        return self.numbers if self.stack.narrow_experts or not self.recipe else "bf16"

    @cached_property
    def recipe(self) -> str:
        """The recipe of training in 8 or 4 bits: the job's, or the stack's for the GPU; empty in 16 bits and more."""
        return self.fp8_recipe or usual_recipe(self.precision, self.stack, self.cluster.gpu)

    @property
    def narrow_weights(self) -> bool:
        """Whether weights of products in 8 bits are stored in 8 bits."""
        return self.fp8_parameters or (self.precision == "fp8" and self.stack.usual_fp8_parameters)

    @property
    def frozen(self) -> bool:
        """Whether the weights of the model are frozen and adapters are trained."""
        return self.tuning != "full"

    @cached_property
    def around_experts(self) -> Job:
        """The job of a model whose MLP is the shared experts: a sparse layer without its routed experts."""
        return replace(self, model=replace(self.model, ffn=self.model.shared_ffn))

    @cached_property
    def selective(self) -> Selective:
        """What selective recomputation keeps and repeats: by the modules of the job, or the stack's."""
        return selective(modules(self.recompute_modules)) if self.recompute_modules else self.stack.selective

    @property
    def overlaps_tp(self) -> str:
        """What hides tensor-parallel communication: the job's choice, or the stack's."""
        return self.tp_overlap or self.stack.tp_overlap

    @cached_property
    def layout(self) -> Layout | None:
        """The layout of the pipeline; None as the stack splits."""
        return layout_of(self.pipeline_layout) if self.pipeline_layout else None

    @property
    def dispatcher(self) -> Dispatcher:
        """How tokens are sent to experts: the job's dispatcher, or the stack's; of NVIDIA's two, HybridEP where links span nodes."""
        return DISPATCHERS[self.dispatched_by]

    @property
    def dispatched_by(self) -> str:
        """The name of that dispatcher."""
        stack, domain = self.stack, self.cluster.link_domain > self.cluster.gpus_per_node
        wide = stack.dispatcher == "deepep" and domain and "hybridep" in stack.dispatchers
        return self.moe_dispatcher or ("hybridep" if wide else stack.dispatcher)

    @property
    def memory_limit(self) -> float:
        """Memory of a GPU that a plan may use: device memory less fragmentation and headroom; bytes."""
        return self.cluster.gpu.memory_bytes * self.constants.usable_memory * (1 - self.headroom)
