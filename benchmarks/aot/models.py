"""Shapes of decoders that programs are compiled for, and tokens for them: no weights."""

import base64
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import jax.numpy as jnp
from flax import nnx

from backend.attention import AttentionSpec
from backend.models.config import AttentionConfig, DecoderConfig, LayerConfig, MLPConfig
from backend.models.decoder import Decoder
from backend.models.families import read_config
from backend.models.quantization import WeightFormat
from backend.models.rope import RopeConfig
from backend.models.storage import kernels
from backend.pooling import PoolingConfig


def llama(
    layers: int, embed: int, ffw: int, heads: int, kv_heads: int, head_dim: int, vocab: int, context: int = 131072
) -> DecoderConfig:
    """A decoder of Llama 3's kind."""
    rope = RopeConfig(theta=500000.0, kind="llama3", factor=8.0, original_context=8192)
    mixer = AttentionConfig(AttentionSpec(head_dim**-0.5), rope, heads, kv_heads, head_dim)
    layer = LayerConfig(mixer, MLPConfig(ffw))
    return DecoderConfig(vocab, embed, (layer,) * layers, context, norm_epsilon=1e-5)


MODELS = {
    "small": llama(2, 1024, 2816, 8, 8, 128, 32768),
    "deeper": llama(4, 1024, 2816, 8, 8, 128, 32768),
    "1b": llama(16, 2048, 8192, 32, 8, 64, 128256),
    "4b": llama(36, 2560, 9728, 32, 8, 128, 128256),
    "8b": llama(32, 4096, 14336, 32, 8, 128, 128256),
    "70b": llama(80, 8192, 28672, 64, 8, 128, 128256),
}

TEXT = {
    "vocab_size": 32768,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 8192,
    "eos_token_id": None,
    "pad_token_id": 0,
}
GEMMA2 = TEXT | {"head_dim": 256, "query_pre_attn_scalar": 256, "sliding_window": 1024}
GEMMA4 = TEXT | {
    "head_dim": 256,
    "global_head_dim": 512,
    "num_global_key_value_heads": 2,
    "attention_k_eq_v": True,
    "layer_types": ["sliding_attention", "full_attention"],
    "sliding_window": 1024,
    "use_bidirectional_attention": "vision",
}
MARKS = {"image_token_id": 1, "video_token_id": 2}
QWEN3_VL = TEXT | {
    "head_dim": 128,
    "rope_parameters": {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20]},
}
TOWER = {"depth": 2, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "out_hidden_size": 1024}

FAMILIES = {
    "gemma2": read_config({"model_type": "gemma2", **GEMMA2}),
    "gemma4_unified": read_config(
        {
            "model_type": "gemma4_unified",
            "text_config": GEMMA4,
            "vision_config": {"mm_embed_dim": 1024, "output_proj_dims": 1024},
            "audio_config": {"audio_embed_dim": 640},
            **MARKS,
            "audio_token_id": 3,
            "boi_token_id": 4,
            "eoi_token_id": 5,
            "boa_token_id": 6,
            "eoa_token_index": 7,
        }
    ),
    "qwen3_vl": read_config(
        {
            "model_type": "qwen3_vl",
            "text_config": QWEN3_VL,
            "vision_config": TOWER | {"deepstack_visual_indexes": [0, 1]},
            **MARKS,
            "vision_start_token_id": 4,
            "vision_end_token_id": 5,
        }
    ),
    "embedding": replace(MODELS["small"], pooling=PoolingConfig("mean", 1024)),
}
"""Small decoders that have what a Llama has not: windows, softcaps, heads of two sizes, encoders of media of the
published widths, and hidden states in place of scores."""

FORMATS = {
    "int8": WeightFormat("int8", "float32"),
    "fp8": WeightFormat("float8_e4m3fn", "float32"),
    "int4": WeightFormat("int4", "float32", 128),
}
"""Formats of quantised kernels: 8 bits with a scale per row, 4 bits with a scale for each 128 weights."""


def abstract_decoder(config: DecoderConfig, format: WeightFormat | None = None) -> Decoder:
    """A decoder in bfloat16 with shapes for weights. format: of every kernel but embedding and head, if any."""
    decoder: Decoder = nnx.eval_shape(lambda: Decoder(config, dtype=jnp.dtype(jnp.bfloat16), rngs=nnx.Rngs(0)))
    for kernel in kernels(decoder.layers) if format is not None else ():
        kernel.keep_in(format)
        kernel.eight_bits = format.values in ("int8", "float8_e4m3fn") and not format.group
    return decoder


@cache
def tokens(size: int) -> tuple[bytes, ...]:
    """The bytes of `size` tokens: the most frequent of a public vocabulary of 130,000 (Mistral's Tekken)."""
    import mistral_common

    path = Path(mistral_common.__file__).parent / "data" / "tekken_240911.json"
    entries = sorted(json.loads(path.read_text(encoding="utf-8"))["vocab"], key=lambda entry: entry["rank"])
    words = [base64.b64decode(entry["token_bytes"]) for entry in entries[: size - 256]]
    return (b"",) * (size - len(words)) + tuple(words)
