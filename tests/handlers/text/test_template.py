"""Traits found by probing, on the chat templates of real models, and messages shaped to them."""

import json
from dataclasses import replace
from importlib.metadata import files

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import TokenizersBackend

from handlers.text.template import (
    PromptError,
    TemplateTraits,
    field_matters,
    probe_template,
    shape_messages,
    shape_tools,
    variable_matters,
)

REAL = {path.stem: path.locate().read_text() for path in files("trl") if path.name.endswith(".jinja")}

# Mistral's template in short: the id rule and the tool results are its own.
NINE_LETTER_IDS = """
{%- for message in messages %}
  {%- if message.role == "user" %}[INST] {{ message.content }}[/INST]
  {%- elif message.tool_calls is defined %}[TOOL_CALLS]
    {%- for call in message.tool_calls %}
      {%- if call.id|length != 9 %}{{ raise_exception("ids must have 9 characters") }}{% endif %}
      {{- {"name": call.function.name, "arguments": call.function.arguments, "id": call.id}|tojson }}
    {%- endfor %}
  {%- elif message.role == "tool" %}[TOOL_RESULTS] {{ message.tool_call_id }} {{ message.content }}[/TOOL_RESULTS]
  {%- else %} {{ message.content }}{{ eos_token }}
  {%- endif %}
{%- endfor %}"""

CHAT = [
    {"role": "system", "content": "alpaca"},
    {"role": "user", "content": [{"type": "text", "text": "bison"}, {"type": "text", "text": "camel"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "donkey", "arguments": '{"eland": "ferret"}'}}
        ],
    },
    {"role": "tool", "content": "gibbon", "tool_call_id": "call_1"},
]
TOOLS = [{"type": "function", "function": {"name": "donkey", "description": "hyena", "parameters": {"type": "object"}}}]


def renderer(template):
    specials = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = TokenizersBackend(tokenizer_object=Tokenizer(models.BPE()), chat_template=template, **specials)
    return lambda messages, tools=None, **variables: tokenizer.apply_chat_template(
        messages, tools=tools, tokenize=False, add_generation_prompt=True, **variables
    )


@pytest.fixture(scope="module")
def traits_of():
    found = {}

    def probe(name):
        if name not in found:
            found[name] = probe_template(renderer(REAL[name]))
        return found[name]

    return probe


def test_there_are_real_templates():
    assert len(REAL) >= 70


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "deepseekv3": {"arguments": "string", "null_content": False, "tools": False, "opens_reasoning": True},
        "deepseek_r1_distill": {"opens_reasoning": True},
        "gemma": {"system": False, "tools": False, "arguments": None},
        "gemma3": {"system": True, "tools": False, "arguments": None, "tool_results": False},
        "gemma4_v5": {"arguments": "object", "tools": True, "opens_reasoning": False},
        "glm4moe": {"arguments": "object", "opens_reasoning": False},
        "gptoss": {
            "arguments": "object",
            "needs_descriptions": True,
            "reasoning_effort": True,
        },
        "idefics3": {"content": "parts"},
        "smolvlm": {"content": "parts", "tools": False},
        "llama3": {"tools": False, "arguments": None},
        "llama3_1": {"content": "string", "arguments": "object", "tools": True, "reasoning_effort": False},
        "nemotron_3_nano": {"arguments": "object", "opens_reasoning": True},
        "phi3": {"content": "string", "tools": False, "tool_results": False},
        "qwen2_5": {"arguments": "object", "tools": True, "system": True},
        "qwen2_5_vl": {"tools": False},
        "qwen3": {
            "needs_descriptions": False,
            "reasoning_effort": False,
            "opens_reasoning": False,
        },
        "qwen3_5_think": {"arguments": "object", "opens_reasoning": True},
        "qwen3_5_nothink": {"arguments": "object", "opens_reasoning": False},
        "qwen3_8": {"opens_reasoning": True, "reasoning_effort": True},
        "qwen3_vl": {"content": "string", "tools": True},
    }.items(),
)
def test_traits_of_known_families(traits_of, name, expected):
    traits = traits_of(name)
    assert {field: getattr(traits, field) for field in expected} == expected
    assert not traits.short_call_ids


