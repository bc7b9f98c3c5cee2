"""Adapters of every family against PEFT (torch, fp32): logits and greedy tokens, beside rows without one."""

import shutil
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch

from backend.models.adapters.checkpoint import AdapterBase, read_adapter
from backend.models.adapters.placing import empty_stacks, slot_arrays
from backend.models.adapters.stack import place, row_adapters
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import Decoder
from backend.models.weights import load
from tests.parity import gguf_files
from tests.parity.peft_adapters import peft_logits, peft_oracle, save_adapter
from tests.parity.programs import Given, greedy, prefill, whole_logits
from tests.parity.test_gguf import TOKENS, make
from tests.parity.test_parity import NEW, PROMPT, assert_close, steps_before_a_tie

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
RANKS = {"r": 4, "rank_pattern": {"layers.1.self_attn.q_proj": 7, "v_proj": 2}, "lora_alpha": 6}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "names": ("llama", {"attention_bias": True}, {"target_modules": ATTENTION, "bias": "all", **RANKS}),
    "all linear layers, by the root of the rank": (
        "mistral", {"sliding_window": 5}, {"target_modules": "all-linear", "use_rslora": True, "r": 3},
    ),
    "trained biases of the layers that are changed": (
        "qwen2", {}, {"target_modules": ["q_proj", "v_proj", "up_proj"], "bias": "lora_only", "r": 8},
    ),
    "a regular expression": (
        "qwen3", {"head_dim": 8}, {"target_modules": r".*\.(1|2)\..*(gate|k)_proj", "alpha_pattern": {"k_proj": 20}},
    ),
    "some layers": ("gemma2", {}, {"target_modules": ["v_proj", "gate_proj"], "layers_to_transform": [0, 2], "r": 5}),
    "biases of their own": ("gemma3_text", {}, {"target_modules": ATTENTION, "lora_bias": True, "r": 2}),
}  # fmt: skip


def given(decoder: Decoder, folder: Path, slots: list[int], native: bool = False) -> Given:
    """The adapter in the second of three slots of rank 16, and which rows have it."""
    base = AdapterBase(decoder)
    stacks = empty_stacks(base, 3, 16, native)
    stacks = place(stacks, 1, slot_arrays(read_adapter(folder, base), base, stacks))
    return stacks, row_adapters(slots, 2)


@pytest.mark.parametrize("case", CASES)
def test_an_adapter_answers_as_in_peft_and_changes_no_row_without_it(tmp_path: Path, case: str) -> None:
    family, fields, config = CASES[case]
    make(tmp_path / "base", family, **fields)
    save_adapter(tmp_path / "base", tmp_path / "adapter", **config)
    expected = peft_oracle(tmp_path / "base", tmp_path / "adapter", seed=3)
    decoder = load(open_checkpoint(tmp_path / "base"), jnp.float32)
    tokens = np.concatenate([expected.tokens, expected.tokens])
    adapters = given(decoder, tmp_path / "adapter", [1, 1, -1, -1])
    plain = whole_logits(decoder, expected.tokens[:, :-1])
    both = whole_logits(decoder, tokens[:, :-1], adapters)
    assert_close(both[:2], expected.logits)
    assert_close(both[2:], plain)
    assert np.abs(plain - expected.logits).max() > 0.1 * np.abs(plain).max()
    prompt, caches = prefill(decoder, tokens[:, :PROMPT], [16, 8], PROMPT + NEW, adapters)
    assert_close(prompt[:2], expected.logits[:, :PROMPT])
    drawn, _ = greedy(decoder, prompt[:, -1].argmax(-1), caches, PROMPT, NEW, adapters)
    for row, steps in enumerate(steps_before_a_tie(expected.logits[:, PROMPT - 1 :])):
        assert steps > NEW // 4
        np.testing.assert_array_equal(drawn[row, :steps], expected.tokens[row, PROMPT : PROMPT + steps])


@pytest.mark.parametrize("native", [False, True])
def test_several_adapters_share_a_call_with_rows_of_none(tmp_path: Path, native: bool) -> None:
    """Each row is what it is with its own adapter alone; in either way of computing them."""
    make(tmp_path / "base", "llama")
    decoder = load(open_checkpoint(tmp_path / "base"), jnp.float32)
    base = AdapterBase(decoder)
    stacks = empty_stacks(base, 3, 8, native)
    for slot, rank in enumerate((2, 8, 5)):
        folder = tmp_path / str(slot)
        save_adapter(tmp_path / "base", folder, seed=slot, target_modules="all-linear", r=rank)
        stacks = place(stacks, slot, slot_arrays(read_adapter(folder, base), base, stacks))
    rows = [2, -1, 0, 1, 0, 2, 1, -1]
    tokens = np.random.default_rng(1).integers(64, size=(len(rows), 12))
    together = whole_logits(decoder, tokens, (stacks, row_adapters(rows, 3)))
    for slot in (0, 1, 2, -1):
        mine = [row for row, own in enumerate(rows) if own == slot]
        expected = (
            whole_logits(decoder, tokens[mine])
            if slot < 0
            else peft_logits(tmp_path / "base", tmp_path / str(slot), tokens[mine])
        )
        assert_close(together[mine], expected)


def test_a_fused_base_takes_adapters_of_its_fused_and_of_its_single_projections(tmp_path: Path) -> None:
    """Phi 3 stores queries, keys and values as one, and so does PEFT; its GGUF file is served by the same adapter."""
    make(tmp_path / "base", "phi3", sliding_window=None)
    save_adapter(tmp_path / "base", tmp_path / "adapter", target_modules="all-linear", r=4)
    decoder = load(open_checkpoint(gguf_files.write(tmp_path / "base", tmp_path / "model.gguf")), jnp.float32)
    found = whole_logits(decoder, TOKENS, given(decoder, tmp_path / "adapter", [1, 1]))
    assert_close(found, peft_logits(tmp_path / "base", tmp_path / "adapter", TOKENS))


def test_adapters_of_fewer_bits_are_their_numbers_exactly(tmp_path: Path) -> None:
    make(tmp_path / "base", "llama")
    save_adapter(tmp_path / "base", tmp_path / "adapter", dtype=torch.bfloat16, target_modules=ATTENTION)
    decoder = load(open_checkpoint(tmp_path / "base"), jnp.float32)
    found = whole_logits(decoder, TOKENS, given(decoder, tmp_path / "adapter", [1, 1]))
    assert_close(found, peft_logits(tmp_path / "base", tmp_path / "adapter", TOKENS))


def test_an_adapter_works_beside_weights_that_are_quantised(tmp_path: Path) -> None:
    """As in PEFT on the floats that they stand for."""
    make(tmp_path / "base", "llama")
    save_adapter(tmp_path / "base", tmp_path / "adapter", target_modules="all-linear", r=4)
    file = gguf_files.write(tmp_path / "base", tmp_path / "model.gguf", "Q4_1")
    gguf_files.dump(file, tmp_path / "dumped")
    shutil.copy(tmp_path / "base" / "config.json", tmp_path / "dumped")
    decoder = load(open_checkpoint(file), jnp.float32)
    found = whole_logits(decoder, TOKENS, given(decoder, tmp_path / "adapter", [1, 1]))
    expected = peft_logits(tmp_path / "dumped", tmp_path / "adapter", TOKENS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-3 * np.abs(expected).max())
