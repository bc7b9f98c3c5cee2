"""The same checkpoint as a GGUF file, the format that llama.cpp reads, and quantised by llama.cpp itself."""

import ctypes
import json
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file

from benchmarks.serving.models import PRE_TOKENIZER, Model

ARCHITECTURES = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3}


def write(model: Model, file: Path) -> None:
    """Weights in float32, tokenizer and chat template of the checkpoint."""
    config = json.loads((model.folder / "config.json").read_text(encoding="utf-8"))
    architecture = ARCHITECTURES[config["model_type"]]
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[architecture])
    _add_config(writer, config)
    _add_tokenizer(writer, model, config["vocab_size"])
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for name, tensor in load_file(model.folder / "model.safetensors").items():
        written = names.get_name(name, try_suffixes=(".weight",))
        assert written is not None, name
        writer.add_tensor(written, _arranged(name, tensor, config).float().contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def quantise(source: Path, target: Path, kind: str) -> None:
    """Let llama.cpp write `source` anew. kind: a name of its file types, such as Q8_0 or Q4_K_M."""
    import llama_cpp

    llama_cpp.llama_log_set(_silent, ctypes.c_void_p(0))
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{kind}")
    failed = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params))
    if failed:
        raise RuntimeError(f"llama.cpp could not quantise {source} to {kind}")


@ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)
def _silent(level: int, text: bytes, data: int) -> None:
    """Takes llama.cpp's log, a line for every tensor."""


def _arranged(name: str, tensor: torch.Tensor, config: dict) -> torch.Tensor:
    """llama.cpp rotates neighbouring pairs in `llama`, where checkpoints hold the two halves of each head apart."""
    heads = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}
    kind = name.split(".")[-2]
    if config["model_type"] != "llama" or kind not in heads:
        return tensor
    halves = tensor.unflatten(0, (config[heads[kind]], 2, -1))
    return halves.transpose(1, 2).reshape(tensor.shape)


def _add_config(writer: gguf.GGUFWriter, config: dict) -> None:
    head_dim = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _add_tokenizer(writer: gguf.GGUFWriter, model: Model, vocab: int) -> None:
    saved = json.loads((model.folder / "tokenizer.json").read_text(encoding="utf-8"))
    ids = saved["model"]["vocab"] | {token["content"]: token["id"] for token in saved["added_tokens"]}
    tokens = sorted(ids, key=ids.__getitem__)
    assert len(tokens) == vocab and [ids[token] for token in tokens] == list(range(vocab))
    added = {token["content"] for token in saved["added_tokens"]}
    kinds = [gguf.TokenType.USER_DEFINED if token in added else gguf.TokenType.NORMAL for token in tokens]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in saved["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE_TOKENIZER)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(model.unused_token)  # without one llama.cpp takes token 11
    writer.add_add_bos_token(False)
    writer.add_chat_template((model.folder / "chat_template.jinja").read_text(encoding="utf-8"))
