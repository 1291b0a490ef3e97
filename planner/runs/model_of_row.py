"""The model of a row of a runs file. `planner.runs.moe_of_row` adds the properties of mixtures of experts that have no column."""

from __future__ import annotations

import re
from dataclasses import replace

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.runs import moe_of_row
from planner.runs.layout_of_row import laid
from planner.runs.row import Row, assume, cell, flag, whole
from planner.specs.job import Stack
from planner.specs.model import Model

# Columns of sizes that may be blank -> fields of a Model.
SIZES = {"kv_heads": "kv_heads", "head_dim": "head_dim", "ffn": "ffn", "vocab": "vocab", "experts": "experts", "topk": "experts_per_token",
         "expert_ffn": "expert_ffn"}  # fmt: skip


def model_of(row: Row, stack: Stack, assumed: dict[str, str]) -> Model:
    """The model of a row. Gated MLPs imply RMSNorm, rotary positions and no biases; others those of GPT-2. FieldError for invalid cells."""
    gated = flag(row, "gated") is not False
    hidden, heads, seq = whole(row, "hidden"), whole(row, "heads"), whole(row, "seq")
    vocab = whole(row, "vocab", 0, 0) or assume(assumed, "vocab", 50_257)
    tied = flag(row, "tied")
    tied = assume(assumed, "tied", not gated) if tied is None else tied
    note = cell(row, "note").lower()
    dropout = stack.dropout and not gated and "hidden-dropout=0" not in note
    dense = Model(
        name=cell(row, "model") or "model", layers=whole(row, "layers"), hidden=hidden, heads=heads,
        kv_heads=whole(row, "kv_heads", heads), head_dim=whole(row, "head_dim", hidden // heads), ffn=whole(row, "ffn", 4 * hidden),
        vocab=vocab, max_positions=max(seq, 2048), gated=gated, tied=tied, norm="rmsnorm" if gated else "layernorm",
        positions="rope" if gated else "learned", bias=not gated, dropout=dropout,
    )  # fmt: skip
    if whole(row, "experts", 0, 0):
        return _mixture(row, dense, stack, assumed)
    return replace(dense, **moe_of_row.latent(cell(row, "note")))


def _mixture(row: Row, dense: Model, stack: Stack, assumed: dict[str, str]) -> Model:
    """The mixture of experts of a row, from its columns, the arguments in its note, a preset with the same sizes, and usual values."""
    note = cell(row, "note")
    sizes = {"layers": dense.layers, "hidden": dense.hidden, "heads": dense.heads}
    sizes |= {name: size for column, name in SIZES.items() if (size := whole(row, column, 0, 0))}
    given = moe_of_row.arguments(note)
    known = given | sizes | ({"head_dim": given["head_dim"]} if "kv_rank" in given else {})  # latent attention has a width of its heads
    preset = moe_of_row.like(sizes)
    taken = moe_of_row.taken(preset, stack.name, f"{note} {dense.name}") if preset else {}
    usual = {"experts_per_token": min(2, sizes["experts"]), "expert_ffn": dense.ffn}
    for column, name in (("topk", "experts_per_token"), ("expert_ffn", "expert_ffn")):
        if name not in taken | known:
            assume(assumed, column, usual[name])
    fields = usual | taken | known
    if text := cell(row, "shared_experts").lower():
        known["shared_ffn"] = fields["shared_ffn"] = _shared(row, text, fields["expert_ffn"])
    if (layout := laid(row)) is not None:
        known["mtp_layers"] = fields["mtp_layers"] = layout.ahead
    if cell(row, "mtp_layers"):
        known["mtp_layers"] = fields["mtp_layers"] = whole(row, "mtp_layers", least=0)
    model = replace(dense, **fields)
    without = replace(dense, **usual | known)
    if preset and (changed := [name for name in taken if getattr(model, name) != getattr(without, name)]):
        assume(assumed, "model", moe_of_row.named(preset, changed, model))
    return model


def _shared(row: Row, text: str, expert_ffn: int) -> int:
    """Total middle width of the shared experts: a count times `expert_ffn`, or `ffn` and the width. FieldError for other texts."""
    width = re.fullmatch(r"ffn\s*(\d{1,8})", text)
    if not width and not text.isdecimal():
        raise FieldError("shared_experts", f"column 'shared_experts' must be a count, or 'ffn' and a width, not {quoted(text)}")
    return int(width[1]) if width else whole(row, "shared_experts", least=0) * expert_ffn
