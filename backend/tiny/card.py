"""Writes the model card from what training and evaluation recorded: `python -m backend.tiny.card DIR`."""

import argparse
import json
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

TEXT = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
tags: [demonstration, tiny, tool-calling]
---
# Tiny: the model that comes with jaxchat

A demonstration, not an assistant. It is here so that a fresh clone can answer, think, write JSON and call tools without a
download, and so that every feature of the server has a meaningful end-to-end test. It knows nothing beyond the few kinds
of sentences below and must not be relied on for anything.

## What it is
{parameters:,} parameters in bfloat16: a decoder of the Qwen3 architecture, {layers} layers of width {hidden}, {heads} query and {kv_heads}
key-value heads of {head_dim}, feed-forward {ffw}, tied embeddings, {vocab} byte-level BPE tokens. Digits are single tokens, and
words stand apart from the space before them. `config.json` allows a context of {context} tokens; training saw conversations
of at most {length}.

## How to talk to it
The chat template is in the ChatML form, with tools and tool calls as Hermes and Qwen3 write them
(`<tool_call>`, one JSON object with `name` and `arguments`). It answers directly by default. With
`chat_template_kwargs: {{"enable_thinking": true}}` it writes a `<think>` block first; it was always trained to think when asked
to. Thoughts of earlier turns are dropped from the prompt.

## How it was made
All text was written by the generator in `backend/tiny/tasks`: no other data of any kind. Seed {seed}, {steps:,} steps of Muon and
Adam, {conversations:,} conversations, {tokens:,} tokens, {minutes:.0f} minutes on two shared CPU cores. Final loss on the assistant's own
tokens: {loss:.3f} nats per token. `nox -s train_tiny` runs the recipe again; it stops by the clock, so another machine sees
another number of steps and ends with other weights.

## What it can do
Share of greedy answers that are right to the letter, {samples} per cell, in float32. All names, words and number pairs in the
questions are ones that training never used. *known*: phrasings that training used. *new*: phrasings that it never used.
*thinking*: the new phrasings with thinking on; thoughts are not judged.

{table}

`python -m backend.tiny.evaluate DIR` measures this again.

## What it cannot do
Anything else. To other questions it says that it does not know, or answers something well-formed and wrong. Copying of
rare words can lose or swap letters, sums without thinking are often wrong, and prompts longer than it was trained on derail
it. English only. It has no knowledge of harm and no filter against it, and too little knowledge to do any.

## Licence
Apache-2.0, like the repository. The training text is generated and under the same licence.
"""


def card(folder: Path) -> str:
    """The card of the checkpoint in `folder`, from its config.json, training.json, evaluation.json and weights."""
    config, run, evaluation = (_read(folder / f"{name}.json") for name in ("config", "training", "evaluation"))
    return TEXT.format(
        parameters=parameters(folder),
        layers=config["num_hidden_layers"],
        hidden=config["hidden_size"],
        heads=config["num_attention_heads"],
        kv_heads=config["num_key_value_heads"],
        head_dim=config["head_dim"],
        ffw=config["intermediate_size"],
        vocab=config["vocab_size"],
        context=config["max_position_embeddings"],
        length=run["length"],
        seed=run["seed"],
        steps=run["step"],
        conversations=run["conversations"],
        tokens=run["tokens"],
        minutes=run["seconds"] / 60,
        loss=run["assistant_loss"],
        samples=evaluation["samples"],
        table=table(evaluation["scores"]),
    )


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def parameters(folder: Path) -> int:
    return sum(tensor.size for tensor in load_file(folder / "model.safetensors").values())


def table(scores: dict[str, dict[str, float]]) -> str:
    """Scores as a Markdown table, with a row of means."""
    modes = list(next(iter(scores.values())))
    means = {mode: sum(row[mode] for row in scores.values()) / len(scores) for mode in modes}
    rows = [f"| {name} | " + " | ".join(f"{row[mode]:.0%}" for mode in modes) + " |" for name, row in scores.items()]
    head = [f"| skill | {' | '.join(modes)} |", "|---|" + "---:|" * len(modes)]
    return "\n".join([*head, *rows, "| **mean** | " + " | ".join(f"{means[mode]:.0%}" for mode in modes) + " |"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m backend.tiny.card", description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="an evaluated checkpoint of this recipe; README.md is written into it"
    )
    folder = parser.parse_args().folder
    (folder / "README.md").write_text(card(folder))


if __name__ == "__main__":
    main()
