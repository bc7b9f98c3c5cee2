"""What a decoder is built from: plain numbers, independent of any checkpoint format."""

from dataclasses import dataclass
from typing import Literal

from backend.attention import AttentionSpec
from backend.models.media.interface import MediaConfig
from backend.models.rope import RopeConfig
from backend.pooling import PoolingConfig

Activation = Literal["silu", "gelu_tanh"]


@dataclass(frozen=True)
class AttentionConfig:
    """A layer whose mixer is grouped-query attention: N query heads and K key-value heads of H numbers each.

    spec: scale, window and softcap of the scores. rope: the rotary embedding of queries and keys.
    qkv_bias: bias on the query, key and value projections; out_bias: on the output projection.
    qk_norm: RMSNorm over the head dimension of queries and keys, before rotary embedding; v_norm: one without a scale
    of values. keys_as_values: values are the keys as they are before norm and rotary embedding.
    """

    spec: AttentionSpec
    rope: RopeConfig
    heads: int
    kv_heads: int
    head_dim: int
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    v_norm: bool = False
    keys_as_values: bool = False


@dataclass(frozen=True)
class MLPConfig:
    """A layer whose feed-forward is a gated MLP with `size` (F) hidden units."""

    size: int
    activation: Activation = "silu"


MixerConfig = AttentionConfig
"""Configuration of what mixes the tokens of a row in a layer; one class per kind, see `layers.MIXERS`."""
FeedForwardConfig = MLPConfig
"""Configuration of what works on every token alone in a layer; one class per kind, see `layers.FEED_FORWARDS`."""


@dataclass(frozen=True)
class LayerConfig:
    """One layer of a decoder: how it mixes tokens, and what it does with each."""

    mixer: MixerConfig
    feed_forward: FeedForwardConfig


@dataclass(frozen=True)
class DecoderConfig:
    """A pre-norm decoder. vocab: V token ids; embed: D numbers per token; context: positions it was trained for.

    sandwich_norms: also normalise what mixer and feed-forward give, before it is added (Gemma).
    layer_scales: what each layer gives is multiplied by a stored number of its own (Gemma 4).
    tied_head: the embedding is the head as well.
    embedding_scale: factor on the token embeddings. logit_softcap: logits become cap * tanh(logits / cap).
    media: what is taken beside text, and how; None for text alone.
    pooling: what hidden states become in place of scores of tokens; None for a decoder that has these.
    """

    vocab: int
    embed: int
    layers: tuple[LayerConfig, ...]
    context: int
    norm_epsilon: float
    sandwich_norms: bool = False
    layer_scales: bool = False
    tied_head: bool = False
    embedding_scale: float = 1.0
    logit_softcap: float | None = None
    media: MediaConfig | None = None
    pooling: PoolingConfig | None = None

    @property
    def own_head(self) -> bool:
        """Whether a kernel of its own scores tokens."""
        return not self.tied_head and self.pooling is None

    @property
    def classes(self) -> int:
        """Y, how many classes a head scores in place of tokens; 0 where there is none."""
        return 0 if self.pooling is None else len(self.pooling.labels)
