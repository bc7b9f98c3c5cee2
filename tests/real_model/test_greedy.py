"""The real model's greedy answers are those of transformers (torch, fp32) on the file's dequantised weights."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from backend import LoadOptions, Prompt, Request, SamplingParams, load_engine
from tests.parity.gguf_files import dump
from tests.real_model.conftest import RealPrompt

NEW = 64
END = 2
TIE = 1e-4
ROWS = 8

pytestmark = pytest.mark.real_model


def test_greedy_answers_are_those_of_transformers(
    real_model: Path, real_prompts: list[RealPrompt], tmp_path: Path
) -> None:
    prompts = [prompt.tokens for prompt in real_prompts]
    assert len(prompts) == 40
    answers = our_answers(real_model, prompts)
    dump(real_model, tmp_path / "dequantised")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "dequantised", dtype=torch.float32)
    turned = [index for index, answer in enumerate(answers) if not is_greedy(model, prompts[index], answer)]
    assert not turned, [real_prompts[index].user for index in turned]


def our_answers(file: Path, prompts: list[list[int]]) -> list[list[int]]:
    """What the engine answers, all prompts at once, each up to its end token."""
    engine = load_engine(
        LoadOptions(model=str(file), rows=ROWS, context=1024, dtype="float32", quantization="none"), file, ()
    )
    sampling = SamplingParams(max_tokens=NEW, end_tokens=(END,), temperature=0.0)

    def answer(prompt: list[int]) -> list[int]:
        return [event.token for event in engine.generate(Request(Prompt(tuple(prompt)), sampling, seeds=(0,)))]

    try:
        with ThreadPoolExecutor(len(prompts)) as threads:
            return list(threads.map(answer, prompts))
    finally:
        engine.close()


def is_greedy(model: torch.nn.Module, prompt: list[int], answer: list[int]) -> bool:
    """Whether every token is the likeliest after those before it, or as likely but for rounding; and none is wanting.

    Greedy decoding step by step takes the same tokens as long as no two are tied; from a tie on there are two greedy
    answers, and this one must be one of them.
    """
    with torch.no_grad():
        logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1].numpy()
    behind = logits.max(-1) - logits[np.arange(len(answer)), answer]
    return bool((behind < TIE).all()) and (len(answer) == NEW or answer[-1] == END)
