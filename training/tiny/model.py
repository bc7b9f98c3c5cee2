"""The bundled model's size, and its decoder with fresh weights."""

from flax import nnx

from backend.attention import AttentionSpec
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder
from backend.models.rope import RopeConfig
from training.tiny.tokenizer import CONTEXT, VOCABULARY

HEAD_DIM = 32
LAYERS = 5
ATTENTION = AttentionConfig(
    AttentionSpec(scale=HEAD_DIM**-0.5),
    RopeConfig(theta=10_000.0),
    heads=4,
    kv_heads=2,
    head_dim=HEAD_DIM,
    qk_norm=True,
)
CONFIG = DecoderConfig(
    vocab=VOCABULARY,
    embed=128,
    layers=(LayerConfig(ATTENTION, MLPConfig(384)),) * LAYERS,
    context=CONTEXT,
    norm_epsilon=1e-6,
    tied_head=True,
)


def new_decoder(seed: int, config: DecoderConfig = CONFIG) -> Decoder:
    """A decoder in float32 with random weights."""
    return Decoder(config, rngs=nnx.Rngs(seed))
