"""A transformers checkpoint as GGUF, configuration and weights: what llama.cpp's converter writes (conversion/*.py)."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import gguf
import numpy as np

Config = Mapping[str, Any]
ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
    "gemma2": gguf.MODEL_ARCH.GEMMA2,
    "gemma3_text": gguf.MODEL_ARCH.GEMMA3,
    "phi3": gguf.MODEL_ARCH.PHI3,
}


def new_writer(file: Any, config: Config, split_max_tensors: int = 0) -> gguf.GGUFWriter:
    """A writer of the configuration's architecture. split_max_tensors: of one part, 0 for a single file."""
    name = gguf.MODEL_ARCH_NAMES[ARCHITECTURES[config["model_type"]]]
    return gguf.GGUFWriter(file, name, split_max_tensors=split_max_tensors)


def add_config(writer: gguf.GGUFWriter, config: Config) -> None:
    """All that llama.cpp must know to compute the model. config: a parsed config.json."""
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim(config))
    writer.add_value_length(head_dim(config))
    writer.add_rope_dimension_count(head_dim(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    if config.get("sliding_window") and not config["model_type"].startswith("qwen"):
        writer.add_sliding_window(config["sliding_window"])
    if config["model_type"].startswith("gemma"):
        writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in config["layer_types"]])
        writer.add_attn_logit_softcapping(config.get("attn_logit_softcapping") or 0.0)
        writer.add_final_logit_softcapping(config.get("final_logit_softcapping") or 0.0)
    _add_rope(writer, config["rope_parameters"])


def add_tensors(writer: gguf.GGUFWriter, config: Config, tensors: Mapping[str, np.ndarray], quantization: str) -> None:
    """Weights by transformers' names. quantization: of matrices whose rows are whole blocks; the rest is float32."""
    kind = gguf.GGMLQuantizationType[quantization]
    for name, values in _converted(config, tensors):
        matrix = values.ndim > 1 and values.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0
        stored = kind if matrix else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quants.quantize(values, stored), raw_dtype=stored)


def finish(writer: gguf.GGUFWriter) -> None:
    """Write everything that was added."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def head_dim(config: Config) -> int:
    """Numbers of one attention head."""
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def _converted(config: Config, tensors: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    names = gguf.get_tensor_name_map(ARCHITECTURES[config["model_type"]], config["num_hidden_layers"])
    for name, tensor in tensors.items():
        written = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert written is not None, name
        yield written, np.ascontiguousarray(_arranged(name, tensor.astype(np.float32), config))
    rope = _whole_rope(config["rope_parameters"])
    if rope.get("rope_type") == "llama3":
        yield "rope_freqs.weight", _llama3_factors(rope, head_dim(config))
    if rope.get("rope_type") == "longrope":
        for kind in ("long", "short"):
            yield f"rope_factors_{kind}.weight", np.asarray(rope[f"{kind}_factor"], np.float32)


def _arranged(name: str, tensor: np.ndarray, config: Config) -> np.ndarray:
    """llama.cpp rotates neighbours in `llama`, where checkpoints hold the two halves of each head apart; Gemma's norms
    are stored with the 1 that the model adds to them."""
    if config["model_type"].startswith("gemma") and name.endswith("norm.weight"):
        return tensor + 1
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    kind = name.split(".")[-2]
    if ARCHITECTURES[config["model_type"]] != gguf.MODEL_ARCH.LLAMA or kind not in heads:
        return tensor
    halves = tensor.reshape(config[heads[kind]], 2, -1, *tensor.shape[1:])
    return halves.swapaxes(1, 2).reshape(tensor.shape)


def _whole_rope(rope: Config) -> Config:
    """Of layers without a window (Gemma 3 has another for those with one)."""
    return rope.get("full_attention", rope)


def _add_rope(writer: gguf.GGUFWriter, parameters: Config) -> None:
    rope = _whole_rope(parameters)
    writer.add_rope_freq_base(rope["rope_theta"])
    if "sliding_attention" in parameters:
        writer.add_rope_freq_base_swa(parameters["sliding_attention"]["rope_theta"])
    kind = rope.get("rope_type", "default")
    if kind == "longrope":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        writer.add_rope_scaling_attn_factors(rope["attention_factor"])
    if kind not in ("linear", "yarn"):
        return
    writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
    writer.add_rope_scaling_factor(rope["factor"])
    if kind == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
        added = {
            "attention_factor": writer.add_rope_scaling_yarn_attn_factor,
            "beta_fast": writer.add_rope_scaling_yarn_beta_fast,
            "beta_slow": writer.add_rope_scaling_yarn_beta_slow,
        }
        for key, add in added.items():
            if rope.get(key) is not None:
                add(rope[key])


def _llama3_factors(rope: Config, dim: int) -> np.ndarray:
    """By how much Llama 3.1 stretches the wavelength of each pair."""
    factor, context = rope["factor"], rope["original_max_position_embeddings"]
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    factors = []
    for frequency in rope["rope_theta"] ** (-np.arange(0, dim, 2) / dim):
        wavelength = 2 * math.pi / frequency
        if wavelength < context / high:
            factors.append(1.0)
        elif wavelength > context / low:
            factors.append(factor)
        else:
            smooth = (context / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.asarray(factors, np.float32)
