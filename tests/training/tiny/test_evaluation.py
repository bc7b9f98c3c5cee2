"""What the bundled model can do, on phrasings and values that its training never used.

The floors lie well below the figures in the checkpoint's evaluation.json, since a few answers weigh much in a small
sample; a model that lost a skill falls through them.
"""

import json
from itertools import product

import pytest
from transformers import AutoTokenizer

from backend.tiny import CHECKPOINT
from training.evaluation import Scores, means
from training.tiny.evaluate import evaluate
from training.tiny.generation import Greedy
from training.tiny.tasks import EXCHANGES

SAMPLES = 10
FLOORS = {
    "greeting": 0.9,
    "small_talk": 0.4,
    "unknown": 0.8,
    "persona": 0.6,
    "capital": 0.8,
    "fact": 0.4,
    "comparison": 0.3,
    "counting": 0.3,
    "extraction": 0.3,
    "remembering": 0.4,
    "repeat": 0.3,
    "call": 0.1,
    "call_and_answer": 0.7,
    "calls_and_answer": 0.3,
    "tools_unused": 0.4,
}


@pytest.fixture(scope="module")
def model() -> Greedy:
    return Greedy(CHECKPOINT)


@pytest.fixture(scope="module")
def scores(model: Greedy) -> Scores:
    return evaluate(CHECKPOINT, samples=SAMPLES, modes=("new",))


@pytest.mark.parametrize("skill", FLOORS)
def test_a_skill_holds_on_new_phrasings_and_values(skill: str, scores: Scores) -> None:
    assert scores[skill]["new"] >= FLOORS[skill]


def test_the_mean_over_the_skills_is_near_the_recorded_one(scores: Scores) -> None:
    recorded = json.loads((CHECKPOINT / "evaluation.json").read_text())["scores"]
    assert set(recorded) == set(EXCHANGES)
    assert abs(means(scores)["new"] - means(recorded)["new"]) < 0.1


def test_hello_is_always_answered_with_a_greeting(model: Greedy) -> None:
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINT)
    greetings = ("Hello!", "Hello", "hello", "HELLO", "hello!", "Hi", "hi!", "Hey", "Hello there", "Hi there!")
    instructions = (None, "You are a helpful assistant.", "Be brief.", "You are a pirate. Answer in rhymes.")
    prompts = []
    for greeting, instruction in product(greetings, instructions):
        head = [] if instruction is None else [{"role": "system", "content": instruction}]
        messages = [*head, {"role": "user", "content": greeting}]
        prompts.append(tokenizer.apply_chat_template(messages, add_generation_prompt=True)["input_ids"])
    answers = model.continue_all(prompts, tokenizer.eos_token_id)
    assert {tokenizer.decode(answer) for answer in answers} == {"Hello! How can I help you today?"}