@pytest.mark.parametrize(
    ("name", "media"),
    {
        "qwen2_5_vl": {"image", "video"},
        "qwen3_vl": {"image", "video"},
        "gemma3": {"image"},
        "gemma4_v5": {"image", "audio", "video"},
        "idefics3": {"image"},
        "smolvlm": {"image"},
        **{
            name: set() for name in ("llama3", "qwen2_5", "qwen3", "phi3", "gptoss", "cohere2", "deepseekv3", "glm4moe")
        },
    }.items(),
)
def test_media_that_a_template_has_a_place_for(traits_of, name, media):
    assert traits_of(name).media == media


def test_media_stand_among_texts_and_those_are_joined():
    traits = TemplateTraits(media=frozenset({"image"}))
    image = {"type": "image_url", "image_url": {"url": "data:,"}}
    texts = [{"type": "text", "text": text} for text in ("a", "b", "c")]
    (shaped,) = shape_messages([{"role": "user", "content": [*texts[:2], image, image, texts[2]]}], traits)
    assert shaped["content"] == [
        {"type": "text", "text": "ab"}, {"type": "image"}, {"type": "image"}, {"type": "text", "text": "c"},
    ]  # fmt: skip
    with pytest.raises(PromptError, match="does not support audio inputs") as caught:
        shape_messages([{"role": "user", "content": [*texts, {"type": "audio_url"}]}], traits)
    assert caught.value.param == "messages.0.content.3"


@pytest.mark.parametrize("name", sorted(REAL))
@pytest.mark.parametrize("form", ["chat", "chat without system", "text", "empty content", "with reasoning"])
def test_what_is_accepted_reaches_the_prompt_whole(traits_of, name, form):
    """Every word of the chat is in the prompt, as itself, or the chat is refused."""
    traits = traits_of(name)
    chat = {
        "chat": CHAT,
        "chat without system": CHAT[1:],
        "text": CHAT[:2],
        "empty content": [*CHAT[1:2], {**CHAT[2], "content": ""}, *CHAT[3:]],
        "with reasoning": [*CHAT[1:2], {**CHAT[2], "reasoning": "ibis"}, *CHAT[3:]],
    }[form]
    try:
        shaped = shape_messages(chat, traits)
        text = renderer(REAL[name])(shaped, tools=TOOLS if traits.tools else None)
    except PromptError:
        assert traits.arguments is None or not traits.tool_results
        return
    except jinja2.TemplateError:
        assert not traits.system and chat[0]["role"] == "system"
        return
    words = {"alpaca": "system", "bisoncamel": "user", "eland": "assistant", "ferret": "assistant", "gibbon": "tool"}
    roles = {message["role"] for message in chat} - (set() if traits.system else {"system"})
    assert [word for word, role in words.items() if role in roles and word not in text] == []
    assert not traits.tools or ("donkey" in text and "hyena" in text)
    disfigured = ["'eland'", '\\"eland', "'type'", "'text'", '"text"', "None"]
    assert [trace for trace in disfigured if trace in text] == []


@pytest.mark.parametrize("name", sorted(REAL))
def test_parts_and_string_make_the_same_prompt(traits_of, name):
    render, traits = renderer(REAL[name]), traits_of(name)
    parts = [{"type": "text", "text": "gnu "}, {"type": "text", "text": "ibex"}]
    assert render(shape_messages([{"role": "user", "content": parts}], traits)) == render(
        shape_messages([{"role": "user", "content": "gnu ibex"}], traits)
    )


