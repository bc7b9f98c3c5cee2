"""Small random checkpoints of the families with media, tokenizer and template included, and parts to show to them."""

import base64
import io
import json
import wave
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx
from PIL import Image
from safetensors.numpy import save_file

from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.media import corpus
from tests.handlers.text.test_shown_media import GEMMA, QWEN
from tests.handlers.text.test_tokenizer import REAL, save_byte_level

SIDE, PICTURE_TOKENS = 32, 64
"""Pixels of a side of a picture, and what both families make of it: 8 x 8 patches."""
TEXT = {
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}


@dataclass(frozen=True)
class Family:
    """config: of the checkpoint, given its tokenizer's ids by their text, and their number. image: the placeholder."""

    template: str
    special: tuple[str, ...]
    image: str
    modalities: tuple[str, ...]
    processor: dict[str, Any]
    config: Callable[[Callable[[str], int], int], dict[str, Any]]


def _gemma(id_of: Callable[[str], int], vocab: int) -> dict[str, Any]:
    text = {
        **TEXT,
        "vocab_size": vocab,
        "head_dim": 8,
        "global_head_dim": 16,
        "layer_types": ["sliding_attention", "full_attention"],
        "sliding_window": 40,
        "use_bidirectional_attention": "vision",
    }
    names = ("image_token_id", "video_token_id", "audio_token_id", "boi_token_id", "eoi_token_id", "boa_token_id")
    marks = ("<|image|>", "<|video|>", "<|audio|>", "<|image>", "<image|>", "<|audio>", "<audio|>")
    ids = {name: id_of(mark) for name, mark in zip((*names, "eoa_token_index"), marks, strict=True)}
    vision = {"patch_size": 2, "pooling_kernel_size": 2, "mm_embed_dim": 20, "output_proj_dims": 20}
    return {"text_config": text, "vision_config": vision, "audio_config": {"audio_embed_dim": 160}, **ids}


def _qwen(id_of: Callable[[str], int], vocab: int) -> dict[str, Any]:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2]}
    text = {**TEXT, "vocab_size": vocab, "head_dim": 16, "rope_parameters": rope}
    vision = {"depth": 2, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "patch_size": 2}
    vision |= {"out_hidden_size": 32, "num_position_embeddings": 49, "deepstack_visual_indexes": [0, 1]}
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    marks = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")
    return {
        "text_config": text,
        "vision_config": vision,
        **{name: id_of(mark) for name, mark in zip(names, marks, strict=True)},
    }


_PIXELS = {"shortest_edge": 64, "longest_edge": SIDE**2}
FAMILIES = {
    "gemma4_unified": Family(
        "gemma4_v5",
        (*GEMMA, "<|audio>", "<audio|>"),
        "<|image|>",
        ("image", "audio", "video"),
        {"image_processor": {"max_soft_tokens": 70}, "video_processor": {"max_soft_tokens": 70, "num_frames": 3}},
        _gemma,
    ),
    "qwen3_vl": Family(
        "qwen3_vl",
        tuple(QWEN),
        "<|image_pad|>",
        ("image", "video"),
        {kind: {"size": _PIXELS, "patch_size": 2} for kind in ("image_processor", "video_processor")},
        _qwen,
    ),
}


def save_model(family: str, folder: Path, sizes: Mapping[str, Mapping[str, Any]] | None = None) -> Path:
    """A checkpoint with a tokenizer of bytes, the family's own chat template and random weights.

    sizes: by the part of the configuration, what it has in place of the usual; "processors" are settings of these.
    """
    made, sizes = FAMILIES[family], sizes or {}
    folder.mkdir(exist_ok=True)
    save_byte_level(folder, REAL[made.template], special=made.special)
    tokenizer = ChatTokenizer(folder)
    config = made.config(lambda mark: tokenizer.spell(mark)[0].token, tokenizer.vocab_size)
    config |= {name: config[name] | part for name, part in sizes.items() if name != "processors"}
    (folder / "config.json").write_text(json.dumps({"model_type": family, **config}))
    (folder / "processor_config.json").write_text(json.dumps(sizes.get("processors", made.processor)))
    decoder = nnx.eval_shape(lambda: Decoder(open_checkpoint(folder).config, rngs=nnx.Rngs(0)))
    random = np.random.default_rng(0)
    stored = [each for parameter in decoder.parameters().values() for each in parameter.source.stored()]
    tensors = {each.name: random.normal(0.5, 0.5, each.shape).astype(np.float32) for each in stored}
    save_file(tensors, folder / "model.safetensors")
    return folder


def url(data: bytes, media_type: str) -> str:
    """A `data:` URL."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def png(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> bytes:
    """A picture of `size`, height and width, whose pixels are drawn."""
    pixels, file = np.random.default_rng(seed).integers(256, size=(*size, 3), dtype=np.uint8), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def wav(samples: int, seed: int = 0) -> bytes:
    """Noise at 16 kHz."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 16_000, samples, "NONE", ""))
        written.writeframes(np.random.default_rng(seed).integers(-9000, 9000, samples).astype("<i2").tobytes())
    return file.getvalue()


def picture(seed: int, size: tuple[int, int] = (SIDE, SIDE)) -> dict[str, Any]:
    """An image_url part."""
    return {"type": "image_url", "image_url": {"url": url(png(seed, size), "image/png")}}


def sound(samples: int, seed: int = 0) -> dict[str, Any]:
    """An audio_url part."""
    return {"type": "audio_url", "audio_url": {"url": url(wav(samples, seed), "audio/wav")}}


def film(codec: str = "ffv1") -> dict[str, Any]:
    """A video_url part of eight frames."""
    data = corpus.film("matroska", codec, count=8, size=(24, 16))
    return {"type": "video_url", "video_url": {"url": url(data, "video/x-matroska")}}


def said(text: str) -> dict[str, str]:
    """A part of text."""
    return {"type": "text", "text": text}
