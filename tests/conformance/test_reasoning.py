"""Reasoning end to end: told apart, counted, limited to the token, and before any format."""

import json

import pytest

from backend.models.catalogue import CATALOGUE
from tests.conformance.chat import assert_alike, fold, said, text

THINKING = {"chat_template_kwargs": {"enable_thinking": True}, "temperature": 0, "seed": 1}
SUM = [{"role": "user", "content": "What is 27 + 58?"}]
SHAPE = {
    "type": "object",
    "properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["sum"],
}
FORMAT = {"type": "json_schema", "json_schema": {"schema": SHAPE}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {"a": {}}}}}
VOCABULARY = json.loads((CATALOGUE["tiny"].source / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
NEVER_CLOSES = {
    "logit_bias": {str(id): -100 for token, id in VOCABULARY.items() if "<" in token and token != "<think>"}
}


def reasoning_tokens(answer):
    return answer["usage"]["completion_tokens_details"]["reasoning_tokens"]


def test_reasoning_stays_in_the_content_unless_it_is_to_be_parsed(chat):
    whole = chat.whole(messages=SUM, **THINKING)
    assert text(whole).startswith("<think>\n") and "</think>\n\n" in text(whole)
    assert "completion_tokens_details" not in whole["usage"]
    (choice,) = said(chat.whole(messages=SUM, parse_reasoning=True, **THINKING))["choices"]
    assert f"<think>\n{choice['reasoning']}\n</think>\n\n{choice['text']}" == text(whole)


def test_reasoning_that_is_not_included_is_still_drawn_and_counted(chat):
    whole = chat.whole(messages=SUM, parse_reasoning=True, **THINKING)
    without = chat.whole(messages=SUM, parse_reasoning=True, include_reasoning=False, **THINKING)
    assert "reasoning_content" not in without["choices"][0]["message"] and text(without) == text(whole)
    assert reasoning_tokens(without) == reasoning_tokens(whole) > 0
    assert without["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]


@pytest.mark.parametrize("parameters", [{}, {"response_format": FORMAT}, {"reasoning_budget": 9, "n": 3, "seed": 4}])
def test_a_stream_reasons_first_and_says_the_same(chat, parameters):
    body = {"messages": SUM, "parse_reasoning": True, **THINKING, **parameters}
    chunks = chat.chunks(**body, stream_options={"include_usage": True})
    assert_alike(fold(chunks), said(chat.whole(**body)))
    for index in range(parameters.get("n", 1)):
        deltas = [c["delta"] for chunk in chunks for c in chunk["choices"] if c["index"] == index]
        kinds = [next((k for k in ("reasoning_content", "content") if delta.get(k)), None) for delta in deltas]
        told = [kind for kind in kinds if kind]
        assert told == sorted(told, reverse=True) and set(told) == {"reasoning_content", "content"}


@pytest.mark.parametrize("budget", [0, 1, 7, 100])
@pytest.mark.parametrize("parameters", [{"eos_token": []}, {"response_format": FORMAT}])
def test_the_budget_is_exact_to_the_token_and_the_answer_goes_on(chat, budget, parameters):
    body = {"messages": SUM, "parse_reasoning": True, "reasoning_budget": budget, **THINKING, **NEVER_CLOSES}
    answer = chat.whole(**body, **parameters, max_tokens=200)
    assert reasoning_tokens(answer) == budget
    assert text(answer)
    if "response_format" in parameters:
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert 0 <= json.loads(text(answer))["sum"] <= 99


FREELY = {"temperature": 1.5, "n": 8, "seed": 1}


@pytest.mark.parametrize(
    ("budget", "sampling"),
    [(20, {"temperature": 0}), (2, {"temperature": 0}), (2, FREELY), (3, {"temperature": 0}), (3, FREELY)],
)
@pytest.mark.parametrize("tools", [None, [TOOL]])
def test_what_ends_reasoning_comes_once_and_is_never_content(chat, budget, sampling, tools):
    """Where it was forced: in so few tokens no choice ends it by itself, behind which anything may come."""
    question = [{"role": "user", "content": "What is 3 + 4?"}]
    body = {"messages": question, **THINKING, **sampling, "reasoning_budget": budget, "max_tokens": 200}
    body |= {"tools": tools} if tools else {}
    answer = chat.whole(**body, parse_reasoning=True, logprobs=True)
    for choice in answer["choices"]:
        assert "think>" not in (choice["message"]["content"] or "")
    unsplit = chat.whole(**body, parse_reasoning=False)
    for choice, told in zip(unsplit["choices"], answer["choices"], strict=True):
        reasoning, _, text = choice["message"]["content"].partition("</think>")
        assert text.strip() == (told["message"]["content"] or "").strip() and "think>" not in text
        assert reasoning.removeprefix("<think>").strip() == told["message"].get("reasoning_content", "")


def spelled(choice, name="content"):
    return b"".join(bytes(entry["bytes"]) for entry in choice["logprobs"].get(name, [])).decode()


@pytest.mark.parametrize("include", [True, False])
def test_log_probabilities_belong_to_the_text_that_is_sent(chat, include):
    body = {"messages": SUM, "parse_reasoning": True, "include_reasoning": include, "logprobs": True, **THINKING}
    (choice,) = chat.whole(**body)["choices"]
    assert spelled(choice) == choice["message"]["content"] != ""
    if include:
        told = choice["message"]["reasoning_content"]
        assert told in spelled(choice, "reasoning_content")
    else:
        assert choice["logprobs"].keys() == {"content"}
    streamed = fold(chat.chunks(**body, stream_options={"include_usage": True}))
    assert_alike(streamed, said(chat.whole(**body)))


def test_a_model_that_does_not_think_spends_nothing(chat):
    answer = chat.whole(messages=SUM, parse_reasoning=True, reasoning_budget=5, temperature=0)
    assert reasoning_tokens(answer) == 0 and text(answer)


def test_reasoning_that_never_ends_is_all_reasoning(chat):
    answer = chat.whole(messages=SUM, parse_reasoning=True, max_tokens=12, **THINKING, **NEVER_CLOSES)
    (choice,) = said(answer)["choices"]
    assert choice["finish_reason"] == "length" and choice["text"] == "" and choice["reasoning"]
