"""Specifications of hardware: Gemm, Gpu and Cluster. Frozen dataclasses in base units, without numpy.

Each class validates its fields on construction and raises FieldError with the name of the field.
"""

from __future__ import annotations

from dataclasses import dataclass

from planner.errors import FieldError
from planner.specs.products import GROUPED_BANDWIDTH, REACHED, Products, of_format
from planner.specs.validate import checked

GIB = float(2**30)
CACHED = 2.0  # upper limit of operand bandwidth over memory bandwidth, with caches: at most 1.7 measured (A100)
ROUNDED = 1.0001  # preset files have five digits
LARGEST_GPUS = 10_000_000


@dataclass(frozen=True)
class Gemm:
    """Time of one matrix product: t0 + ([2(m+dm)(n+dn)(k+dk)/P]^4 + [bytes/B]^4)^(1/4), P times the share that training reaches."""

    overhead_s: float  # t0: launch and ramp
    flops_s: float  # P: plateau on large shapes
    pad_m: float
    pad_n: float
    pad_k: float
    bytes_s: float  # B: operand bandwidth where memory-bound, caches included
    training: float = 1.0  # share of P reached in training: power, clocks, other kernels
    source: str = ""

    def __post_init__(self) -> None:
        checked(self, {
            "overhead_s": (0, 1), "flops_s": (1e6, 1e21), "pad_m": (0, 1e6), "pad_n": (0, 1e6), "pad_k": (0, 1e6), "bytes_s": (1e6, 1e30),
            "training": (0.01, 1),
        })  # fmt: skip


@dataclass(frozen=True)
class Flash:
    """Time of a flash attention kernel's forward pass over q query rows of all heads, s keys and widths e of key and value together:
    t0 + 2 (q + dq)(s + ds)(e + de) / P, P times the share that training reaches.
    """

    launch_s: float  # t0: launch and ramp
    plateau_flops: float  # P: plateau of long sequences and wide heads
    pad_rows: float  # dq: rows of the blocks that fill the processors, of all heads
    pad_keys: float  # ds: start and end of a block of queries
    pad_width: float  # de: exponentials and rescaling, in multiply-adds per score
    source: str = ""

    def __post_init__(self) -> None:
        checked(self, {
            "launch_s": (0, 1), "plateau_flops": (1e3, 1e21), "pad_rows": (0, 1e7), "pad_keys": (0, 1e5), "pad_width": (0, 1e4),
        })  # fmt: skip


