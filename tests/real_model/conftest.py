"""SmolLM2-135M-Instruct as a GGUF file, told by JAXCHAT_REAL_MODEL (`nox -s real_model` fetches it)."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

PROMPTS = Path(__file__).parent / "prompts.jsonl"


class RealPrompt(NamedTuple):
    """What a user says, and the ids of the whole prompt as llama.cpp tokenises it in SmolLM2's chat template."""

    user: str
    tokens: list[int]


def pytest_configure() -> None:
    torch.set_num_threads(os.cpu_count() or 1)


@pytest.fixture(scope="session")
def real_model() -> Path:
    """The GGUF file."""
    given = os.environ.get("JAXCHAT_REAL_MODEL")
    if given is None:
        pytest.fail("JAXCHAT_REAL_MODEL must name SmolLM2-135M-Instruct.Q4_1.gguf; `nox -s real_model` does")
    return Path(given)


@pytest.fixture(scope="session")
def real_prompts() -> list[RealPrompt]:
    """Forty prompts: questions, lists, code, other languages, one of five hundred tokens."""
    return [RealPrompt(**json.loads(line)) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]
