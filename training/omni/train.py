"""Trains the bundled model that sees and hears: `python -m training.omni.train --minutes 60 --out DIR`.

Trains, exports, evaluates and writes the card, all into DIR.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from transformers import PreTrainedTokenizerFast

from backend.attention.uncached import UncachedAttend
from backend.models.decoder import Decoder
from backend.tiny import OMNI
from training.commands import training_options
from training.omni.batches import LENGTH, PATCHES, PIECES, ROWS, Drawer, MediaBatch, drawing, exams, with_media
from training.omni.card import write_card
from training.omni.evaluate import write_evaluation
from training.omni.export import export
from training.omni.model import new_decoder
from training.omni.tasks import TASKS, USUAL
from training.omni.tokenizer import EncodedChat, Encoder, train_tokenizer
from training.optimizer import learning_rate
from training.packing import pack
from training.run import Run, begin, finish, save
from training.trainer import REPORT_STEPS, Trainer, cross_entropy

SAVE_SECONDS = 90
MEASURE_STEPS = 300
MEASURED = 64
"""Questions of each task that are measured while training goes on."""
LEAST_WEIGHT = 0.05
"""Of what is known already, beside the share of answers that are wrong."""


@dataclass(frozen=True)
class MediaRun(Run):
    """A run that draws media. weights: how often each kind is drawn now. note: what else the card is to say."""

    weights: Mapping[str, float] = field(default_factory=lambda: dict(USUAL))
    note: str = ""


def hidden_states(decoder: Decoder, batch: MediaBatch) -> jax.Array:
    """float32 [B, T, D] of a batch: the serving model's own forward pass, without a cache."""
    assert decoder.media is not None
    given: Any = jax.tree.map(jnp.asarray, batch)
    x = decoder.embed(given.tokens)
    flat = x.reshape(-1, x.shape[-1])
    flat = flat.at[given.patch_at].set(decoder.media("patches", given.patches, given.places), mode="drop")
    flat = flat.at[given.piece_at].set(decoder.media("sound", given.pieces), mode="drop")
    context = decoder.context(given.positions, UncachedAttend(given.segments, given.together))
    hidden, _ = decoder(flat.reshape(x.shape), context, [None] * len(decoder.config.layers))
    return hidden


def loss_of(decoder: Decoder, batch: MediaBatch) -> tuple[jax.Array, jax.Array]:
    """Weighted mean cross entropy of the next token, and its mean over the assistant's own tokens; float32 scalars."""
    logits = decoder.logits(hidden_states(decoder, batch)[:, :-1])
    return cross_entropy(logits, jnp.asarray(batch.tokens), jnp.asarray(batch.weights))


class Examiner:
    """Tells which questions parameters answer right, before they are exported."""

    def __init__(self, graph: nnx.GraphDef, encoder: Encoder) -> None:
        self.encoder = encoder

        def right(params: nnx.State, batch: MediaBatch) -> jax.Array:
            decoder = nnx.merge(graph, params)
            drawn = decoder.logits(hidden_states(decoder, batch)[:, :-1]).argmax(-1)
            return (drawn == batch.tokens[:, 1:]) | (batch.weights[:, 1:] != 1)

        self._right = jax.jit(right)

    def right(self, params: nnx.State, chats: Sequence[EncodedChat]) -> list[bool]:
        """Which of these would be answered greedily as they are, to the letter."""
        found: dict[int, bool] = {}
        for packed in pack(chats, ROWS, LENGTH, self.encoder.tokenizer.pad_token_id, rest=True):
            tokens = np.asarray(self._right(params, with_media(packed, self.encoder, PATCHES, PIECES)))
            for row, given in zip(tokens, packed.rows, strict=True):
                ends = np.cumsum([len(chat.ids) for chat in given], dtype=int) - 1
                parts = np.split(row, ends)[: len(given)]
                found |= {id(chat): bool(part.all()) for chat, part in zip(given, parts, strict=True)}
        return [found[id(chat)] for chat in chats]

    def shares(self, params: nnx.State, seed: str) -> dict[str, float]:
        """Task -> share of `MEASURED` new drawings, in phrasings of the training, that are answered right."""
        asked = [exams(self.encoder, task, MEASURED, seed, new_phrases=False) for task in TASKS]
        mixed = [encoded for drawn in zip(*asked, strict=True) for _, encoded in drawn]
        right = np.reshape(self.right(params, mixed), (MEASURED, len(TASKS)))
        return dict(zip(TASKS, right.mean(axis=0).tolist(), strict=True))


def weights_for(shares: Mapping[str, float]) -> dict[str, float]:
    """How often each kind of medium is to be shown: the more, the more of what is asked about it is answered wrong."""
    weights = dict.fromkeys(USUAL, LEAST_WEIGHT)
    for task, share in shares.items():
        weights[TASKS[task]] = max(weights[TASKS[task]], LEAST_WEIGHT + (1 - share))
    return weights


def train(seed: int, minutes: float, out: Path) -> MediaRun:
    """Trains for that long, or goes on where an unfinished run in `out` stopped, and exports into `out`."""
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(new_decoder(seed), loss_of)
    tokenizer, run = begin(trainer, train_tokenizer, MediaRun(seed, LENGTH), out)
    tokenizer.save_pretrained(out)
    examiner, limit = Examiner(trainer.graph, Encoder(tokenizer)), minutes * 60
    began, saved = time.monotonic() - run.seconds, time.monotonic()
    with drawing() as pool:
        drawer = Drawer(pool, out, run.seed, run.step)
        while run.seconds < limit:
            batch, conversations = drawer.draw(run.weights)
            trainer.step(batch, learning_rate(run.step, run.seconds / limit))
            drawn = run.conversations + conversations
            run = run.after(batch.segments, drawn, time.monotonic() - began, trainer.loss)
            if run.step % REPORT_STEPS == 0:
                print(f"{run.seconds:.0f} s, step {run.step}, assistant loss {run.assistant_loss:.4f}", flush=True)
            if run.step % MEASURE_STEPS == 0:
                shares = examiner.shares(trainer.params, f"measured/{run.seed}/{run.step}")
                print("  " + ", ".join(f"{task} {share:.0%}" for task, share in shares.items()), flush=True)
                run = replace(run, weights=weights_for(shares))
            if time.monotonic() - saved > SAVE_SECONDS:
                _save(trainer, tokenizer, run, out)
                saved = time.monotonic()
    _save(trainer, tokenizer, run, out)
    finish(out)
    return run


def _save(trainer: Trainer[MediaBatch], tokenizer: PreTrainedTokenizerFast, run: MediaRun, out: Path) -> None:
    save(trainer, run, out)
    export(trainer.params, tokenizer, out)


def main() -> None:
    options = training_options("training.omni.train", __doc__, 60, OMNI)
    train(options.seed, options.minutes, options.out)
    write_evaluation(options.out)
    write_card(options.out)


if __name__ == "__main__":
    main()
