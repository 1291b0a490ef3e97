"""The model of a row of a runs file. What no column tells of a mixture of experts comes from `planner.runs.moe_of_row`."""

from __future__ import annotations

import re
from dataclasses import replace

from planner.errors import FieldError
from planner.plaintext import quoted
from planner.runs import moe_of_row as runmoe
from planner.runs.row import Row, assume, flag, told, whole
from planner.specs.job import Stack
from planner.specs.model import Model

# Columns of sizes that may be blank -> fields of a Model.
SIZES = {"kv_heads": "kv_heads", "head_dim": "head_dim", "ffn": "ffn", "vocab": "vocab", "experts": "experts", "topk": "experts_per_token",
         "expert_ffn": "expert_ffn"}  # fmt: skip


def model_of(row: Row, stack: Stack, assumed: dict[str, str]) -> Model:
    """The architecture of a row. Gated MLPs come with RMSNorm, rotary positions and no biases; others as GPT-2 has them."""
    gated = flag(row, "gated") is not False
    hidden, heads, seq = whole(row, "hidden"), whole(row, "heads"), whole(row, "seq")
    vocab = whole(row, "vocab", 0, 0) or assume(assumed, "vocab", 50_257)
    tied = flag(row, "tied")
    tied = assume(assumed, "tied", not gated) if tied is None else tied
    note = told(row, "note").lower()
    dropout = stack.dropout and not gated and "hidden-dropout=0" not in note
    dense = Model(
        name=told(row, "model") or "model", layers=whole(row, "layers"), hidden=hidden, heads=heads,
        kv_heads=whole(row, "kv_heads", heads), head_dim=whole(row, "head_dim", hidden // heads), ffn=whole(row, "ffn", 4 * hidden),
        vocab=vocab, max_positions=max(seq, 2048), gated=gated, tied=tied, norm="rmsnorm" if gated else "layernorm",
        positions="rope" if gated else "learned", bias=not gated, dropout=dropout,
    )  # fmt: skip
    if whole(row, "experts", 0, 0):
        return _mixture(row, dense, stack, assumed)
    return replace(dense, **runmoe.latent(told(row, "note")))


def _mixture(row: Row, dense: Model, stack: Stack, assumed: dict[str, str]) -> Model:
    """The mixture of experts of a row: its columns, the arguments in its note, a preset of the same sizes, and what then is assumed."""
    note = told(row, "note")
    sizes = {"layers": dense.layers, "hidden": dense.hidden, "heads": dense.heads}
    sizes |= {name: size for column, name in SIZES.items() if (size := whole(row, column, 0, 0))}
    given = runmoe.arguments(note)
    known = given | sizes | ({"head_dim": given["head_dim"]} if "kv_rank" in given else {})  # latent attention has its own
    preset = runmoe.like(sizes)
    taken = runmoe.taken(preset, stack.name, f"{note} {dense.name}") if preset else {}
    usual = {"experts_per_token": min(2, sizes["experts"]), "expert_ffn": dense.ffn}
    for column, name in (("topk", "experts_per_token"), ("expert_ffn", "expert_ffn")):
        if name not in taken | known:
            assume(assumed, column, usual[name])
    fields = usual | taken | known
    if text := told(row, "shared_experts").lower():
        known["shared_ffn"] = fields["shared_ffn"] = _shared(row, text, fields["expert_ffn"])
    model = replace(dense, **fields)
    without = replace(dense, **usual | known)
    if preset and (changed := [name for name in taken if getattr(model, name) != getattr(without, name)]):
        assume(assumed, "model", runmoe.named(preset, changed, model))
    return model


def _shared(row: Row, text: str, expert_ffn: int) -> int:
    """Middle width of the shared experts together: so many of one expert's width, or `ffn` and the width itself."""
    width = re.fullmatch(r"ffn\s*(\d{1,8})", text)
    if not width and not text.isdecimal():
        raise FieldError("shared_experts", f"column 'shared_experts' must be a count, or 'ffn' and a width, not {quoted(text)}")
    return int(width[1]) if width else whole(row, "shared_experts", least=0) * expert_ffn
