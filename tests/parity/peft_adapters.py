"""Random adapters as PEFT saves them, and PEFT (torch, fp32) on transformers as their oracle."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.parity.checkpoints import NEW, PROMPT, Oracle


def base_model(folder: Path) -> PreTrainedModel:
    """The checkpoint in transformers."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")


def save_adapter(base: Path, folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32, **config: Any) -> None:
    """A random adapter of a checkpoint, with numbers that change its answers; what it trains is random too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings that PEFT advises against
        model = get_peft_model(base_model(base), LoraConfig(task_type="CAUSAL_LM", **config))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.2)
    model.to(dtype).save_pretrained(folder)


def peft_logits(base: Path, folder: Path, tokens: np.ndarray) -> np.ndarray:
    """float32 [B, T, V] of tokens [B, T], with the adapter."""
    model = PeftModel.from_pretrained(base_model(base), folder)
    with torch.no_grad():
        return model(input_ids=torch.from_numpy(tokens), use_cache=False).logits.numpy()


def peft_oracle(base: Path, folder: Path, seed: int, rows: int = 2) -> Oracle:
    """PEFT's answer to random prompts: logits of the prompt, and `generate` with its logits."""
    model = PeftModel.from_pretrained(base_model(base), folder)
    vocab = model.config.vocab_size
    prompt = torch.randint(vocab, (rows, PROMPT), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        first = model(input_ids=prompt, use_cache=False).logits
        out = model.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=NEW,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    logits = torch.cat([first, torch.stack(out.logits[1:], dim=1)], dim=1)
    return Oracle(out.sequences.numpy(), logits.numpy())
