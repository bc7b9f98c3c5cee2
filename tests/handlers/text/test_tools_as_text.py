"""Tools where the template has no place for them."""

import json
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.formats.families import TOOL_SYNTAXES
from handlers.text.template import PromptError, TemplateTraits
from handlers.text.tokenizer import ChatTokenizer
from handlers.text.tools_as_text import ToolsAsText, results_as_text
from tests.handlers.formats.writing import format_of, read
from tests.handlers.text.test_tokenizer import REAL, save_byte_level

HERMES = TOOL_SYNTAXES["hermes"][0]
NOTHING = TemplateTraits(system=True)
ALL = TemplateTraits(arguments="object", tool_results=True, system=True, tools=True)
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Sées.", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "time", "parameters": {}}},
]
INTRODUCTION = "You can call functions. These"
SYSTEM, USER = {"role": "system", "content": "be brief"}, {"role": "user", "content": "Paris?"}
# The templates of the recipe's library that have no place for any of it.
WITHOUT = ["cohere", "gemma", "gemma3", "idefics3", "llama3", "phi3", "qwen2_5_vl", "smolvlm"]


def call(id, name="weather", **arguments):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(id, text):
    return {"role": "tool", "tool_call_id": id, "content": text, "name": "weather"}


CALLS = {"role": "assistant", "content": "Well.", "tool_calls": [call("a", city="Paris"), call("b", "time")]}
RESULTS = [result("b", "noon"), result("a", "rain")]
CALLED = (
    'Well.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>'
    '\n<tool_call>\n{"name": "time", "arguments": {}}\n</tool_call>'
)
RETURNED = "<tool_response>\nrain\n</tool_response>\n<tool_response>\nnoon\n</tool_response>"


# --- Rewriting ---


def test_media_stay_where_they_are_beside_what_is_written():
    seen = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Paris?"}]}
    (message,), tools = ToolsAsText(TemplateTraits(), HERMES).rewrite([seen], TOOLS)
    text, *rest = message["content"]
    assert tools is None and rest == seen["content"]
    assert text["text"].startswith(INTRODUCTION) and text["text"].endswith("\n\n")
    messages = results_as_text([{"role": "tool", "content": "rain", "tool_call_id": "x"}, seen], NOTHING, every=True)
    assert [part["type"] for part in messages[0]["content"]] == ["text", "image", "text"] and len(messages) == 1


def test_definitions_stand_behind_the_system_message_and_calls_and_results_in_contents():
    messages, tools = ToolsAsText(NOTHING, HERMES).rewrite([SYSTEM, USER, CALLS, *RESULTS, USER], TOOLS)
    assert tools is None and [message["role"] for message in messages] == [
        *("system", "user", "assistant", "user", "user")
    ]
    text = messages[0]["content"]
    assert text.startswith(f"be brief\n\n{INTRODUCTION}")
    lines = text.partition("<tools>\n")[2].partition("\n</tools>")[0].split("\n")
    assert [json.loads(line) for line in lines] == TOOLS
    assert '"description": "Sées."' in text and '<tool_call>\n{"name": ' in text
    assert [message["content"] for message in messages[1:]] == ["Paris?", CALLED, RETURNED, "Paris?"]
    assert "tool_calls" not in messages[2]


def test_without_a_system_message_one_is_written():
    messages, _ = ToolsAsText(NOTHING, HERMES).rewrite([USER], TOOLS)
    assert (
        messages[0]["role"] == "system" and messages[0]["content"].startswith(INTRODUCTION) and messages[1:] == [USER]
    )


@pytest.mark.parametrize(
    "messages", [[USER, {"role": "assistant", "content": "x"}, USER], [{"role": "assistant", "content": "x"}]]
)
def test_where_there_can_be_none_the_definitions_stand_before_what_the_user_says(messages):
    rewritten, _ = ToolsAsText(TemplateTraits(), HERMES).rewrite(messages, TOOLS)
    assert rewritten[0]["role"] == "user" and rewritten[0]["content"].startswith(INTRODUCTION)
    if messages[0] is USER:
        assert rewritten[0]["content"].endswith("your own words.\n\nParis?") and rewritten[1:] == messages[1:]
    else:
        assert rewritten[1:] == messages


def test_a_chat_without_tools_is_as_it_was():
    messages = [SYSTEM, USER, {"role": "assistant", "content": "x"}, USER]
    assert ToolsAsText(NOTHING, HERMES).rewrite(messages, None) == (messages, None)


@pytest.mark.parametrize(("tools", "arguments", "results"), [*product([True, False], [None, "object"], [True, False])])
def test_only_what_has_no_place_is_rewritten(tools, arguments, results):
    traits = TemplateTraits(system=True, tools=tools, arguments=arguments, tool_results=results)
    rewriting = ToolsAsText(traits, HERMES)
    messages, left = rewriting.rewrite([SYSTEM, USER, CALLS, *RESULTS], TOOLS)
    assert (left == TOOLS, messages[0] == SYSTEM) == (tools, tools)
    assert (messages[2] == CALLS) == (arguments is not None)
    assert (messages[3:] == RESULTS) == results
    # A model whose template shows calls knows how to write them.
    assert ("do not answer yourself" in messages[0]["content"]) == (not tools and arguments is None)
    expected = {"tools": not tools, "calls": arguments is None, "results": not results}
    assert rewriting.rewritten == tuple(what for what, missing in expected.items() if missing)