@dataclass(frozen=True)
class Gpu:
    """One device as the framework sees it (of an MI250X: one of its two dies)."""

    name: str
    vendor: str
    arch: str
    flops_bf16: float  # dense FLOP/s
    flops_fp8: float  # 0: none
    memory_bytes: float  # as the driver reports it, not the nominal size
    hbm_bytes_s: float
    link_bytes_s: float  # scale-up link, per direction
    link_domain: int  # GPUs per scale-up domain, as sold
    nic_bytes_s: float  # scale-out per GPU and direction, of a common node
    pcie_bytes_s: float  # to the host, per direction
    gemm: Gemm
    flash_2: Flash  # FlashAttention-2
    flash_3: Flash | None = None  # kernels written for the architecture (FlashAttention-3 and 4, cuDNN); None: flash_2
    flops_fp4: float = 0.0  # 0: none
    flops_tf32: float = 0.0  # 0: none
    flops_fp32: float = 0.0  # of the general cores, or of products in fp32; 0: none published
    narrow: tuple[Products, ...] = ()  # products in 8 and 4 bits, as measured; others are derived
    grouped: tuple[Products, ...] = ()  # products of several experts in one kernel, as measured; others are derived
    board_w: float = 0.0  # maximum board power; 0: unknown
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked(self, {
            "flops_bf16": (1e9, 1e20), "flops_fp8": (0, 1e22), "flops_fp4": (0, 1e22), "flops_tf32": (0, 1e20),
            "flops_fp32": (0, 1e20), "memory_bytes": (GIB / 4, 2**50),
            "hbm_bytes_s": (1e8, 1e16),
            "link_bytes_s": (1e6, 1e15), "link_domain": (1, 65_536), "nic_bytes_s": (1e5, 1e15), "pcie_bytes_s": (1e6, 1e15),
            "board_w": (0, 1e6),
        })  # fmt: skip

    def believable(self) -> Gpu:
        """Itself; FieldError if products or attention would exceed its peak, or operands the bandwidth of memory and caches."""
        rate, peak = self.gemm.training * self.gemm.flops_s / 1e12, self.flops_bf16 / 1e12
        if rate > ROUNDED * peak:
            reason = f"[gemm] gives products {rate:,.5g} TFLOP/s (tflops x training_factor), above the peak of {peak:,.5g} (tflops_bf16)"
            raise FieldError("gemm", f"{reason}; lower the one or raise the other")
        for name, flash in (("flash_2", self.flash_2), ("flash_3", self.flash_3)):
            if flash and flash.plateau_flops > ROUNDED * self.flops_bf16:
                raise FieldError(
                    name, f"[{name}] tflops must be at most the peak of {peak:,.5g} (tflops_bf16), not {flash.plateau_flops / 1e12:,.5g}"
                )
        named = {f"{key}.{table.numbers}": table.bytes_s for key in ("narrow", "grouped") for table in getattr(self, key)}
        for name, bytes_s in ({"gemm": self.gemm.bytes_s} | named).items():
            moved, bandwidth = bytes_s / 1e12, self.hbm_bytes_s / 1e12
            if moved > ROUNDED * CACHED * bandwidth:
                reason = f"[{name}] tb_s must be no more than {CACHED:g} times the memory bandwidth, {CACHED * bandwidth:,.5g} TB/s here"
                raise FieldError(name.split(".")[0], f"{reason}, not {moved:,.5g}")
        return self

    def flash(self, attention: str) -> Flash:
        """The kernel of a choice of attention."""
        return self.flash_3 if attention == "flash-3" and self.flash_3 else self.flash_2

    def units(self, precision: str) -> float:
        """Dense peak of the units for a precision or a number format, 0 without such units; FLOP/s."""
        narrow = {"fp8": self.flops_fp8, "fp8_block": self.flops_fp8, "fp4": self.flops_fp4, "nvfp4": self.flops_fp4}
        return (narrow | {"tf32": self.flops_tf32, "fp32": self.flops_fp32}).get(precision, self.flops_bf16)

    def products(self, numbers: str, grouped: bool = False) -> Products:
        """The constants of products in a number format; grouped: of several experts in one kernel.

        Where no table was measured: in 8 and 4 bits the 16-bit plateau times a share of the nominal gain, in
        tf32 and fp32 times the ratio of the units; grouped products reach the
        plateau of single ones with less padding and the bandwidth of memory alone, as on every GPU measured.
        """
        measured = of_format(self.grouped if grouped else self.narrow, numbers)
        if measured:
            return measured
        g = self.gemm
        if grouped:
            one = self.products(numbers)
            return Products(numbers, one.flops_s, 0.0, 0.0, 0.0, min(g.bytes_s, GROUPED_BANDWIDTH * self.hbm_bytes_s))
        ratio = self.units(numbers) / self.flops_bf16
        gain = max(1.0, REACHED[numbers] * ratio) if numbers in REACHED else ratio
        return Products(numbers, gain * g.flops_s, g.pad_m, g.pad_n, g.pad_k, g.bytes_s)

    def peak(self, precision: str) -> float:
        """Dense peak of the fastest units that a job of this precision uses; in 8 or 4 bits also bf16, for attention; FLOP/s."""
        units = self.units(precision)
        return units if precision in ("tf32", "fp32") else max(self.flops_bf16, units)


@dataclass(frozen=True)
class Cluster:
    """GPUs on nodes and their links. A group of ranks lies within a scale-up domain or spans several."""

    name: str
    gpu: Gpu
    gpus: int  # world size
    gpus_per_node: int
    link_domain: int  # GPUs per scale-up domain
    link_bytes_s: float
    nic_bytes_s: float  # per GPU and direction
    host_memory_bytes: float = 2 * 2**40  # per node
    measured_reduce_bytes_s: float = 0.0  # measured bus bandwidth of an all-reduce over all GPUs; 0: not measured
    measured_gather_bytes_s: float = 0.0  # the same of an all-gather
    rank_check_s: float = 0.0  # what each rank adds to a collective whose arguments all ranks compare first; 0: not compared
    pace: float = 1.0  # device time on this cluster over the time from the GPU's constants
    host_pace: float = 1.0  # host time on this cluster over the time from the stack's constants
    calibrated_runs: int = 0  # measured runs in the calibration of links and paces; 0: not calibrated
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checked(self, {
            "gpus": (1, LARGEST_GPUS), "gpus_per_node": (1, 65_536), "link_domain": (1, 65_536),
            "link_bytes_s": (1e6, 1e15), "nic_bytes_s": (1e5, 1e15), "host_memory_bytes": (GIB, 2**60),
            "measured_reduce_bytes_s": (0, 1e15), "measured_gather_bytes_s": (0, 1e15), "rank_check_s": (0, 1),
            "pace": (0.05, 20), "host_pace": (0.05, 20),
            "calibrated_runs": (0, 1_000_000),
        })  # fmt: skip

    @property
    def calibration(self) -> str:
        """The calibration as a phrase; empty without one."""
        return f"calibrated on {self.calibrated_runs:,} run{'s' * (self.calibrated_runs != 1)}" if self.calibrated_runs else ""