def test_call_ids_are_shortened_alike_where_the_template_wants_nine_letters():
    render = renderer(NINE_LETTER_IDS)
    traits = probe_template(render)
    assert traits.short_call_ids and traits.arguments == "object" and traits.tool_results
    shaped = shape_messages(CHAT[1:], traits)
    call_id = shaped[1]["tool_calls"][0]["id"]
    assert call_id == shaped[2]["tool_call_id"] and len(call_id) == 9 and call_id.isalnum()
    assert render(shaped).count(call_id) == 2
    again = [{**CHAT[2], "tool_calls": [{**CHAT[2]["tool_calls"][0], "id": call_id}]}]
    assert shape_messages(again, traits)[0]["tool_calls"][0]["id"] == call_id


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{{ raise_exception('no chats today') }}", "cannot render a user message: no chats today"),
        ("{% for message in messages %}hello{% endfor %}", "leaves the user's message out"),
        ("{% for %}", "cannot render a user message"),
    ],
)
def test_a_template_without_use_is_refused_at_load(template, complaint):
    with pytest.raises(ValueError, match=complaint):
        probe_template(renderer(template))


def test_a_variable_matters_only_if_it_changes_the_prompt():
    render = renderer("{% for m in messages %}{{ m.content }}{% endfor %}{{ mood }}{% if 0 %}{{ never }}{% endif %}")
    traits = probe_template(render)
    assert variable_matters(render, traits, "mood")
    assert not variable_matters(render, traits, "never")
    assert not variable_matters(render, traits, "unheard_of")
    assert not variable_matters(render, traits, "traits")


ARGUMENTS = "{% for c in m.tool_calls or [] %}{{ c.function.arguments | tojson }}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "shown"),
    [
        ("{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}", []),
        ("{% for m in messages %}{{ m.name }}: {{ m.content }}{% endfor %}",
         ["system.name", "user.name", "assistant.name"]),
        ("{% for m in messages if m.role != 'system' %}{{ m.content }}{{ m.reasoning_content }}{% endfor %}",
         ["assistant.reasoning_content"]),
        ("{{ messages[0].content }}{% for t in tools or [] %}{{ t.function.name, t.function.description }}{% endfor %}",
         ["function.description"]),
        ("{{ tools }}{% for m in messages %}{{ m.content }}" + ARGUMENTS + "{{ m.name }}{% endfor %}",
         ["system.name", "user.name", "assistant.name", "tool.name", "function.description"]),
    ],
)  # fmt: skip
def test_a_field_matters_only_where_it_changes_the_prompt(template, shown):
    render = renderer(template)
    traits = probe_template(render)
    fields = [(place, "name") for place in ("system", "user", "assistant", "tool")]
    fields += [("assistant", "reasoning_content"), ("function", "description")]
    assert [f"{place}.{name}" for place, name in fields if field_matters(render, traits, place, name)] == shown


TAKES_ALL = TemplateTraits(arguments="object", tool_results=True, system=True, tools=True)


def call(arguments):
    function = {"name": "f", "arguments": arguments}
    return [{"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
    max_leaves=8,
)


@settings(deadline=None)
@given(arguments=st.dictionaries(st.text(), json_values))
def test_arguments_keep_their_meaning_as_objects_and_their_letters_as_text(arguments):
    text = json.dumps(arguments)
    as_object = shape_messages(call(text), TAKES_ALL)[0]["tool_calls"][0]["function"]["arguments"]
    as_text = shape_messages(call(text), replace(TAKES_ALL, arguments="string"))
    assert as_object == arguments
    assert as_text[0]["tool_calls"][0]["function"]["arguments"] == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a": 1}', {"a": 1}),
        ("  ", {}),
        ("{", {}),
        ('{"a": "cut o', {"a": "cut o"}),
        ('{"a": [1, {"b": tr', {"a": [1, {}]}),
        ('{"a": 1, "b', {"a": 1}),
        ("{oops", {"arguments": "{oops"}),
        ('{"a": NaN}', {"arguments": '{"a": NaN}'}),
        ('{"a": 1} x', {"a": 1}),
        ("[1]", {"arguments": [1]}),
        ("null", {"arguments": None}),
        ("[" * 5000, {"arguments": "[" * 5000}),
    ],
)
def test_of_arguments_that_are_no_json_object_as_much_is_shown_as_can_be_read(text, shown):
    assert shape_messages(call(text), TAKES_ALL)[0]["tool_calls"][0]["function"]["arguments"] == shown


