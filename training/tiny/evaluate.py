"""Measures what a checkpoint can do: `python -m training.tiny.evaluate DIR` prints a table and writes evaluation.json.

Every answer is drawn greedily and must be right to the letter. Names and words, and the number pairs of additions and
comparisons, are always ones that training never used; phrasings are ones it used ("known"), or never used ("new"), or
never used with thinking on.
"""

import random
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from transformers import PreTrainedTokenizerFast

from training.commands import checkpoint
from training.draw import Draw
from training.evaluation import Scores, table, write
from training.tiny.generation import Greedy
from training.tiny.tasks import EXCHANGES, Conversation, exam
from training.tiny.tokenizer import render, render_prompt
from training.tokenizer import END, identity, load_tokenizer

SAMPLES = 32
SEED = 1_000_003
MODES = {"known": (False, False), "new": (True, False), "thinking": (True, True)}
"""Name of a way to ask -> (new phrasings, thinking)."""


@dataclass(frozen=True)
class Question:
    """A prompt as token ids, and the answer that is right."""

    skill: str
    mode: str
    prompt: list[int]
    answer: str


def question(tokenizer: PreTrainedTokenizerFast, chat: Conversation, skill: str, mode: str) -> Question:
    prompt = render_prompt(tokenizer, chat)
    expected = render(tokenizer, chat).removeprefix(prompt).removesuffix(f"{END}\n")
    return Question(skill, mode, tokenizer.encode(prompt), spoken(expected))


def spoken(text: str) -> str:
    """What is left of an answer without its thoughts."""
    return text.split("</think>")[-1].strip()


def questions(tokenizer: PreTrainedTokenizerFast, samples: int, modes: list[str]) -> list[Question]:
    """`samples` questions of every skill in every mode, the same ones each time."""
    asked = []
    for mode in modes:
        new_phrases, thinking = MODES[mode]
        for skill in EXCHANGES:
            draw = Draw(random.Random(f"{SEED}/{mode}/{skill}"), new_phrases, new_values=True)
            asked += [question(tokenizer, exam(draw, skill, thinking), skill, mode) for _ in range(samples)]
    return asked


def evaluate(folder: Path, samples: int = SAMPLES, modes: tuple[str, ...] = tuple(MODES)) -> Scores:
    """Exact-match shares of the checkpoint in `folder`."""
    tokenizer = load_tokenizer(folder)
    asked = questions(tokenizer, samples, list(modes))
    answers = Greedy(folder).continue_all([each.prompt for each in asked], identity(tokenizer, END))
    right: dict[tuple[str, str], list[bool]] = {}
    for each, answer in zip(asked, answers, strict=True):
        said = spoken(str(tokenizer.decode(answer, skip_special_tokens=False)))
        right.setdefault((each.skill, each.mode), []).append(said == each.answer)
    return {skill: {mode: sum(right[skill, mode]) / samples for mode in modes} for skill in EXCHANGES}


def write_evaluation(folder: Path) -> Scores:
    """Evaluates in full and stores the result beside the weights as evaluation.json."""
    scores = evaluate(folder)
    write(scores, SAMPLES, SEED, folder)
    return scores


if __name__ == "__main__":
    where = checkpoint(
        "training.tiny.evaluate", __doc__, "a checkpoint of this recipe; evaluation.json is written into it"
    )
    Console().print(table(write_evaluation(where), "skill"))
