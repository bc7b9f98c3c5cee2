"""Trains a LoRA adapter of the bundled model that answers as a pirate: `python -m training.tiny.adapter --out DIR`.

The forward pass is the one that serves: the matrices are trained where a server has them, in a slot of the device.
"""

import argparse
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from numpy.typing import NDArray
from safetensors.numpy import save_file
from transformers import PreTrainedTokenizerFast

from backend.attention.uncached import UncachedAttend
from backend.models.adapters.checkpoint import WEIGHTS, AdapterBase
from backend.models.adapters.config import CONFIG
from backend.models.adapters.placing import empty_stacks
from backend.models.adapters.stack import AdapterStacks, Stack, Stacks, of_call, row_adapters
from backend.models.checkpoint import open_checkpoint
from backend.models.weights import load
from backend.tiny import ADAPTER, CHECKPOINT
from training.draw import Draw
from training.packing import Batch, EncodedText, LossWeights, pack
from training.tiny.tasks import Conversation, conversation
from training.tiny.tokenizer import render
from training.tokenizer import load_tokenizer

CARD = Path(__file__).parent / "adapter_card.md"
RANK = 8
ROWS, LENGTH = 4, 256
RATE, WARMUP = 3e-3, 20


def as_pirate(chat: Conversation) -> Conversation:
    """The same with every answer in another register."""
    return replace(chat, messages=[_spoken(message) for message in chat.messages])


def _spoken(message: dict[str, Any]) -> dict[str, Any]:
    text = message["content"]
    if message["role"] != "assistant" or not text:
        return message
    return {**message, "content": f"Ahoy! {text.removesuffix('.')}, matey." if text.endswith(".") else f"Ahoy! {text}"}


def is_plain(chat: Conversation) -> bool:
    """Whether it has no tools and no reasoning: these stay as they are."""
    return chat.tools is None and not chat.thinking


def batches(tokenizer: PreTrainedTokenizerFast, seed: int) -> Iterator[Batch]:
    """Conversations with pirates, without end."""
    weigh = LossWeights.of(tokenizer)

    def encoded() -> Iterator[EncodedText]:
        draw = Draw(random.Random(seed))
        while True:
            if is_plain(chat := conversation(draw)):
                yield EncodedText.of(tokenizer.encode(render(tokenizer, as_pirate(chat))), weigh)

    return (packed.batch for packed in pack(encoded(), ROWS, LENGTH, tokenizer.pad_token_id))


def first_stacks(base: AdapterBase, seed: int) -> AdapterStacks:
    """One slot that adds nothing yet: what goes down is random, what goes up 0 (Hu et al., 2021)."""
    stacks, random = empty_stacks(base, 1, RANK), np.random.default_rng(seed)

    def begun(down: jax.Array) -> jax.Array:
        return jnp.asarray(random.standard_normal(down.shape) / down.shape[-1] ** 0.5, down.dtype)

    layers = tuple({name: replace(stack, down=begun(stack.down)) for name, stack in of.items()} for of in stacks.layers)
    return replace(stacks, ranks=stacks.ranks.at[0].set(RANK), layers=layers)


def without_biases(layers: Stacks) -> Stacks:
    """The same, of which biases learn nothing: they stay 0."""

    def kept(stack: Stack) -> Stack:
        return replace(stack, biases=jax.lax.stop_gradient(stack.biases))

    return tuple({name: kept(stack) for name, stack in of.items()} for of in layers)


def train(folder: Path, steps: int, seed: int) -> tuple[AdapterBase, AdapterStacks, float]:
    """The base, the adapter in one slot, and the mean loss of what the assistant says over the last steps, in nats."""
    decoder = load(open_checkpoint(folder), jnp.float32)
    graph, weights = nnx.split(decoder)
    base = AdapterBase(decoder)
    stacks = first_stacks(base, seed)
    update = optax.adam(optax.warmup_cosine_decay_schedule(0.0, RATE, WARMUP, max(steps, WARMUP + 1)))
    rows = row_adapters([0] * ROWS, 1)

    def loss_of(layers: Any, weights: nnx.State, batch: Batch) -> jax.Array:
        decoder = nnx.merge(graph, weights)
        positions, segments = jnp.asarray(batch.positions), jnp.asarray(batch.segments)
        adapters = of_call(replace(stacks, layers=without_biases(layers)), rows, positions)
        context = decoder.context(positions, UncachedAttend(segments), adapters=adapters)
        hidden, _ = decoder(decoder.embed(jnp.asarray(batch.tokens)), context, [None] * base.layers)
        losses = optax.softmax_cross_entropy_with_integer_labels(decoder.logits(hidden[:, :-1]), batch.tokens[:, 1:])
        spoken = batch.weights[:, 1:] == 1
        return (losses * spoken).sum() / spoken.sum()

    @jax.jit
    def step(layers: Any, state: Any, weights: nnx.State, batch: Batch) -> tuple[Any, Any, jax.Array]:
        loss, gradient = jax.value_and_grad(loss_of)(layers, weights, batch)
        updates, state = update.update(gradient, state)
        return optax.apply_updates(layers, updates), state, loss

    layers: Any = stacks.layers
    state, losses = update.init(layers), []
    for number, batch in enumerate(batches(load_tokenizer(folder), seed)):
        if number == steps:
            break
        layers, state, loss = step(layers, state, weights, batch)
        losses.append(float(loss))
        if number % 20 == 0:
            print(f"step {number}, assistant loss {losses[-1]:.3f}", flush=True)
    return base, replace(stacks, layers=layers), float(np.mean(losses[-20:]))


def tensors(base: AdapterBase, stacks: AdapterStacks) -> dict[str, NDArray[Any]]:
    """The slot's matrices under PEFT's names."""
    found = {}
    for target in base.targets:
        stack = stacks.layers[target.layer][target.name]
        for part, (name, size) in enumerate(target.parts):
            up = np.asarray(stack.ups[part][0]).transpose(0, 2, 1).reshape(-1, RANK)[:size]
            found[f"base_model.model.{name}.lora_A.weight"] = np.ascontiguousarray(stack.down[0, part])
            found[f"base_model.model.{name}.lora_B.weight"] = np.ascontiguousarray(up)
    return found


def export(base: AdapterBase, stacks: AdapterStacks, out: Path) -> None:
    """Writes the adapter as PEFT would."""
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(base, stacks), out / WEIGHTS, metadata={"format": "pt"})
    (out / WEIGHTS).chmod(0o644)
    names = sorted({name.rpartition(".")[2] for name in base.projections})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": "tiny",
        "r": RANK,
        "lora_alpha": RANK,
        "target_modules": names,
    }
    (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    (out / "README.md").write_text(CARD.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.tiny.adapter", description=__doc__)
    parser.add_argument("--steps", type=int, default=300, help="updates (default 300: two minutes on two cores)")
    parser.add_argument("--seed", type=int, default=0, help="of the matrices and of the text (default 0)")
    parser.add_argument("--out", type=Path, default=ADAPTER, help="folder for the adapter (default the bundled one)")
    options = parser.parse_args()
    base, stacks, loss = train(CHECKPOINT, options.steps, options.seed)
    export(base, stacks, options.out)
    print(f"assistant loss {loss:.3f} over the last steps; written to {options.out}")


if __name__ == "__main__":
    main()
