"""Random small checkpoints of every family as hypothesis strategies, and transformers (torch, fp32) as their oracle."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

PROMPT, NEW = 24, 64
DYNAMIC_WINDOW = 32
"""Longer than the prompt, so that transformers' dynamic NTK grows token by token, and shorter than the whole."""
DISK_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Drawn:
    """A checkpoint to be made. fields: of the transformers configuration. shard: its largest file, e.g. '20KB'."""

    family: str
    fields: dict[str, Any]
    disk: str
    shard: str
    seed: int


@dataclass(frozen=True)
class Oracle:
    """What transformers computes. tokens int [B, PROMPT + NEW]: prompts and their greedy continuation.
    logits float32 [B, PROMPT + NEW - 1, V]: after every token but the last, the prompt's in one pass, then decoding."""

    tokens: np.ndarray
    logits: np.ndarray


@st.composite
def ropes(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """rope_parameters of one kind."""
    fixed = {"rope_type": kind, "rope_theta": draw(st.sampled_from([100.0, 10_000.0, 500_000.0]))}
    factor = draw(st.sampled_from([2.0, 4.0, 8.0]))
    original = draw(st.sampled_from([16, 64]))
    if kind in ("default", "proportional"):
        return fixed
    if kind in ("linear", "dynamic"):
        return fixed | {"factor": factor}
    scaled = fixed | {"factor": factor, "original_max_position_embeddings": original}
    if kind == "llama3":
        return scaled | {"low_freq_factor": 1.0, "high_freq_factor": draw(st.sampled_from([2.0, 4.0]))}
    optional = {
        "attention_factor": st.sampled_from([0.9, 1.3]),
        "beta_fast": st.sampled_from([4.0, 32.0]),
        "beta_slow": st.sampled_from([0.5, 1.0]),
        "truncate": st.booleans(),
    }
    return scaled | draw(st.fixed_dictionaries({}, optional=optional))


@st.composite
def checkpoints(draw: st.DrawFn, family: str, rope_kind: str) -> Drawn:
    """Any checkpoint of a family. Sizes come from short lists: every new combination is compiled."""
    heads, kv_heads = draw(st.sampled_from([(2, 1), (4, 2), (2, 2)]))
    layers = draw(st.integers(1, 3))
    fields = {
        "vocab_size": draw(st.sampled_from([61, 96])),
        "hidden_size": heads * draw(st.sampled_from([12, 16])),
        "intermediate_size": draw(st.sampled_from([40, 56])),
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": DYNAMIC_WINDOW if rope_kind == "dynamic" else 128,
        "tie_word_embeddings": draw(st.booleans()),
        "rope_parameters": draw(ropes(rope_kind)),
        "eos_token_id": None,
        "bos_token_id": None,
        "pad_token_id": 0,
    }
    fields |= _family_fields(draw, family, layers)
    if family == "gemma3_text":
        # transformers 5.23 looks for `truncate` beside the layer types, not inside them, and so never finds it.
        fields["rope_parameters"].pop("truncate", None)
        fields["rope_parameters"] = {
            "full_attention": fields["rope_parameters"],
            "sliding_attention": draw(ropes("default")),
        }
    if family.startswith("gemma4"):
        global_dim, turning = draw(st.sampled_from([(16, 0.25), (24, 0.5), (8, 1.0)]))
        fields |= {"global_head_dim": global_dim, "attention_k_eq_v": draw(st.booleans())}
        fields["num_global_key_value_heads"] = draw(st.sampled_from([None, 1, heads]))
        full = fields["rope_parameters"]
        if rope_kind == "proportional":
            full |= {"partial_rotary_factor": turning} | draw(st.sampled_from([{}, {"factor": 2.0}]))
        fields["rope_parameters"] = {"full_attention": full, "sliding_attention": draw(ropes("default"))}
        fields["layer_types"][-1] = "full_attention"  # transformers makes it so
    disk, shard = draw(st.sampled_from(sorted(DISK_DTYPES))), draw(st.sampled_from(["1GB", "20KB"]))
    return Drawn(family, fields, disk, shard, draw(st.integers(0, 2**31)))


def _family_fields(draw: st.DrawFn, family: str, layers: int) -> dict[str, Any]:
    window = draw(st.integers(3, 20))
    fields: dict[str, Any] = {}
    if family != "qwen2":
        fields["head_dim"] = draw(st.sampled_from([8, 16]))
    if family not in ("qwen2", "mistral"):
        fields["attention_bias"] = draw(st.booleans())
    if family == "mistral":
        fields["sliding_window"] = draw(st.sampled_from([window, None]))
    if family not in ("llama", "mistral"):
        kinds = st.sampled_from(["sliding_attention", "full_attention"])
        fields["layer_types"] = draw(st.lists(kinds, min_size=layers, max_size=layers))
        fields |= {"sliding_window": window}
    if family.startswith("qwen"):
        fields["use_sliding_window"] = True
    if family in ("gemma4_text", "gemma4_unified_text"):
        fields |= {"num_kv_shared_layers": 0, "final_logit_softcapping": draw(st.sampled_from([None, 10.0]))}
        fields |= {"hidden_size_per_layer_input": 0} if family == "gemma4_text" else {}
    elif family.startswith("gemma"):
        fields["query_pre_attn_scalar"] = draw(st.sampled_from([8, 24]))
        fields["final_logit_softcapping"] = draw(st.sampled_from([None, 10.0]))
    if family == "gemma2":
        fields["attn_logit_softcapping"] = draw(st.sampled_from([None, 2.0]))
    return fields


def save(drawn: Drawn, folder: Path) -> None:
    """Make the checkpoint in `folder`, with weights large enough that attention matters and logits are apart."""
    config = AutoConfig.for_model(drawn.family, **drawn.fields)
    model = AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(drawn.seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            centre = 1.0 if "norm" in name and drawn.family not in ("gemma2", "gemma3_text") else 0.0
            weight.copy_(centre + noise * 0.25)
        for name, scale in model.named_buffers():
            if name.endswith("layer_scalar"):
                scale.copy_(0.75 + 0.5 * torch.rand(scale.shape, generator=generator))
    model.to(DISK_DTYPES[drawn.disk]).save_pretrained(folder, max_shard_size=drawn.shard)


def oracle(folder: Path, seed: int, rows: int = 2) -> Oracle:
    """transformers' answer to random prompts: logits of the prompt, and `generate` with its logits."""
    model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    prompt = torch.randint(model.config.vocab_size, (rows, PROMPT), generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        first = model(prompt, use_cache=False).logits
        out = model.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            max_new_tokens=NEW,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    logits = torch.cat([first, torch.stack(out.logits[1:], dim=1)], dim=1)
    return Oracle(out.sequences.numpy(), logits.numpy())
