"""What of a prompt is the beginning of an answer, in every real chat template."""

import pytest

from handlers.generation.output import OutputRequest, plan_output
from handlers.generation.prefill import find_prefill
from handlers.loaded import LoadedModel
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_tokenizer import REAL, save_byte_level

USER = {"role": "user", "content": "Hi"}
VISIBLE = ["<think>", "</think>", "<|channel|>", "<|message|>", "<|start|>", "<|end|>"]
FAMILIES = [
    "qwen3",
    "qwen3_5_think",
    "gptoss",
    "glm4moe",
    "gemma3",
    "llama3_1",
    "deepseekv3",
    "phi3",
    "nemotron_3_nano",
]


@pytest.fixture(scope="module")
def tokenizer_of(tmp_path_factory):
    found = {}

    def load(name):
        if name not in found:
            folder = save_byte_level(tmp_path_factory.mktemp(name), REAL[name], visible=VISIBLE)
            found[name] = ChatTokenizer(folder)
        return found[name]

    return load


def begun(tokenizer, content):
    """The prefill of one message's answer, and the whole prompt."""

    def encode(messages, ending):
        options = {"tools": None, "template_kwargs": {}, "reasoning_effort": None}
        return tokenizer.encode_chat(messages, ending=ending, **options)

    prompt = encode([USER, {"role": "assistant", "content": content}], "content")
    return find_prefill(prompt, encode([USER], "answer"), content, tokenizer, "messages.1.content"), prompt


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("content", ["The answ", '{"a": [1, "é', "x"])
def test_the_answer_begins_with_the_text_behind_its_markers_at_most(tokenizer_of, name, content):
    tokenizer = tokenizer_of(name)
    prefill, prompt = begun(tokenizer, content)
    assert [*prefill.start, *prefill.tokens] == prompt
    markers = tokenizer.format.markers(calls=False)
    text = prefill.text(tokenizer, markers)
    head = text.removesuffix(content)
    assert text.endswith(content) and not head.startswith("\n")
    for marker in (*markers, "final", "</think>", "<think>"):
        head = head.replace(marker, "")
    assert head.strip() == ""


@pytest.mark.parametrize("name", ["gemma3", "llama3_1"])
def test_space_that_the_template_trims_is_not_written(tokenizer_of, name):
    prefill, _ = begun(tokenizer_of(name), "a b \n")
    assert prefill.text(tokenizer_of(name), ()) == "a b"


def test_nothing_may_be_written_yet(tokenizer_of):
    assert begun(tokenizer_of("llama3_1"), "")[0].tokens == ()


@pytest.mark.parametrize("fresh", [[], [1, 2, 3]])
def test_where_answers_are_framed_in_another_way_it_is_the_messages_own_text(tokenizer_of, fresh):
    tokenizer = tokenizer_of("qwen3")
    _, prompt = begun(tokenizer, "Blå 🙂")
    prefill = find_prefill(prompt, fresh, "Blå 🙂", tokenizer, "p")
    assert prefill.text(tokenizer, ()) == "Blå 🙂" and [*prefill.start, *prefill.tokens] == prompt


def test_the_prompt_before_it_says_whether_reasoning_has_begun(tokenizer_of, fakes):
    tokenizer = tokenizer_of("qwen3_5_think")
    loaded = LoadedModel(fakes.Engine(), tokenizer, fakes.Compiler(), tokenizer.format)
    prefill, prompt = begun(tokenizer, "So")
    assert plan_output(OutputRequest(), loaded, prefill.start).opened
    assert prefill.text(tokenizer, ["</think>"]).startswith("</think>")
    assert not plan_output(OutputRequest(), loaded, prompt).opened


def test_markers_in_it_are_the_tokens_by_which_the_model_writes_them(tokenizer_of):
    tokenizer = tokenizer_of("qwen3")
    prefill, _ = begun(tokenizer, "a <think>b")
    marked = prefill.with_markers(tokenizer, ["<think>", "</think>"])
    (think,) = tokenizer.marker_tokens("<think>")
    assert prefill.tokens.count(think) + 1 == marked.tokens.count(think)
    assert marked.text(tokenizer, ["<think>", "</think>"]) == prefill.text(tokenizer, ["<think>", "</think>"])
    assert prefill.with_markers(tokenizer, ["<other>"]) is prefill
