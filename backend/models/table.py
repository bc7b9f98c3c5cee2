"""Which tensors of a checkpoint make up each parameter of the decoder, and how."""

from dataclasses import dataclass
from typing import Any

from backend.models.config import DecoderConfig

Path = tuple[Any, ...]
"""Where a parameter sits in the decoder: attribute names and layer indices, as flax flattens them."""


@dataclass(frozen=True)
class Source:
    """One parameter. parts: (checkpoint name, size) joined along the first axis. offset: added to what is stored."""

    parts: tuple[tuple[str, int], ...]
    offset: float = 0.0


def sources(config: DecoderConfig, norm_offset: float = 0.0) -> dict[Path, Source]:
    """Every parameter path of `Decoder(config)` -> where it comes from, in the naming of transformers' Llama line."""
    table: dict[Path, Source] = {
        ("embedding",): Source((("model.embed_tokens.weight", config.vocab),)),
        ("norm", "scale"): _norm("model.norm", config.embed, norm_offset),
    }
    if not config.tied_head:
        table["head",] = Source((("lm_head.weight", config.vocab),))
    for index in range(len(config.layers)):
        stem = f"model.layers.{index}"
        parts = _norms(config, stem, norm_offset) | _attention(config, stem) | _mlp(config, stem)
        table |= {("blocks", index, *path): source for path, source in parts.items()}
    return table


def _norm(stem: str, size: int, offset: float) -> Source:
    return Source(((f"{stem}.weight", size),), offset=offset)


def _norms(config: DecoderConfig, stem: str, offset: float) -> dict[Path, Source]:
    names = {"attention_norm": "input_layernorm", "mlp_norm": "post_attention_layernorm"}
    if config.sandwich_norms:
        names |= {
            "attention_out_norm": "post_attention_layernorm",
            "mlp_norm": "pre_feedforward_layernorm",
            "mlp_out_norm": "post_feedforward_layernorm",
        }
    table: dict[Path, Source] = {
        (ours, "scale"): _norm(f"{stem}.{theirs}", config.embed, offset) for ours, theirs in names.items()
    }
    if config.qk_norm:
        for name in ("q_norm", "k_norm"):
            table["attention", name, "scale"] = _norm(f"{stem}.self_attn.{name}", config.head_dim, offset)
    return table


def _attention(config: DecoderConfig, stem: str) -> dict[Path, Source]:
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    qkv = {f"{stem}.self_attn.{name}": size for name, size in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys))}
    out = {f"{stem}.self_attn.o_proj": config.embed}
    return _linear(("attention", "qkv"), qkv, config.qkv_bias) | _linear(("attention", "out"), out, config.out_bias)


def _mlp(config: DecoderConfig, stem: str) -> dict[Path, Source]:
    gate_up = {f"{stem}.mlp.gate_proj": config.ffw, f"{stem}.mlp.up_proj": config.ffw}
    return _linear(("mlp", "gate_up"), gate_up) | _linear(("mlp", "down"), {f"{stem}.mlp.down_proj": config.embed})


def _linear(path: Path, outputs: dict[str, int], bias: bool = False) -> dict[Path, Source]:
    kinds = {"kernel": "weight"} | ({"bias": "bias"} if bias else {})
    return {
        (*path, ours): Source(tuple((f"{name}.{theirs}", size) for name, size in outputs.items()))
        for ours, theirs in kinds.items()
    }