def test_a_result_has_the_name_of_the_call_that_it_answers():
    def calls(*names):
        made = [{"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}} for name in names]
        return {"role": "assistant", "content": None, "tool_calls": made}

    result = {"role": "tool", "tool_call_id": "1", "content": "x"}
    chat = [result, calls("f"), result, calls("g", "h"), result, result, result, {**result, "name": "own"}]
    shaped = shape_messages(chat, TAKES_ALL)
    assert [message.get("name") for message in shaped if message["role"] == "tool"] == [None, "f", "g", "h", "h", "own"]


def test_a_call_without_arguments_has_an_empty_object():
    assert shape_messages(call(""), TAKES_ALL)[0]["tool_calls"][0]["function"]["arguments"] == {}


@pytest.mark.parametrize(
    ("message", "traits", "param"),
    [
        ({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}, TAKES_ALL, "content.0"),
        (call("{}")[0], replace(TAKES_ALL, arguments=None), "tool_calls.0"),
        ({"role": "tool", "content": "x", "tool_call_id": "1"}, replace(TAKES_ALL, tool_results=False), "role"),
    ],
)
def test_what_the_template_would_leave_out_is_refused_by_name(message, traits, param):
    with pytest.raises(PromptError) as caught:
        shape_messages([message], traits)
    assert caught.value.param == f"messages.0.{param}"


@pytest.mark.parametrize("null_content", [True, False])
def test_absent_content_is_left_out_only_beside_tool_calls_and_where_it_may_be(null_content):
    traits = replace(TAKES_ALL, null_content=null_content)
    calling = shape_messages(call("{}"), traits)[0]
    assert calling.get("content") == (None if null_content else "")
    assert shape_messages([{"role": "assistant", "content": None, "reasoning": "x"}], traits)[0]["content"] == ""


def test_reasoning_content_goes_before_its_alias():
    message = {"role": "assistant", "content": "", "reasoning_content": "one", "reasoning": "two"}
    assert shape_messages([message], TAKES_ALL)[0] == {"role": "assistant", "content": "", "reasoning_content": "one"}


def test_a_tool_result_is_given_the_name_of_its_function():
    results = [{"role": "tool", "content": "x", "tool_call_id": id} for id in ("call_1", "call_2")]
    shaped = shape_messages([*call("{}"), *results, {**results[0], "name": "own"}], TAKES_ALL)
    assert [message.get("name") for message in shaped] == [None, "f", None, "own"]


def test_only_the_fields_of_the_api_reach_the_template():
    extra = {"tool_calls": 5, "thinking": "x", "tool_call_id": 7, "reasoning": 1}
    shaped = shape_messages([{"role": "user", "content": "hi", "name": None, **extra}], TAKES_ALL)
    assert shaped == [{"role": "user", "content": "hi"}]


def test_null_fields_of_a_tool_are_as_good_as_absent():
    function = {"name": "f", "description": None, "parameters": {"default": None}}
    assert shape_tools([{"type": "function", "function": function}], TAKES_ALL) == [
        {"type": "function", "function": {"name": "f", "parameters": {"default": None}}}
    ]
    assert shape_tools([], TAKES_ALL) is shape_tools(None, TAKES_ALL) is None
    needs = replace(TAKES_ALL, needs_descriptions=True)
    assert shape_tools([{"type": "function", "function": {"name": "f"}}], needs) == [
        {"type": "function", "function": {"name": "f", "description": ""}}
    ]


@pytest.mark.parametrize(("name", "needs"), [("gptoss", True), ("qwen3", False), ("phi3", False)])
def test_a_template_that_refuses_functions_without_description_is_told(traits_of, name, needs):
    assert traits_of(name).needs_descriptions == needs
