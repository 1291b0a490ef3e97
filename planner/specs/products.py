"""Matrix products in 8 or 4 bits and those of several experts: their constants by number format, from measured tables. Without numpy."""

from __future__ import annotations

from dataclasses import dataclass

from planner.specs.validate import checked, choice

# Bytes of an operand's element in each format: 16 bits; 8 bits with a scale per tensor or row; 8 bits with a scale per block (of 128, or
# of 32 in MXFP8); 4 bits with a scale of 8 bits per 16; 32 bits. Results have at least 16 bits.
FORMATS = {"bf16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625, "tf32": 4.0, "fp32": 4.0}
NARROW = ("fp8", "fp8_block", "nvfp4")
# Share of the nominal gain over 16 bits that large products reach, where a GPU has no table: 1508 over 832 TFLOP/s of twice on H100, 3113
# over 1705 on B200, 3191 over 1764 on GB200; in 4 bits 5009 over 1705 of four times. Blocks: 1355 on H100, 2958 on B200.
REACHED = {"fp8": 0.9, "fp8_block": 0.85, "nvfp4": 0.7}
GROUPED_BANDWIDTH = 0.88  # of the memory's, of operands of grouped products: 0.86 to 0.92 on H100 to GB300


@dataclass(frozen=True)
class Products:
    """Time of one matrix product in a format, in the form of Gemm: ([2(m+dm)(n+dn)(k+dk)/P]^4 + [bytes/B]^4)^(1/4)."""

    numbers: str  # a key of FORMATS
    flops_s: float  # P: plateau on large shapes
    pad_m: float
    pad_n: float
    pad_k: float
    bytes_s: float  # B: operand bandwidth where memory-bound
    source: str = ""

    def __post_init__(self) -> None:
        choice("numbers", self.numbers, tuple(FORMATS))
        checked(self, {
            "flops_s": (1e6, 1e22), "pad_m": (0, 1e6), "pad_n": (0, 1e6), "pad_k": (0, 1e6), "bytes_s": (1e6, 1e30),
        })  # fmt: skip


def of_format(tables: tuple[Products, ...], numbers: str) -> Products | None:
    """The constants of a format among some; None if there are none."""
    return next((table for table in tables if table.numbers == numbers), None)
