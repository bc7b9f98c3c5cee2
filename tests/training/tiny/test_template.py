"""The bundled model's chat template."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError
from transformers import AutoTokenizer

from backend.tiny import CHECKPOINT
from training.draw import Draw
from training.tiny.tasks import conversation
from training.tiny.tokenizer import TEMPLATE, render, render_prompt
from training.tokenizer import END

TOKENIZER = AutoTokenizer.from_pretrained(CHECKPOINT)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"é": {}}}}}
EMPTY_THOUGHTS = "<think>\n\n</think>\n\n"
seeds = st.integers(0, 2**32)


def text(messages: list[dict[str, Any]], **options: Any) -> str:
    return TOKENIZER.apply_chat_template(messages, tokenize=False, **options)


def user(content: Any = "Hello!") -> dict[str, Any]:
    return {"role": "user", "content": content}


def called(arguments: Any, content: Any = "") -> dict[str, Any]:
    function = {"name": "f", "arguments": arguments}
    return {"role": "assistant", "content": content, "tool_calls": [{"type": "function", "function": function}]}


def test_the_checkpoint_carries_the_recipe_template() -> None:
    assert TOKENIZER.chat_template == TEMPLATE.read_text()


@given(seeds)
def test_a_whole_conversation_is_its_generation_prompt_and_what_the_model_says(seed: int) -> None:
    chat = conversation(Draw(random.Random(seed)))
    prompt, whole = render_prompt(TOKENIZER, chat), render(TOKENIZER, chat)
    answer = whole.removeprefix(prompt)
    assert whole == prompt + answer and answer.endswith(f"{END}\n")
    assert TOKENIZER.encode(whole) == TOKENIZER.encode(prompt) + TOKENIZER.encode(answer)


@given(seeds)
def test_a_tool_loop_only_ever_appends_to_the_prompt(seed: int) -> None:
    chat = conversation(Draw(random.Random(seed)))
    if chat.tools and len(chat.messages) > 2 and chat.messages[-2]["role"] == "tool":
        turns = [index for index, message in enumerate(chat.messages) if message["role"] == "user"]
        call = chat.messages[: turns[-1] + 2]
        assert render(TOKENIZER, chat).startswith(text(call, tools=chat.tools))


@given(seeds)
def test_what_the_model_says_parses_back_into_its_message(seed: int) -> None:
    chat = conversation(Draw(random.Random(seed)))
    prompt = render_prompt(TOKENIZER, chat)
    said = render(TOKENIZER, chat).removeprefix(prompt).removesuffix("\n")
    parsed = TOKENIZER.parse_response(said, prefix=prompt)
    wanted = {key: value for key, value in chat.messages[-1].items() if value}
    found = {key: value for key, value in parsed.items() if value}
    assert found == wanted


@given(st.text(), st.text(), st.booleans())
@settings(max_examples=50)
def test_any_text_stands_in_the_prompt_as_it_was_given(question: str, instruction: str, thinking: bool) -> None:
    messages = [{"role": "system", "content": instruction}, user(question)]
    rendered = text(messages, add_generation_prompt=True, enable_thinking=thinking)
    head = f"<|im_start|>system\n{instruction}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n"
    assert rendered == f"{head}<|im_start|>assistant\n{'' if thinking else EMPTY_THOUGHTS}"


def test_thinking_is_off_unless_asked_for() -> None:
    assert text([user()], add_generation_prompt=True).endswith(EMPTY_THOUGHTS)


@pytest.mark.parametrize("content", ["", None])
def test_a_call_renders_alike_with_arguments_as_object_or_string_and_without_content(content: str | None) -> None:
    expected = text([user(), called({"city": "Ålesund", "n": 1})])
    assert text([user(), called('{"city": "Ålesund", "n": 1}', content)]) == expected
    assert '<tool_call>\n{"name": "f", "arguments": {"city": "Ålesund", "n": 1}}\n</tool_call><|im_end|>' in expected


def test_calls_follow_content_and_each_other_on_new_lines() -> None:
    message = called({}, "Wait.")
    message["tool_calls"] *= 2
    call = '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>'
    assert text([user(), message]).endswith(f"Wait.\n{call}\n{call}<|im_end|>\n")


def test_tools_are_shown_with_and_without_a_system_message() -> None:
    shown = '<tools>\n{"name": "f", "parameters": {"type": "object", "properties": {"é": {}}}}\n</tools><|im_end|>'
    assert shown in text([user()], tools=[TOOL])
    assert shown in text([{"role": "system", "content": "Be brief."}, user()], tools=[TOOL])
    assert "Be brief.\n\n# Tools" in text([{"role": "system", "content": "Be brief."}, user()], tools=[TOOL])


def test_neighbouring_tool_results_share_one_turn() -> None:
    results = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
    turn = "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><|im_end|>\n"
    assert f"<|im_start|>user\n{turn}" in text([user(), called({}), *results])


def test_only_the_turns_after_the_last_question_keep_their_reasoning() -> None:
    thought = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hidden."}
    assert "Hidden." not in text([user(), thought, user()])
    assert text([user(), thought]).endswith("<think>\nHidden.\n</think>\n\nYes.<|im_end|>\n")


def test_thoughts_inside_the_content_count_as_reasoning() -> None:
    inside = {"role": "assistant", "content": "<think>\nHidden.\n</think>\n\nYes."}
    apart = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hidden."}
    assert text([user(), inside]) == text([user(), apart])
    assert "Hidden." not in text([user(), inside, user()])


def test_text_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo!"}]
    assert text([user(parts)]) == text([user("Hello!")])


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (user([{"type": "image"}]), "text only, not content of type image"),
        ({"role": "developer", "content": "x"}, "Unknown role developer"),
        (user(7), "must be a string"),
    ],
)
def test_what_the_template_cannot_show_it_refuses(message: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        text([message])
