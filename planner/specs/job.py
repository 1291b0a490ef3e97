"""What a plan is made for: Stack and Job (its Model: architecture.py; its Gpu and Cluster: hardware.py). Frozen, validated, in base units.

Every class checks itself when made and raises FieldError naming the field. Nothing here needs numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from planner.errors import FieldError
from planner.specs.constants import CONSTANTS, Constants
from planner.specs.hardware import GIB, Cluster
from planner.specs.lora import TARGETS, TUNINGS, check_adapters
from planner.specs.model import Model
from planner.specs.validate import checked, choice, whole

PRECISIONS = ("bf16", "fp16", "fp8", "fp4")
OPTIMIZERS = ("adamw", "adamw-8bit", "sgd")
STATE_BYTES = {"adamw": 4, "adamw-8bit": 1, "sgd": 4}  # of each state, where nobody says otherwise
ATTENTIONS = ("flash-2", "flash-3", "flash-1", "fused-softmax", "unfused")
# zb: backward split, weight gradients fill the bubble (Qi et al. 2023; h1 and h2 are its ZB-1p and ZB-2p); -v: stages run down the ranks
# and back up, so that each rank holds two; dualpipev: forward and backward passes overlap each other's traffic (DeepSeek-AI 2024). The
# code of a plan's schedule column is the index here.
SCHEDULES = ("1f1b", "zb-h1", "zb-h2", "zb-v", "dualpipev")
RECOMPUTES = ("none", "selective", "full", "first")  # the code of a plan's recompute column is the index here
# Least and most of an axis of a plan; of those not named 1 and LARGEST_GPUS.
RANGE: Mapping[str, tuple[int, int]] = {
    "zero": (0, 3), "sequence_parallel": (0, 1), "micro_batch": (1, 2**34), "recompute_layers": (0, 10_000),
    "recompute": (0, len(RECOMPUTES) - 1), "schedule": (0, len(SCHEDULES) - 1),
}  # fmt: skip
MOST_HEADROOM = 95 * 0.01  # 95 %, as a field in percent makes it


@dataclass(frozen=True)
class Selective:
    """What selective recompute does: the share of each activation kept, the share of each forward part repeated."""

    keep: Mapping[str, float] = field(default_factory=dict)  # activation term -> share kept; absent: all
    repeat: Mapping[str, float] = field(default_factory=dict)  # qkv, attention, projection, mlp, elementwise -> share; absent: none


@dataclass(frozen=True)
class Stack:
    """A training framework's traits that decide memory, time, and which plans it accepts."""

    name: str
    title: str
    # what it accepts
    zero_stages: tuple[int, ...]
    hsdp: bool  # sharded inside groups, replicated between them
    interleaved: bool  # virtual pipeline stages
    sequence_parallel: str  # optional, always (whenever tp > 1), never
    context_parallel: bool
    tensor_parallel: bool
    pipeline_zero_most: int  # the highest ZeRO stage it runs a pipeline with; -1: no pipelines
    kv_replication: bool  # takes tp beyond the kv-heads by repeating them
    uneven_stages: str  # never, slots (embedding and head count as a layer each), any, flops (even in FLOPs, the head counted)
    tied_pipeline: bool  # ties embedding and head across a pipeline
    interleaved_groups: bool  # interleaved micro-batches fill groups of pp; if not, rounds of equal size
    sequence_rule: int  # the sequence must divide by this x cp (2: halves for causal balance)
    first_recompute: bool  # can recompute the first N layers of a stage
    # memory
    vocab_multiple: int  # the vocabulary is padded to this x tp; 1: not padded
    gradient_bytes: int  # bytes of a gradient as kept
    gradient_reduce_bytes: int  # bytes of a gradient as sent
    pipeline_syncs_once: bool  # in a pipeline, gathers weights and reduces gradients once a step, whatever the ZeRO stage (FSDP2)
    master_is_parameter: bool  # a sharded fp32 parameter is its own master copy (FSDP2)
    logits_bytes: float  # bytes kept a token and vocabulary entry at the loss
    activation_overhead: float  # live activations over theory
    allocator_slack: float  # reserved over allocated, less 1
    context_bytes: float  # CUDA context, NCCL and library buffers
    selective: Selective
    # time
    host_layer_s: float  # host time to launch a layer's forward; backward 1.5 times
    host_tp_s: float  # what tensor parallelism adds to it: collectives to launch
    far_hops: float  # hops over the network that a layer waits for, for each tensor-parallel rank, in a pipeline across nodes
    host_micro_batch_s: float
    step_fixed_s: float  # once a step: data, logging, gradient norm
    elementwise: float  # element-wise traffic over the fused ideal, norms apart
    norm_traffic: float  # traffic of a norm over that of a fused one
    softmax_traffic: float  # traffic of softmax, mask and dropout of unfused attention over the fused ideal
    tp_exposed: float  # share of tensor-parallel traffic that nothing hides
    cp_exposed: float  # share of context-parallel traffic that attention does not hide even where there is time
    dp_overlap: float  # share of gradient traffic (and of FSDP's gathers) that may hide behind compute
    gather_overlap: float  # share of ZeRO-1's gathering of parameters that may
    bucket_parameters: float  # gradients sent at a time; 0: all in one message
    sharded_parameters: float  # the same where each rank keeps a shard of the sum (ZeRO-1 and 2); 0: as bucket_parameters
    bucket_growth: float  # the same for each data-parallel rank, where that is more (Megatron-Core)
    pp_exposed: float
    straggler: float  # slowest over mean, a doubling of the nodes
    attention: str = "flash-2"
    # pipeline schedules and experts
    schedules: tuple[str, ...] = ("1f1b",)  # 1f1b is interleaved too where the stack interleaves
    micro_batches: str = "any"  # of a pipeline: any, fill (at least pp - 1), stages (whole multiples of pp)
    hsdp_least: int = 2  # the lowest ZeRO stage whose groups it replicates
    unsharded_alone: bool = False  # without sharding it keeps to one GPU: beside tp or pp it would train in fp32
    experts_in_shard: bool = False  # experts lie over the ranks of a sharded group alone
    expert_parallel: bool = False  # mixtures of experts, their experts over ranks
    expert_tensor: str = "never"  # an expert over ranks: never, tp (1 or tp), any
    expert_needs_sp: bool = False  # takes experts with tensor parallelism under sequence parallelism alone
    expert_zero_most: int = 3  # the highest ZeRO stage it shards experts with
    once_a_node: bool = False  # a token goes to a node once, however many of its experts lie there (DeepEP, HybridEP)
    dispatch_bytes: float = 2.0  # of an activation on its way to its experts; back it has 2
    ep_overlap: float = 0.0  # share of the experts' all-to-all that hides behind another micro-batch; 0: it has no such overlap
    ep_overlap_cost: float = 0.0  # share of a layer's time lost to the processors that exchange tokens meanwhile
    host_experts_s: float = 0.0  # host time that routing, dispatch and experts add to a layer's forward pass
    host_counts_s: float = 0.0  # host time to wait for each expert's count of tokens, where none are dropped
    grouped_slower: float = 1.2  # products of many small experts in one grouped kernel over the same products alone
    grouped_narrow: float = (
        0.3  # of what 8 or 4 bits gain in one product, the share that such kernels gain: experts' tokens are cast, padded
    )
    permute_traffic: float = 1.0  # traffic of permuting tokens over one read and one write a copy
    tunings: tuple[str, ...] = ("full",)  # what it trains: all weights (full), adapters on frozen ones (lora), on ones in 4 bits (qlora)
    usual_expert_tensor: str = "one"  # where a measured run does not tell: one, or tp
    # what its users choose where a measured run does not tell
    usual_zero: int = 1
    usual_sp: bool = False
    usual_interleaved: bool = False
    dropout: bool = False  # GPT models are trained with it
    usual_recompute: str = "none"  # what its configurations recompute unless told
    # memory that some frameworks alone take
    bucket_gradient_bytes: float = 0.0  # bytes of a 16-bit gradient kept in buckets beside the fp32 one, with more than one replica
    master_bytes: float = 4.0  # of the optimizer's own copy of a weight; 2 where it keeps only what bf16 rounds off
    gate_kept: float = 0.0  # copies of the MLP's middle that an unfused SwiGLU keeps beyond a fused one
    gathered_kept: float = 0.0  # copies of a layer's input that stay gathered, under sequence parallelism
    gathered_in_pipeline: bool = True  # in the warm-up of a pipeline; if not, where there is none
    narrow_kept: bool = False  # with fp8 or fp4, inputs of matrix products are kept in 8 bits (TransformerEngine)
    norm_kept: float = 0.0  # bytes a hidden unit that each norm keeps beyond a fused one
    logits_whole: bool = False  # logits are gathered over tensor parallel ranks before the loss
    workspace_bytes: float = 0.09 * GIB  # libraries' workspaces, in the allocator
    expert_workspace_bytes: float = 0.0  # those of grouped products beside them, on GPUs since Hopper
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        choice("sequence_parallel", self.sequence_parallel, ("optional", "always", "never"))
        choice("uneven_stages", self.uneven_stages, ("never", "slots", "any", "flops"))
        choice("micro_batches", self.micro_batches, ("any", "fill", "stages"))
        choice("expert_tensor", self.expert_tensor, ("never", "tp", "any"))
        choice("usual_expert_tensor", self.usual_expert_tensor, ("one", "tp"))
        for schedule in self.schedules:
            choice("schedules", schedule, SCHEDULES)
        for tuning in self.tunings:
            choice("tunings", tuning, TUNINGS)
        choice("attention", self.attention, ATTENTIONS)
        if self.uneven_stages == "flops" and (self.interleaved or {"zb-v", "dualpipev"} & set(self.schedules)):
            told = "stages even in FLOPs are whole ranks: interleaved must be false with uneven_stages flops, and schedules without zb-v"
            raise FieldError("uneven_stages", f"{told} and dualpipev")
        shares = (
            "activation_overhead",
            "allocator_slack",
            "elementwise",
            "tp_exposed",
            "cp_exposed",
            "dp_overlap",
            "pp_exposed",
            "straggler",
            "norm_traffic",
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
    """Everything that is given: what to train, on what, with what."""

    model: Model
    cluster: Cluster
    stack: Stack
    sequence: int
    global_batch: int  # sequences a step
    precision: str = "bf16"
    optimizer: str = "adamw"
    gradient_bytes: int = 4
    state_bytes: int = 4  # of each of the optimizer's states; the fp32 master copy is beside them
    attention: str = "flash-2"
    offload_optimizer: bool = False
    headroom: float = 0.0  # share of the device memory to leave free
    imbalance: float = 1.0  # tokens on the rank whose experts get the most, over the mean
    capacity: float = 0.0  # of each expert, over its mean share of the tokens: more are dropped, fewer padded; 0: dropless
    overlap_experts: bool = False  # hide the experts' all-to-all behind another micro-batch, where stack and plan allow it
    tuning: str = "full"  # every weight is trained; or adapters on frozen weights (lora), or on weights in 4 bits (qlora)
    lora_rank: int = 16  # inner width of the adapters
    lora_targets: str = "attention"  # the matrices that have them: all of attention, query-value alone, or all of a layer
    constants: Constants = CONSTANTS

    def __post_init__(self) -> None:
        checked(
            self,
            {
                "sequence": (1, 2**34), "global_batch": (1, 2**34), "gradient_bytes": (2, 4), "state_bytes": (1, 4),
                "headroom": (0, MOST_HEADROOM),
                "imbalance": (1, 100), "capacity": (0, 100), "lora_rank": (1, 65_536),
            },
        )  # fmt: skip
        choice("tuning", self.tuning, TUNINGS)
        choice("lora_targets", self.lora_targets, TARGETS)
        choice("precision", self.precision, PRECISIONS)
        choice("optimizer", self.optimizer, OPTIMIZERS)
        choice("attention", self.attention, ATTENTIONS)
        for key, widths in (("gradient_bytes", (2, 4)), ("state_bytes", (1, 2, 4))):
            if getattr(self, key) not in widths:
                raise FieldError(key, f"{key} must be one of {', '.join(map(str, widths))}, not {getattr(self, key)}")
        if self.precision in ("fp8", "fp4") and not self.cluster.gpu.units(self.precision):
            raise FieldError("precision", f"{self.cluster.gpu.name} has no {self.precision} units; use bf16 or fp16")
        if self.model.positions == "learned" and self.sequence > self.model.max_positions:
            raise FieldError(
                "sequence", f"sequence {self.sequence:,} is beyond the {self.model.max_positions:,} learned positions of {self.model.name}"
            )

        if self.tuning not in self.stack.tunings:
            trained = " or ".join(self.stack.tunings)
            raise FieldError("tuning", f"{self.stack.title} is planned with tuning {trained}, not {self.tuning}; set tuning to {trained}")
        if self.frozen:
            check_adapters(self.model, self.tuning, self.lora_rank, self.lora_targets, self.precision)

    @property
    def frozen(self) -> bool:
        """Whether the model's own weights are: adapters are trained in their place."""
        return self.tuning != "full"

    @cached_property
    def around_experts(self) -> Job:
        """The same job of a model whose MLP is the shared experts alone: a sparse layer without its routed experts."""
        return replace(self, model=replace(self.model, ffn=self.model.shared_ffn))

    @property
    def expert_load(self) -> float:
        """Tokens on the rank whose experts get the most, over the mean: the capacity where there is one, else the imbalance."""
        return self.capacity or self.imbalance

    @property
    def memory_limit(self) -> float:
        """Bytes a plan may use on one GPU: what fragments leave of what the driver offers, less the headroom."""
        return self.cluster.gpu.memory_bytes * self.constants.usable_memory * (1 - self.headroom)
