"""Random checkpoints of the families with media, as large as small ones of these are, and what is shown to them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from tests.media_models import save_model

HEADS, HEAD = 12, 64
_TEXT = {
    "hidden_size": HEADS * HEAD,
    "intermediate_size": 2048,
    "num_hidden_layers": 8,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 4,
    "head_dim": HEAD,
    "max_position_embeddings": 4096,
}
_LAYERS = ["sliding_attention"] * 3 + ["full_attention"]
SIZES: dict[str, dict[str, dict[str, Any]]] = {
    "gemma4_unified": {
        "text_config": {**_TEXT, "global_head_dim": HEAD, "layer_types": 2 * _LAYERS, "sliding_window": 512},
        "vision_config": {"patch_size": 16, "pooling_kernel_size": 3, "mm_embed_dim": 1024, "output_proj_dims": 1024},
        "audio_config": {"audio_embed_dim": 640},
        "processors": {},
    },
    "qwen3_vl": {
        "text_config": {
            **_TEXT,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [12, 10, 10]},
        },
        "vision_config": {
            "depth": 8, "hidden_size": 512, "intermediate_size": 2048, "num_heads": 8, "patch_size": 16,
            "out_hidden_size": HEADS * HEAD, "num_position_embeddings": 2304, "deepstack_visual_indexes": [2, 4, 6],
        },
        "processors": {},
    },
}  # fmt: skip
"""Processors as the families' own are; decoders of 8 layers, about 60 M parameters."""


def make(family: str, folder: Path, quick: bool) -> Path:
    """The checkpoint. quick: the smallest there is, only to see that something runs."""
    return save_model(family, folder, None if quick else SIZES[family])


def picture(seed: int, format: str) -> bytes:
    """A file of 1,000 x 1,000 pixels, as smooth as photographs are."""
    noise, file = np.random.default_rng(seed).integers(0, 256, (1000, 1000, 3), np.uint8), io.BytesIO()
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(4)).save(file, format)
    return file.getvalue()
