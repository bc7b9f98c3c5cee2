"""A training run as it is kept on the disk: it goes on where it was interrupted."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from transformers import PreTrainedTokenizerFast

from training.tokenizer import load_tokenizer
from training.trainer import Trainer

RESUME = "resume.npz"
RECORD = "training.json"


@dataclass(frozen=True)
class Run:
    """What a run has done so far; written beside the weights as `training.json`.

    step: updates made. length: most tokens of a conversation. conversations: how many were drawn. tokens: how many
    were trained on, padding left out. assistant_loss: mean cross entropy, in nats, of what the assistant says, over the
    last `REPORT_STEPS` steps.
    """

    seed: int
    length: int
    step: int = 0
    conversations: int = 0
    tokens: int = 0
    seconds: float = 0.0
    assistant_loss: float = float("nan")

    def after(self: "SomeRun", segments: np.ndarray, conversations: int, seconds: float, loss: float) -> "SomeRun":
        """The run once a batch is learnt, at that time and loss. segments: of the batch, 0 where it is padding.
        conversations: how many are drawn by then."""
        return replace(
            self,
            step=self.step + 1,
            conversations=conversations,
            tokens=self.tokens + int((segments > 0).sum()),
            seconds=seconds,
            assistant_loss=loss,
        )


SomeRun = TypeVar("SomeRun", bound=Run)


def begin(
    trainer: Trainer[Any], train_tokenizer: Callable[[int], PreTrainedTokenizerFast], fresh: SomeRun, out: Path
) -> tuple[PreTrainedTokenizerFast, SomeRun]:
    """The tokenizer and run of a fresh start, or what an unfinished run left in `out`; the trainer too."""
    if not (out / RESUME).exists():
        return train_tokenizer(fresh.seed), fresh
    trainer.load(out / RESUME)
    return load_tokenizer(out), type(fresh)(**json.loads((out / RECORD).read_text()))


def save(trainer: Trainer[Any], run: Run, out: Path) -> None:
    """Writes what `begin` goes on from into `out`, which is made where it is missing."""
    out.mkdir(parents=True, exist_ok=True)
    trainer.save(out / RESUME)
    (out / RECORD).write_text(json.dumps(asdict(run), indent=2) + "\n")


def finish(out: Path) -> None:
    """Has nothing go on from there any more."""
    (out / RESUME).unlink()
