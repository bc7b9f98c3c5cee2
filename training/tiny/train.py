"""Trains the bundled model on text that it writes itself: `python -m training.tiny.train --minutes 45 --out DIR`.

Trains, exports, evaluates and writes the card, all into DIR.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
from rich.console import Console
from rich.progress import Progress
from transformers import PreTrainedTokenizerFast

from backend.attention.uncached import UncachedAttend
from backend.models.decoder import Decoder
from backend.tiny import CHECKPOINT
from training.commands import training_options
from training.draw import Draw
from training.optimizer import learning_rate
from training.packing import Batch, EncodedText, LossWeights, pack
from training.run import Run, begin, finish, save
from training.tiny.card import write_card
from training.tiny.evaluate import write_evaluation
from training.tiny.export import export
from training.tiny.model import new_decoder
from training.tiny.tasks import conversation
from training.tiny.tokenizer import render, train_tokenizer
from training.trainer import REPORT_STEPS, Trainer, cross_entropy

ROWS, LENGTH = 6, 384
SAVE_SECONDS = 180


def batches(tokenizer: PreTrainedTokenizerFast, run: Run) -> Iterator[tuple[Batch, int]]:
    """Batches from conversation number `run.conversations` on, each with the number that the next one begins at.

    Conversation i is drawn from a generator seeded by the run's seed and i, so a resumed run sees what it would have.
    """
    drawn, weigh = run.conversations, LossWeights.of(tokenizer)

    def encoded() -> Iterator[EncodedText]:
        nonlocal drawn
        while True:
            draw = Draw(random.Random(f"{run.seed}/{drawn}"))
            drawn += 1
            yield EncodedText.of(tokenizer.encode(render(tokenizer, conversation(draw))), weigh)

    for packed in pack(encoded(), ROWS, LENGTH, tokenizer.pad_token_id):
        # The conversation drawn last did not fit; it opens the next batch.
        yield packed.batch, drawn - 1


def loss_of(decoder: Decoder, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """Weighted mean cross entropy of the next token, and its mean over the assistant's own tokens; float32 scalars."""
    tokens, segments, positions, weights = map(jnp.asarray, batch)
    caches = [None] * len(decoder.config.layers)
    hidden, _ = decoder(decoder.embed(tokens), decoder.context(positions, UncachedAttend(segments)), caches)
    return cross_entropy(decoder.logits(hidden[:, :-1]), tokens, weights)


def train(seed: int, minutes: float, out: Path) -> Run:
    """Trains for that long, or goes on where an unfinished run in `out` stopped, and exports into `out`."""
    trainer = Trainer(new_decoder(seed), loss_of)
    tokenizer, run = begin(trainer, train_tokenizer, Run(seed, LENGTH), out)
    began, saved, limit = time.monotonic() - run.seconds, time.monotonic(), minutes * 60
    with Progress(console=Console()) as bar:
        task = bar.add_task("training", total=limit, completed=int(run.seconds))
        for batch, following in batches(tokenizer, run):
            trainer.step(batch, learning_rate(run.step, run.seconds / limit))
            run = run.after(batch.segments, following, time.monotonic() - began, trainer.loss)
            bar.update(task, completed=run.seconds, description=f"loss {run.assistant_loss:.3f}")
            if run.step % REPORT_STEPS == 0:
                bar.console.log(f"step {run.step}, {run.tokens} tokens, assistant loss {run.assistant_loss:.3f}")
            if run.seconds >= limit:
                break
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(trainer, tokenizer, run, out)
                saved = time.monotonic()
    _save(trainer, tokenizer, run, out)
    finish(out)
    return run


def _save(trainer: Trainer[Batch], tokenizer: PreTrainedTokenizerFast, run: Run, out: Path) -> None:
    save(trainer, run, out)
    export(trainer.params, tokenizer, out)


def main() -> None:
    options = training_options("training.tiny.train", __doc__, 45, CHECKPOINT)
    train(options.seed, options.minutes, options.out)
    write_evaluation(options.out)
    write_card(options.out)


if __name__ == "__main__":
    main()
