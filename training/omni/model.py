"""The model's size, as its configuration and those of its processors say it, and a decoder with fresh weights."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from backend.media import SAMPLE_RATE
from backend.models.config import DecoderConfig
from backend.models.decoder import Decoder
from backend.models.families import read_config
from backend.models.media.gemma4_unified import Gemma4UnifiedMedia
from training.tokenizer import END, PAD, START

CONTROL = (PAD, START, END, "<|image|>", "<|video|>", "<|audio|>", "<|image>", "<image|>", "<|audio>", "<audio|>")
"""Control tokens; the id of each is its place here."""
MARKS = {
    "image_token_id": "<|image|>",
    "video_token_id": "<|video|>",
    "audio_token_id": "<|audio|>",
    "boi_token_id": "<|image>",
    "eoi_token_id": "<image|>",
    "boa_token_id": "<|audio>",
    "eoa_token_index": "<audio|>",
}
VOCABULARY = 768
CONTEXT = 1024
HEAD_DIM, LAYERS = 32, 4
PATCH = 12
PICTURE_TOKENS, FRAME_TOKENS, FRAMES = 36, 16, 4
SOUND_SAMPLES = 640
TEXT = {
    "model_type": "gemma4_unified_text",
    "vocab_size": VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": HEAD_DIM,
    "global_head_dim": HEAD_DIM,
    "layer_types": ["full_attention"] * LAYERS,
    "rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 10_000.0}},
    "max_position_embeddings": CONTEXT,
    "use_bidirectional_attention": "vision",
    "tie_word_embeddings": True,
    "bos_token_id": None,
    "eos_token_id": CONTROL.index(END),
    "pad_token_id": CONTROL.index(PAD),
}
CONFIG: dict[str, Any] = {
    "architectures": ["Gemma4UnifiedForConditionalGeneration"],
    "model_type": "gemma4_unified",
    "text_config": TEXT,
    "vision_config": {
        "model_type": "gemma4_unified_vision",
        "patch_size": PATCH,
        "pooling_kernel_size": 1,
        "mm_embed_dim": 128,
        "mm_posemb_size": PICTURE_TOKENS,
        "output_proj_dims": 128,
    },
    "audio_config": {
        "model_type": "gemma4_unified_audio",
        "audio_embed_dim": SOUND_SAMPLES,
        "rms_norm_eps": 1e-4,
    },
    **{key: CONTROL.index(mark) for key, mark in MARKS.items()},
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}
"""config.json. A norm's epsilon of sound is large, so that faint noise stays faint."""
PROCESSORS: dict[str, dict[str, Any]] = {
    "image_processor": {
        "image_processor_type": "Gemma4UnifiedImageProcessor",
        "patch_size": PATCH,
        "pooling_kernel_size": 1,
        "max_soft_tokens": PICTURE_TOKENS,
    },
    "video_processor": {
        "video_processor_type": "Gemma4UnifiedVideoProcessor",
        "patch_size": PATCH,
        "pooling_kernel_size": 1,
        "max_soft_tokens": FRAME_TOKENS,
        "num_frames": FRAMES,
    },
    "feature_extractor": {
        "feature_extractor_type": "Gemma4UnifiedAudioFeatureExtractor",
        "audio_samples_per_token": SOUND_SAMPLES,
        "feature_size": SOUND_SAMPLES,
        "sampling_rate": SAMPLE_RATE,
    },
}
"""processor_config.json."""
DECODER: DecoderConfig = read_config(CONFIG, PROCESSORS)
LOWEST, HIGHEST = 90.0, 5000.0
"""Frequencies, in Hz, of the filters that sound is first heard with."""


def media_config() -> Gemma4UnifiedMedia:
    """What becomes of a medium in a prompt and in arrays."""
    assert isinstance(DECODER.media, Gemma4UnifiedMedia)
    return DECODER.media


def new_decoder(seed: int, config: DecoderConfig = DECODER) -> Decoder:
    """A decoder in float32 with random weights, of which three kinds are no chance.

    Norms of queries and keys begin as if scores were divided by the root of the head dimension, which this family does
    not do. What hears begins as sines and cosines, for a frequency is the same wherever a piece of it begins. Columns
    and rows begin as sines and cosines too (Vaswani et al., 2017), as large as what is seen there: from zeros, no part
    of the model would have a reason to make them larger before another part uses them.
    """
    decoder = Decoder(config, rngs=nnx.Rngs(seed))
    for layer in decoder.layers:
        for norm in (layer.mixer.q_norm, layer.mixer.k_norm):
            norm.scale.set_value(jnp.full(HEAD_DIM, HEAD_DIM**-0.25, jnp.float32))
    assert decoder.media is not None
    values = decoder.media.sound.linear.kernel.values
    values.set_value(jnp.asarray(filters(*values.get_value().shape), jnp.float32))
    places = decoder.media.vision.places
    places.set_value(jnp.asarray(waves_of_places(*places.get_value().shape), jnp.float32))
    return decoder


def waves_of_places(count: int, axes: int, size: int) -> np.ndarray:
    """float64 [count, axes, size]: of each column and row, in numbers of their own for each axis; mean square 1 / 2."""
    each = size // axes
    wavelengths = np.geomspace(4, 4 * count, each // 2)
    angles = 2 * np.pi * np.outer(np.arange(count), 1 / wavelengths)
    waves = np.sqrt(2) * np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    places = np.zeros((count, axes, size))
    for axis in range(axes):
        places[:, axis, axis * each : (axis + 1) * each] = waves
    return places


def filters(count: int, samples: int) -> np.ndarray:
    """float64 [count, samples]: sines and cosines of frequencies evenly spread by pitch, under a window (Hann)."""
    hertz = np.geomspace(LOWEST, HIGHEST, count // 2)
    angles = 2 * np.pi * np.outer(hertz, np.arange(samples) / SAMPLE_RATE)
    waves = np.concatenate([np.sin(angles), np.cos(angles)]) * np.hanning(samples)
    return waves * (2.0 / samples) ** 0.5
