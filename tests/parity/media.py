"""Small random checkpoints with media, what is shown to them, and transformers (torch, fp32) as their oracle."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForImageTextToText, Gemma4UnifiedAudioFeatureExtractor, PreTrainedModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

from backend.media import Film, FilmInfo, Medium, Picture, Sound
from tests.parity.checkpoints import DISK_DTYPES
from tests.parity.vision import RESCALE, processing, rescaled, resized

RATE = 24.0
"""Frames per second of films."""
PROCESSORS: dict[str, dict[str, Any]] = {
    "gemma4_unified": {"image_processor": {"max_soft_tokens": 70}, "video_processor": {"max_soft_tokens": 70}},
    "qwen3_vl": {
        "image_processor": {"size": {"shortest_edge": 64, "longest_edge": 1000}, "patch_size": 2},
        "video_processor": {"size": {"shortest_edge": 300, "longest_edge": 3000}, "patch_size": 2},
    },
}
"""Settings that keep pictures and films small."""
IDS = {"image": 1, "video": 2, "audio": 3}
"""What transformers calls the type of a token."""


@dataclass(frozen=True)
class Answer:
    """The tokens [new] of a greedy answer, and the logits float32 [new, V] that each was drawn from."""

    tokens: np.ndarray
    logits: np.ndarray


@st.composite
def gemma4_unified(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration of transformers; patches of 4 pixels, merged from 2 x 2."""
    heads, layers = draw(st.sampled_from([2, 4])), draw(st.integers(1, 3))
    kinds = st.sampled_from(["sliding_attention", "full_attention"])
    text = {
        "vocab_size": 96,
        "hidden_size": heads * 12,
        "intermediate_size": 40,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "global_head_dim": draw(st.sampled_from([8, 16])),
        "num_global_key_value_heads": draw(st.sampled_from([None, 1])),
        "attention_k_eq_v": draw(st.booleans()),
        "layer_types": [*draw(st.lists(kinds, min_size=layers - 1, max_size=layers - 1)), "full_attention"],
        "sliding_window": draw(st.integers(3, 20)),
        "final_logit_softcapping": draw(st.sampled_from([None, 10.0])),
        "use_bidirectional_attention": draw(st.sampled_from([None, "vision"])),
        "max_position_embeddings": 512,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    vision = {
        "patch_size": 2,
        "pooling_kernel_size": 2,
        "mm_embed_dim": draw(st.sampled_from([12, 20])),
        "mm_posemb_size": 1120,
        "output_proj_dims": 0,
    }
    vision["output_proj_dims"] = vision["mm_embed_dim"]
    marks = {"image_token_id": 90, "video_token_id": 91, "audio_token_id": 92}
    marks |= {"boi_token_id": 93, "eoi_token_id": 94, "boa_token_id": 95, "eoa_token_index": 89}
    return {"text_config": text, "vision_config": vision, "audio_config": {"audio_embed_dim": 10}, **marks}


@st.composite
def media(draw: st.DrawFn, modalities: Sequence[str]) -> Medium:
    """A picture, a sound or a film of a few frames."""
    kind, random = draw(st.sampled_from(sorted(modalities))), np.random.default_rng(draw(st.integers(0, 2**31)))
    if kind == "audio":
        samples = random.normal(size=draw(st.integers(1, 90))).astype(np.float32) / 4
        return Sound(samples, key_of(samples))
    height, width = draw(st.integers(4, 40)), draw(st.integers(4, 40))
    if kind == "image":
        pixels = random.integers(256, size=(height, width, 3), dtype=np.uint8)
        return Picture(pixels, key_of(pixels))
    total, count = draw(st.integers(3, 2000)), draw(st.integers(2, 3))
    chosen = np.sort(random.choice(total, count, replace=False))
    info = FilmInfo(np.arange(total) / RATE, total / RATE, RATE, height, width)
    frames = random.integers(256, size=(count, height, width, 3), dtype=np.uint8)
    return Film(frames, chosen, info, None, key_of(frames, chosen))


def key_of(*arrays: np.ndarray) -> str:
    """Equal where the content is."""
    return str([(array.shape, hashlib.sha256(array.tobytes()).hexdigest()) for array in arrays])


def save(model_type: str, fields: dict[str, Any], folder: Path, seed: int, disk: str = "fp32") -> None:
    """Make the checkpoint in `folder`, with weights large enough that everything matters."""
    model = AutoModelForImageTextToText.from_config(AutoConfig.for_model(model_type, **fields))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            weight.copy_(centre + torch.randn(weight.shape, generator=generator) * 0.25)
        for name, scale in model.named_buffers():
            if name.endswith("layer_scalar"):
                scale.copy_(0.75 + 0.5 * torch.rand(scale.shape, generator=generator))
    model.to(DISK_DTYPES[disk]).save_pretrained(folder)
    (folder / "processor_config.json").write_text(json.dumps(PROCESSORS[model_type]))


def gemma4_unified_inputs(
    shown: Sequence[Medium], patch_size: int, pooling: int, samples: int, most: tuple[int, int] = (70, 70)
) -> dict[str, Any]:
    """What transformers' own processors make of media for its model. most: tokens of a picture, and of a frame."""
    inputs: dict[str, Any] = {}
    pictures = [gemma4_unified_patches(m, patch_size, pooling, most[0]) for m in shown if isinstance(m, Picture)]
    if pictures:
        inputs["pixel_values"], inputs["image_position_ids"] = map(torch.cat, zip(*pictures, strict=True))
    films = [gemma4_unified_patches(m, patch_size, pooling, most[1]) for m in shown if isinstance(m, Film)]
    if films:
        inputs["pixel_values_videos"], inputs["video_position_ids"] = map(torch.cat, zip(*films, strict=True))
        inputs["num_frames_per_video"] = torch.tensor([len(m.frames) for m in shown if isinstance(m, Film)])
    sounds = [m.samples for m in shown if isinstance(m, Sound)]
    if sounds:
        extractor = Gemma4UnifiedAudioFeatureExtractor(feature_size=samples, audio_samples_per_token=samples)
        inputs |= extractor(sounds, return_tensors="pt")
    return inputs


def gemma4_unified_patches(
    medium: Picture | Film, patch_size: int, pooling: int, most: int = 70
) -> tuple[torch.Tensor, torch.Tensor]:
    """Patches [n, most, ...] and places [n, most, 2], by transformers' functions in the order of its processors."""
    picture = isinstance(medium, Picture)
    theirs = processing("gemma4_unified", "image" if picture else "video")
    pixels = torch.from_numpy(medium.pixels[None] if isinstance(medium, Picture) else medium.frames).permute(0, 3, 1, 2)
    size = theirs.get_aspect_ratio_preserving_size(*pixels.shape[-2:], patch_size, most * pooling**2, pooling)
    pixels = rescaled(resized(pixels, *size), normalized=not picture)
    if picture:
        patches = theirs.convert_image_to_patches(pixels[0], patch_size)[None]
    else:
        patches = theirs.convert_video_to_patches(pixels, patch_size)
    columns, rows = pixels.shape[-1] // patch_size, pixels.shape[-2] // patch_size
    grid = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing="xy"), dim=-1)
    places = grid.reshape(-1, 2)[None].repeat(len(pixels), 1, 1)
    merged, merged_places = theirs.patches_merge(patches, places, patches.shape[1] // pooling**2)
    if picture:
        padded = theirs.pad_along_first_dim(merged[0], merged_places[0], most)
        return padded[0][None], padded[1][None]
    return theirs.pad_to_max_patches(merged, merged_places, most)


def oracle(folder: Path) -> PreTrainedModel:
    """transformers' model of a checkpoint, in float32."""
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def inputs_of(tokens: Sequence[int], ids: dict[str, int], inputs: dict[str, Any]) -> dict[str, Any]:
    """All that a model of transformers is given. ids: of the tokens that fill runs, by what they are of."""
    prompt = torch.tensor([list(tokens)])
    types = sum((prompt == token) * IDS[kind] for kind, token in ids.items())
    return {"input_ids": prompt, "mm_token_type_ids": types, **inputs}


@torch.no_grad()
def prompt_logits(model: PreTrainedModel, given: dict[str, Any]) -> np.ndarray:
    """float32 [T, V], after every token of a prompt, in one pass."""
    return model(**given, use_cache=False).logits[0].numpy()


@torch.no_grad()
def answer(model: PreTrainedModel, given: dict[str, Any], new: int) -> Answer:
    """What `generate` answers to a prompt, greedily."""
    out = model.generate(
        **given,
        attention_mask=torch.ones_like(given["input_ids"]),
        max_new_tokens=new,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return Answer(out.sequences[0, -new:].numpy(), torch.cat(out.logits).numpy())


def prompt_parts(written: Sequence[Sequence[str | int]], texts: Sequence[Sequence[int]]) -> list[int]:
    """Token ids of what stands for media, text before, between and behind them; characters are ids below 64."""
    tokens = list(texts[0])
    for parts, text in zip(written, texts[1:], strict=True):
        for part in parts:
            tokens += [ord(character) % 64 for character in part] if isinstance(part, str) else [part]
        tokens += text
    return tokens


def fixed_gemma4_unified() -> dict[str, Any]:
    """One configuration that has all there is: both kinds of layers, keys as values, patches that see both ways."""
    text = {
        "vocab_size": 96,
        "hidden_size": 48,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "global_head_dim": 16,
        "num_global_key_value_heads": 1,
        "attention_k_eq_v": True,
        "layer_types": ["sliding_attention", "full_attention", "full_attention"],
        "sliding_window": 40,
        "final_logit_softcapping": 10.0,
        "use_bidirectional_attention": "vision",
        "max_position_embeddings": 1024,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    vision = {"patch_size": 2, "pooling_kernel_size": 2, "mm_embed_dim": 20, "output_proj_dims": 20}
    marks = {"image_token_id": 90, "video_token_id": 91, "audio_token_id": 92}
    marks |= {"boi_token_id": 93, "eoi_token_id": 94, "boa_token_id": 95, "eoa_token_index": 89}
    return {"text_config": text, "vision_config": vision, "audio_config": {"audio_embed_dim": 10}, **marks}


@st.composite
def qwen3_vl(draw: st.DrawFn) -> dict[str, Any]:
    """A configuration of transformers; patches of 2 pixels, merged from 2 x 2."""
    heads, layers = draw(st.sampled_from([2, 4])), draw(st.integers(1, 3))
    sections = draw(st.sampled_from([(2, 3, 3), (4, 2, 2), (3, 3, 2)]))
    tied = draw(st.booleans())
    text = {
        "vocab_size": 96,
        "hidden_size": heads * 12,
        "intermediate_size": 40,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "attention_bias": draw(st.booleans()),
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": list(sections)},
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    depth = draw(st.integers(1, 3))
    vision = {
        "depth": depth,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_heads": 2,
        "patch_size": 2,
        "out_hidden_size": text["hidden_size"],
        "num_position_embeddings": draw(st.sampled_from([16, 49])),
        "deepstack_visual_indexes": sorted(draw(st.sets(st.integers(0, depth - 1), max_size=layers))),
    }
    marks = {"image_token_id": 90, "video_token_id": 91, "vision_start_token_id": 93, "vision_end_token_id": 94}
    return {"text_config": text, "vision_config": vision, "tie_word_embeddings": tied, **marks}


def qwen3_vl_patches(
    medium: Picture | Film, patch: int = 2, bounds: tuple[int, int] | None = None
) -> tuple[torch.Tensor, list[int]]:
    """Patches [n, ...] and their grid, by transformers' functions in the order of its processors.

    bounds: least and most pixels, those of PROCESSORS by default.
    """
    picture = isinstance(medium, Picture)
    films = processing("qwen3_vl", "video")
    pixels = torch.from_numpy(medium.pixels[None] if isinstance(medium, Picture) else medium.frames).permute(0, 3, 1, 2)
    sizes = PROCESSORS["qwen3_vl"]["image_processor" if picture else "video_processor"]["size"]
    least, most = bounds or (sizes["shortest_edge"], sizes["longest_edge"])
    own = {"factor": 2 * patch, "min_pixels": least, "max_pixels": most}
    if picture:
        size = smart_resize(*pixels.shape[-2:], **own)
    else:
        size = films.smart_resize(len(pixels), *pixels.shape[-2:], temporal_factor=2, **own)
    scaled = (resized(pixels, *size).float() - 0.5 / RESCALE) / (0.5 / RESCALE)
    repeated = scaled.repeat(2, 1, 1, 1) if picture else scaled
    patches, *grid = films.Qwen3VLVideoProcessor.patchify(None, repeated[None], patch, 2, 2)
    return patches[0], grid


def qwen3_vl_inputs(shown: Sequence[Medium]) -> dict[str, Any]:
    """What transformers' own processors make of media for its model."""
    inputs: dict[str, Any] = {}
    names = ((Picture, "pixel_values", "image_grid_thw"), (Film, "pixel_values_videos", "video_grid_thw"))
    for kind, values, grids in names:
        made = [qwen3_vl_patches(medium) for medium in shown if isinstance(medium, kind)]
        if made:
            inputs |= {values: torch.cat([patches for patches, _ in made]), grids: torch.tensor([g for _, g in made])}
    return inputs


def fixed_qwen3_vl() -> dict[str, Any]:
    """One configuration that has all there is: three sections, two layers with something added."""
    text = {
        "vocab_size": 96,
        "hidden_size": 48,
        "intermediate_size": 40,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "max_position_embeddings": 1024,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [4, 2, 2]},
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    vision = {"depth": 3, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "patch_size": 2}
    vision |= {"out_hidden_size": 48, "num_position_embeddings": 49, "deepstack_visual_indexes": [0, 2]}
    marks = {"image_token_id": 90, "video_token_id": 91, "vision_start_token_id": 93, "vision_end_token_id": 94}
    return {"text_config": text, "vision_config": vision, **marks}


CONFIGURATIONS = {"gemma4_unified": gemma4_unified, "qwen3_vl": qwen3_vl}
FIXED = {"gemma4_unified": fixed_gemma4_unified(), "qwen3_vl": fixed_qwen3_vl()}
