"""Random small checkpoints with a head for classes, or none, and what transformers (torch, fp32) makes of texts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

VOCAB, EMBED, CONTEXT = 61, 32, 128
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": EMBED,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": CONTEXT,
    "eos_token_id": None,
    "bos_token_id": None,
    "pad_token_id": None,
}


def save(folder: Path, family: str, kind: Any, dtype: torch.dtype = torch.float32, **fields: Any) -> None:
    """A model of random weights as transformers saves it. kind: `AutoModel` or another of these. fields: of its
    configuration."""
    torch.manual_seed(0)
    windows = {"sliding_window": 16} if family in ("mistral", "gemma2", "gemma3_text") else {}
    model = kind.from_config(AutoConfig.for_model(family, **(SIZES | windows | fields)))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn(weight.shape) * 0.25 + (0.0 if "norm" not in name or "gemma" in family else 1.0))
    model.to(dtype).save_pretrained(folder)


def write_modules(folder: Path, mode: str = "lasttoken", normalize: bool = True, **pooling: Any) -> None:
    """sentence-transformers' files beside the model. pooling: further keys of 1_Pooling/config.json."""
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling")] + [("2_Normalize", "Normalize")] * normalize
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    said = {"word_embedding_dimension": EMBED, f"pooling_mode_{mode}": True, **pooling}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))


def hidden_states(folder: Path, tokens: list[int]) -> np.ndarray:
    """float32 [T, D] of one text, as transformers' model without a head gives them."""
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model(torch.tensor([tokens])).last_hidden_state[0].numpy()


def class_logits(folder: Path, texts: list[list[int]]) -> tuple[Any, np.ndarray]:
    """transformers' model with its head for classes, and what it gives of each text: float32 [texts, Y]."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model, np.stack([model(torch.tensor([text])).logits[0].numpy() for text in texts])
