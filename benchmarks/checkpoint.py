"""The model that is measured: a random llama checkpoint, made on the spot."""

from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

SEED = 0


def config(embed: int, ffw: int, heads: int, layers: int, vocab: int, tied: bool) -> LlamaConfig:
    """A llama without end token, so that every row runs to its length."""
    return LlamaConfig(
        vocab_size=vocab,
        hidden_size=embed,
        intermediate_size=ffw,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=None,
    )


FULL = {"embed": 768, "ffw": 2048, "heads": 12, "layers": 12, "vocab": 32_000}
QUICK = {"embed": 64, "ffw": 128, "heads": 4, "layers": 2, "vocab": 512}


def make(shape: LlamaConfig, folder: Path) -> int:
    """Write the checkpoint (float32, the same weights each time) into `folder`; returns its number of parameters."""
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(shape)
    model.save_pretrained(folder)
    return model.num_parameters()


def bytes_per_step(shape: LlamaConfig, parameters: int) -> int:
    """Bytes of float32 weights that one decoding step reads: of an untied embedding it reads single rows only."""
    unread = 0 if shape.tie_word_embeddings else shape.vocab_size * shape.hidden_size
    return 4 * (parameters - unread)
