"""A thousand requests that must call, to a model of random weights, in every family's form: every call is valid."""

import json
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from starlette.testclient import TestClient

from backend.engine_plan import LoadOptions
from backend.grammar import Compiler, alphabet_of
from backend.load import load_engine
from handlers.app import create_app
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format
from handlers.loaded import LoadedModel
from handlers.service import Service
from handlers.text.tokenizer import ChatTokenizer
from tests.tool_suite.schemas import tools

pytestmark = pytest.mark.slow

BUNDLED = Path(__file__).parents[2] / "backend" / "tiny" / "checkpoint"
FAMILIES = [name for name in TOOL_SYNTAXES if name != "none"]
EACH = 60
"""Requests to each family, 17 of them."""
HARMONY = ("<|start|>", "<|end|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|call|>")
MOST_CHARACTERS = 1200
PATH = "/v1/chat/completions"


class Kept(LoadedModel):
    """Stays open when a service that had it ends."""

    def close(self) -> None:
        """Nothing."""


@dataclass
class Score:
    complete: int = 0
    cut_off: int = 0
    calls: int = 0
    faults: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadedModel]:
    """The bundled model's shapes with random weights, and its tokens with harmony's beside them."""
    folder = tmp_path_factory.mktemp("random") / "model"
    shutil.copytree(BUNDLED, folder)
    add_tokens(folder)
    rng = np.random.default_rng(0)
    weights = load_file(folder / "model.safetensors")
    drawn = {name: _like(array, rng) for name, array in weights.items()}
    embedding = drawn["model.embed_tokens.weight"]
    drawn["model.embed_tokens.weight"] = np.concatenate([embedding, _like(embedding[: len(HARMONY)], rng)])
    (folder / "model.safetensors").unlink()
    save_file(drawn, folder / "model.safetensors", metadata={"format": "pt"})
    tokenizer = ChatTokenizer(folder)
    tokens = tokenizer.vocabulary()
    compiler = Compiler(tmp_path_factory.mktemp("grammars"), alphabet_of(tokens))
    engine = load_engine(LoadOptions(str(folder)), folder, tokens)
    compiler.warm()
    yield LoadedModel(engine, tokenizer, compiler)
    compiler.close()
    engine.close()


def add_tokens(folder: Path) -> None:
    """Harmony's, which a limit of reasoning needs: spelled out, what closes that is longer than it may be."""
    tokenizer, config = (json.loads((folder / name).read_text()) for name in ("tokenizer.json", "config.json"))
    first = config["vocab_size"]
    model = tokenizer["added_tokens"][-1]
    tokenizer["added_tokens"] += [model | {"id": first + i, "content": text} for i, text in enumerate(HARMONY)]
    config["vocab_size"] += len(HARMONY)
    for name, content in (("tokenizer.json", tokenizer), ("config.json", config)):
        (folder / name).write_text(json.dumps(content))


def _like(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    scale = 0.3 if array.ndim > 1 else 0.0
    return (rng.normal(size=array.shape) * scale + (array.ndim == 1)).astype(array.dtype)


@contextmanager
def answering(model: LoadedModel, family: str) -> Iterator[TestClient]:
    """Clients of a server whose model writes calls as `family` does."""
    flow = "channels" if family == "harmony" else "text"
    reasoning = {"harmony": "harmony", "gemma4": "gemma4", "mistral": "mistral"}.get(family, "think")
    format = Format(TOOL_SYNTAXES[family], REASONING_SYNTAXES[reasoning], flow, family, reasoning)
    kept = Kept(model.engine, model.tokenizer, model.compiler, format)
    service = Service(lambda: kept, ["tiny"])
    with TestClient(create_app(service)) as client:
        while service.status != "ready":
            pass
        yield client


def body_of(seed: int) -> dict[str, Any]:
    """Its prompt leaves room in the context of 1,024 tokens."""
    rng = random.Random(seed)
    body = {"messages": [{"role": "user", "content": "Go."}], "max_tokens": 200, "seed": seed}
    while len(json.dumps(body.setdefault("tools", tools(rng)))) > MOST_CHARACTERS:
        del body["tools"]
    body |= {"temperature": rng.choice([0, 0.7, 1, 2]), "parallel_tool_calls": rng.random() < 0.5}
    body["reasoning_budget"] = rng.choice([0, 0, 5, 20])
    name = rng.choice(body["tools"])["function"]["name"]
    choice = {"type": "function", "function": {"name": name}} if rng.random() < 0.3 else "required"
    return body | {"tool_choice": choice}


def judge(body: dict[str, Any], response: Any, score: Score) -> None:
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in body["tools"]}
    if response.status_code != 200:
        score.faults.append(f"{response.status_code}: {response.text[:300]} for {json.dumps(body)[:1500]}")
        return
    (choice,) = response.json()["choices"]
    calls = choice["message"].get("tool_calls", [])
    if choice["finish_reason"] == "length":
        score.cut_off += 1
        calls = calls[:-1]
    else:
        score.complete += 1
        if choice["finish_reason"] != "tool_calls" or not calls:
            score.faults.append(f"{choice} for {json.dumps(body)[:1500]}")
    if isinstance(body["tool_choice"], dict) and {c["function"]["name"] for c in calls} - {
        body["tool_choice"]["function"]["name"]
    }:
        score.faults.append(f"another function: {calls}")
    if not body["parallel_tool_calls"] and len(calls) > 1:
        score.faults.append(f"several calls: {calls}")
    for call in calls:
        score.calls += 1
        try:
            jsonschema.validate(json.loads(call["function"]["arguments"]), schemas[call["function"]["name"]])
        except (ValueError, KeyError, jsonschema.ValidationError) as error:
            score.faults.append(f"{call} by {schemas}: {str(error)[:300]}")


@pytest.mark.parametrize("number", range(len(FAMILIES)), ids=FAMILIES)
def test_every_call_that_must_be_made_is_valid(model: LoadedModel, number: int) -> None:
    score = Score()
    bodies = [body_of(1000 * number + i) for i in range(EACH)]
    with answering(model, FAMILIES[number]) as client, ThreadPoolExecutor(16) as pool:
        for body, response in zip(bodies, pool.map(lambda body: client.post(PATH, json=body), bodies), strict=True):
            judge(body, response, score)
    print(FAMILIES[number], score.complete, "complete,", score.cut_off, "cut off,", score.calls, "calls")
    assert score.faults == []
    assert score.complete > EACH / 2


def test_a_call_that_the_model_begins_by_itself_is_valid_too(model: LoadedModel) -> None:
    """tool_choice auto; a bias makes the model write the marker."""
    marker = model.tokenizer.marker_tokens("<tool_call>")
    assert len(marker) == 1
    score = Score()
    bodies = [
        body_of(seed) | {"tool_choice": "auto", "logit_bias": {str(marker[0]): 30}, "parallel_tool_calls": True}
        for seed in range(EACH)
    ]
    with answering(model, "hermes") as client, ThreadPoolExecutor(16) as pool:
        for body, response in zip(bodies, pool.map(lambda body: client.post(PATH, json=body), bodies), strict=True):
            choice = response.json()["choices"][0]
            judge(body | {"tool_choice": "required"}, response, score)
            assert choice["message"].get("tool_calls"), choice
    assert score.faults == [] and score.calls > EACH