def test_where_calls_are_not_read_none_are_written():
    messages, tools = ToolsAsText(NOTHING, None).rewrite([USER], TOOLS)
    assert (
        tools is None
        and INTRODUCTION in messages[0]["content"]
        and "do not answer yourself" not in messages[0]["content"]
    )
    assert ToolsAsText(ALL, None).rewritten == ()


def test_contents_are_parts_where_the_template_wants_them():
    def parts(message):
        return {**message, "content": [{"type": "text", "text": message["content"]}]}

    chat = [SYSTEM, USER, CALLS, *RESULTS]
    as_parts = ToolsAsText(replace(NOTHING, content="parts"), HERMES).rewrite([parts(m) for m in chat], TOOLS)[0]
    assert as_parts == [parts(message) for message in ToolsAsText(NOTHING, HERMES).rewrite(chat, TOOLS)[0]]


@pytest.mark.parametrize("family", [family for family in TOOL_SYNTAXES if family not in ("none", "harmony")])
@settings(max_examples=25)
@given(cities=st.lists(st.text("aé \n{\"'", max_size=8), min_size=1, max_size=2))
def test_earlier_calls_are_written_as_the_model_s_own_would_be_read(family, cities):
    message = {"role": "assistant", "tool_calls": [call(str(i), city=city) for i, city in enumerate(cities)]}
    syntax = TOOL_SYNTAXES[family][0]
    content = ToolsAsText(NOTHING, syntax).rewrite([message], None)[0][0]["content"]
    found = read(format_of(family), content, tools={"weather": PARAMETERS})
    assert found.parsed == [("weather", {"city": city}) for city in cities]


# --- In the tokenizer ---


def chat(city="Paris"):
    calls = [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": json.dumps({"city": city})}}]
    return [USER, {"role": "assistant", "content": None, "tool_calls": calls}, result("a", "rain")]


def text_of(tokenizer, messages, tools=None):
    ids = tokenizer.encode_chat(messages, tools=tools, template_kwargs={}, reasoning_effort=None)
    return tokenizer.decode_tail(ids, len(ids))


@pytest.mark.parametrize("name", WITHOUT)
def test_a_real_template_without_places_shows_all_of_it_and_calls_can_be_read(tmp_path, name):
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL[name]))
    assert tokenizer.tools_as_text == ("tools", "calls", "results") and tokenizer.format.tool_name == "hermes"
    assert tokenizer.traits.tools and tokenizer.traits.arguments == "object" and tokenizer.traits.tool_results
    assert tokenizer.template_shows("function", "description")
    text = text_of(tokenizer, chat(), TOOLS)
    definition = json.dumps(TOOLS[0], ensure_ascii=False)
    shown = [definition, "Paris?", '<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>']
    shown.append("<tool_response>\nrain\n</tool_response>")
    places = [text.find(part) for part in shown]
    assert -1 not in places and places == sorted(places)


def test_a_real_template_that_shows_calls_and_no_definitions_keeps_its_own_calls(tmp_path):
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL["deepseekv3"]))
    assert tokenizer.tools_as_text == ("tools",) and tokenizer.format.tool_name == "deepseek-v3"
    text = text_of(tokenizer, chat(), TOOLS)
    assert INTRODUCTION in text and "<｜tool▁call▁begin｜>" in text and "<tool_call>" not in text


@pytest.mark.parametrize("name", ["qwen3", "llama3_1", "glm4moe", "gptoss"])
def test_a_real_template_with_places_is_left_alone(tmp_path, name):
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL[name]))
    assert tokenizer.tools_as_text == ()
    assert INTRODUCTION not in text_of(tokenizer, [USER], TOOLS[:1])


def test_a_named_format_is_that_in_which_calls_are_asked_for(tmp_path):
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL["phi3"]), tool_format="mistral")
    assert tokenizer.format.tool_name == "mistral"
    assert '[TOOL_CALLS]weather[ARGS]{"city": "Paris"}' in text_of(tokenizer, chat(), TOOLS)


def test_where_calls_are_not_to_be_read_tools_are_shown_and_earlier_calls_refused(tmp_path):
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL["phi3"]), tool_format="none")
    assert tokenizer.tools_as_text == ("tools",) and tokenizer.format.tools == ()
    assert INTRODUCTION in text_of(tokenizer, [USER], TOOLS)
    with pytest.raises(PromptError, match="no place for tool calls"):
        text_of(tokenizer, chat(), TOOLS)


def test_reasoning_of_the_template_stays_where_calls_are_asked_for_in_the_generic_form(tmp_path):
    template = "{% for m in messages %}{{ m.content }}{% endfor %}{% if 0 %}</think>{% endif %}"
    format = ChatTokenizer(save_byte_level(tmp_path, template)).format
    assert (format.tool_name, format.reasoning_name) == ("hermes", "think")


@pytest.mark.parametrize("place", ["definition", "argument", "result", "name"])
def test_control_tokens_in_what_is_rewritten_stay_text(tmp_path, place):
    template = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, template, special=["<|im_start|>", "<|im_end|>"]))

    def special(word):
        function = TOOLS[0]["function"]
        tools = [{**TOOLS[0], "function": {**function, "description": word}}] if place == "definition" else TOOLS
        messages = chat(word if place == "argument" else "Paris")
        messages[2]["content"] = word if place == "result" else "rain"
        messages[1]["tool_calls"][0]["function"]["name"] = word if place == "name" else "weather"
        ids = tokenizer.encode_chat(messages, tools=tools, template_kwargs={}, reasoning_effort=None)
        return [id for id in ids if id in tokenizer._tokenizer.added_tokens_decoder]

    assert special("a<|im_end|>b<|im_start|>") == special("harmless")
