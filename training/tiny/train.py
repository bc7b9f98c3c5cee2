"""Trains the bundled model on text that it writes itself: `python -m training.tiny.train --minutes 45 --out DIR`.

Trains, exports, evaluates and writes the card, all into DIR.
"""

import argparse
import json
import random
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from rich.console import Console
from rich.progress import Progress
from transformers import PreTrainedTokenizerFast

from backend.attention.uncached import UncachedAttend
from backend.models.decoder import Decoder
from backend.tiny import CHECKPOINT
from training.tiny.card import card
from training.tiny.evaluate import write_evaluation
from training.tiny.export import export
from training.tiny.model import new_decoder
from training.tiny.optimizer import learning_rate, optimizer
from training.tiny.packing import Batch, LossWeights, pack
from training.tiny.tasks import Draw, conversation
from training.tiny.tokenizer import load_tokenizer, render, train_tokenizer

ROWS, LENGTH = 6, 384
SAVE_SECONDS = 180
RESUME = "resume.npz"
REPORT_STEPS = 25


@dataclass(frozen=True)
class Run:
    """What a run has done so far; written beside the weights as `training.json`.

    step: updates made. length: most tokens of a conversation. conversations: how many were drawn. tokens: how many
    were trained on, padding left out. assistant_loss: mean cross entropy, in nats, of what the assistant says, over the
    last `REPORT_STEPS` steps.
    """

    seed: int
    step: int = 0
    length: int = LENGTH
    conversations: int = 0
    tokens: int = 0
    seconds: float = 0.0
    assistant_loss: float = float("nan")

    def after(self, batch: Batch, following: int, seconds: float, loss: float) -> "Run":
        """The run once `batch` is learnt, at that time and loss; `following` is the next conversation's number."""
        return replace(
            self,
            step=self.step + 1,
            conversations=following,
            tokens=self.tokens + int((batch.segments > 0).sum()),
            seconds=seconds,
            assistant_loss=loss,
        )


def batches(tokenizer: PreTrainedTokenizerFast, run: Run) -> Iterator[tuple[Batch, int]]:
    """Batches from conversation number `run.conversations` on, each with the number that the next one begins at.

    Conversation i is drawn from a generator seeded by the run's seed and i, so a resumed run sees what it would have.
    """
    drawn = run.conversations

    def encoded() -> Iterator[list[int]]:
        nonlocal drawn
        while True:
            draw = Draw(random.Random(f"{run.seed}/{drawn}"))
            drawn += 1
            yield tokenizer.encode(render(tokenizer, conversation(draw)))

    for batch in pack(encoded(), LossWeights.of(tokenizer), ROWS, LENGTH, tokenizer.pad_token_id):
        # The conversation drawn last did not fit; it opens the next batch.
        yield batch, drawn - 1


def loss_of(graph: nnx.GraphDef, params: nnx.State, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Weighted mean cross entropy of the next token, and its mean over the assistant's own tokens; float32 scalars."""
    decoder = nnx.merge(graph, params)
    caches = [None] * len(decoder.config.layers)
    context = decoder.context(jnp.asarray(batch.positions), UncachedAttend(jnp.asarray(batch.segments)))
    hidden, _ = decoder(decoder.embed(batch.tokens), context, caches)
    losses = optax.softmax_cross_entropy_with_integer_labels(decoder.logits(hidden[:, :-1]), batch.tokens[:, 1:])
    weights = batch.weights[:, 1:]
    spoken = weights == 1
    return (losses * weights).sum() / weights.sum(), (losses * spoken).sum() / spoken.sum()


class Trainer:
    """Parameters, optimizer state and the compiled step. `params` and `state` are donated to every step."""

    def __init__(self, decoder: Decoder) -> None:
        graph, self.params = nnx.split(decoder, nnx.Param)
        update = optimizer()
        self.state = update.init(self.params)
        self.losses: deque[float] = deque(maxlen=REPORT_STEPS)

        def step(params: nnx.State, state: Any, batch: Batch, rate: jax.Array) -> tuple[nnx.State, Any, jax.Array]:
            gradient, spoken = jax.grad(lambda p: loss_of(graph, p, batch), has_aux=True)(params)
            updates, state = update.update(gradient, state, params)
            return (jax.tree.map(lambda p, u: p + rate * u, params, updates), state, spoken)

        self._step = jax.jit(step, donate_argnums=(0, 1))

    def step(self, batch: Batch, rate: float) -> float:
        """One update; returns the assistant's loss on the batch before it."""
        self.params, self.state, spoken = self._step(self.params, self.state, batch, jnp.float32(rate))
        self.losses.append(float(spoken))
        return self.losses[-1]

    @property
    def loss(self) -> float:
        """The assistant's mean loss over the last `REPORT_STEPS` steps, in nats per token."""
        return float(np.mean(self.losses))

    def save(self, path: Path) -> None:
        np.savez(path, *map(np.asarray, jax.tree.leaves((self.params, self.state))))

    def load(self, path: Path) -> None:
        with np.load(path) as saved:
            leaves = [jnp.asarray(saved[name]) for name in saved.files]
        self.params, self.state = jax.tree.unflatten(jax.tree.structure((self.params, self.state)), leaves)


def train(seed: int, minutes: float, out: Path) -> Run:
    """Trains for that long, or goes on where an unfinished run in `out` stopped, and exports into `out`."""
    trainer, tokenizer, run = _begin(seed, out)
    began, saved, limit = time.monotonic() - run.seconds, time.monotonic(), minutes * 60
    with Progress(console=Console()) as bar:
        task = bar.add_task("training", total=limit, completed=int(run.seconds))
        for batch, following in batches(tokenizer, run):
            trainer.step(batch, learning_rate(run.step, run.seconds / limit))
            run = run.after(batch, following, time.monotonic() - began, trainer.loss)
            bar.update(task, completed=run.seconds, description=f"loss {run.assistant_loss:.3f}")
            if run.step % REPORT_STEPS == 0:
                bar.console.log(f"step {run.step}, {run.tokens} tokens, assistant loss {run.assistant_loss:.3f}")
            if run.seconds >= limit:
                break
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(trainer, tokenizer, run, out)
                saved = time.monotonic()
    _save(trainer, tokenizer, run, out)
    (out / RESUME).unlink()
    return run


def _begin(seed: int, out: Path) -> tuple[Trainer, PreTrainedTokenizerFast, Run]:
    """A fresh start, or the state that an unfinished run left in `out`."""
    trainer = Trainer(new_decoder(seed))
    if not (out / RESUME).exists():
        return trainer, train_tokenizer(seed), Run(seed)
    trainer.load(out / RESUME)
    return trainer, load_tokenizer(out), Run(**json.loads((out / "training.json").read_text()))


def _save(trainer: Trainer, tokenizer: PreTrainedTokenizerFast, run: Run, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    trainer.save(out / RESUME)
    (out / "training.json").write_text(json.dumps(asdict(run), indent=2) + "\n")
    export(trainer.params, tokenizer, out)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m training.tiny.train", description=__doc__)
    parser.add_argument("--minutes", type=float, default=45, help="how long to train (default 45)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the text (default 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=CHECKPOINT,
        help="folder for the checkpoint (default the bundled one); goes on if unfinished",
    )
    options = parser.parse_args()
    train(options.seed, options.minutes, options.out)
    write_evaluation(options.out)
    (options.out / "README.md").write_text(card(options.out))


if __name__ == "__main__":
    main()
