"""What a decoder is built from: plain numbers, independent of any checkpoint format."""

from dataclasses import dataclass
from typing import Literal

from backend.attention import AttentionSpec
from backend.models.rope import RopeConfig

Activation = Literal["silu", "gelu_tanh"]


@dataclass(frozen=True)
class LayerConfig:
    """What differs between the layers of one decoder."""

    attention: AttentionSpec
    rope: RopeConfig


@dataclass(frozen=True)
class DecoderConfig:
    """A dense decoder of the Llama, Qwen, Mistral and Gemma line. Letters as in the whole repository.

    qkv_bias: bias on the query, key and value projections; out_bias: on the attention's output projection.
    qk_norm: RMSNorm over the head dimension of queries and keys, before rotary embedding.
    sandwich_norms: also normalise what attention and MLP give, before it is added (Gemma).
    embedding_scale: factor on the token embeddings. logit_softcap: logits become cap * tanh(logits / cap).
    """

    vocab: int
    embed: int
    ffw: int
    heads: int
    kv_heads: int
    head_dim: int
    layers: tuple[LayerConfig, ...]
    context: int
    norm_epsilon: float
    activation: Activation = "silu"
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    sandwich_norms: bool = False
    tied_head: bool = False
    embedding_scale: float = 1.0
    logit_softcap: float | None = None
