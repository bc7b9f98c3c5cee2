"""The same checkpoint as a GGUF file, the format that llama.cpp reads, and quantised by llama.cpp itself."""

import ctypes
import json
from pathlib import Path

import gguf
from safetensors.numpy import load_file

from benchmarks.gguf_weights import add_config, add_tensors, finish, new_writer
from benchmarks.serving.models import PRE_TOKENIZER, Model


def write(model: Model, file: Path) -> None:
    """Weights in float32, tokenizer and chat template of the checkpoint."""
    config = json.loads((model.folder / "config.json").read_text(encoding="utf-8"))
    writer = new_writer(file, config)
    add_config(writer, config)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokenizer(writer, model, config["vocab_size"])
    add_tensors(writer, config, load_file(model.folder / "model.safetensors"), "F32")
    finish(writer)


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
