"""Measures what a checkpoint can do: `python -m training.omni.evaluate DIR` prints a table and writes evaluation.json.

Questions about drawings that training never saw go through the engine that serves, from decoded pixels and samples on,
and are answered greedily; an answer must be right to the letter. Phrasings are ones that training used ("known"), or
never used ("new").
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from transformers import PreTrainedTokenizerFast

from backend import Engine, LoadOptions, Request, SamplingParams, load_engine
from training.commands import checkpoint
from training.evaluation import Scores, table, write
from training.omni.batches import exams
from training.omni.model import CONTEXT
from training.omni.tasks import TASKS, Chat
from training.omni.tokenizer import Encoder, shown
from training.tokenizer import END, PAD, identity, load_tokenizer

SAMPLES = 200
SEED = "evaluated"
MODES = {"known": False, "new": True}
"""Name of a way to ask -> whether its phrasings are new."""
ROWS = 8
MOST_TOKENS = 32


@contextmanager
def serving(folder: Path) -> Iterator[Engine]:
    """The engine of a checkpoint, as a server has it."""
    tokenizer = load_tokenizer(folder)
    texts = [b""] * len(tokenizer)
    engine = load_engine(LoadOptions(str(folder), rows=ROWS, context=CONTEXT // 2), folder, texts)
    try:
        yield engine
    finally:
        engine.close()


def answer(engine: Engine, tokenizer: PreTrainedTokenizerFast, chat: Chat) -> str:
    """What the engine says to all of a conversation but its last message."""
    media, encoded = engine.media, []
    assert media is not None
    for medium in chat.media:
        made = media.encode(medium)
        assert made is not None
        encoded.append(made)
    tokens = tokenizer.encode(shown(tokenizer, chat, ask=True))
    ends = tuple(identity(tokenizer, token) for token in (END, PAD))
    sampling = SamplingParams(temperature=0.0, max_tokens=MOST_TOKENS, end_tokens=ends)
    events = engine.generate(Request(media.prompt(tokens, encoded), sampling, seeds=(0,)))
    return str(tokenizer.decode([event.token for event in events if not event.is_end]))


def evaluate(folder: Path, samples: int = SAMPLES, modes: tuple[str, ...] = tuple(MODES)) -> Scores:
    """Shares of right answers of the checkpoint in `folder`, to `samples` questions of every task in every mode."""
    tokenizer = load_tokenizer(folder)
    encoder, scores = Encoder(tokenizer), {task: dict.fromkeys(modes, 0.0) for task in TASKS}
    with serving(folder) as engine, ThreadPoolExecutor(ROWS) as pool:
        for task in TASKS:
            for mode in modes:
                chats = [chat for chat, _ in exams(encoder, task, samples, f"{SEED}/{mode}", MODES[mode])]
                answers = pool.map(lambda chat: answer(engine, tokenizer, chat), chats)
                right = [said == chat.messages[-1]["content"] for said, chat in zip(answers, chats, strict=True)]
                scores[task][mode] = sum(right) / samples
    return scores


def write_evaluation(folder: Path) -> Scores:
    """Evaluates in full and stores the result beside the weights as evaluation.json."""
    scores = evaluate(folder)
    write(scores, SAMPLES, SEED, folder)
    return scores


if __name__ == "__main__":
    where = checkpoint(
        "training.omni.evaluate", __doc__, "a checkpoint of this recipe; evaluation.json is written into it"
    )
    Console().print(table(write_evaluation(where), "task", places=1))
