"""The fields of the model: its preset, and the sizes set over it."""

from __future__ import annotations

from planner.document.field import Field


def _size(key: str, label: str, most: float, help: str) -> Field:
    return Field(key, "model", label, "int", help, "", "model", key, 1.0, 1, most)


def _count(key: str, label: str, most: float, help: str, depends_on: str = "experts") -> Field:
    """A model size that may be 0; most are those of a mixture of experts."""
    return Field(key, "model", label, "int", help, "", "model", key, 1.0, 0, most, depends_on=depends_on)


MODEL: tuple[Field, ...] = (
    Field("model", "model", "Model", "preset", "model: a preset, a Hugging Face config.json, or a model TOML",
          preset_kind="models", default="llama-3.1-405b"),
    _size("layers", "Layers", 10_000, "transformer layers"),
    _size("hidden", "Hidden", 2**24, "width of the residual stream"),
    _size("heads", "Heads", 65_536, "attention heads"),
    _size("kv_heads", "KV heads", 65_536, "key-value heads; equal to heads: MHA"),
    _size("head_dim", "Head dim", 65_536, "width of a head"),
    _size("ffn", "FFN", 2**24, "hidden width of the MLP"),
    _size("vocab", "Vocabulary", 2**28, "vocabulary size"),
    Field("gated", "model", "Gated MLP", "bool", "SwiGLU or GeGLU: gate and up projections", "", "model", "gated"),
    Field("tied", "model", "Tied head", "bool", "the output head shares the embedding", "", "model", "tied"),
    _count("experts", "Experts", 65_536, "routed experts of a sparse layer; 0: dense model", depends_on=""),
    _count("experts_per_token", "Experts/token", 65_536, "routed experts per token (top-k)"),
    _count("expert_ffn", "Expert FFN", 2**24, "hidden width of a routed expert"),
    _count("shared_ffn", "Shared FFN", 2**24, "total hidden width of the shared experts; 0: none"),
    _count("dense_layers", "Dense layers", 10_000, "leading layers with an MLP of width ffn instead of experts; 0: none"),
    _count("mtp_layers", "MTP layers", 100, "multi-token prediction layers; 0: none"),
    _count("kv_rank", "KV rank", 2**20, "latent width of keys and values in MLA; 0: no MLA", depends_on="kv_rank"),
)  # fmt: skip
