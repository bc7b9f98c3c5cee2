"""The parser by example: white space, what is no call, faults, and the order of things."""

import json

import pytest

from handlers.formats.families import TOOL_SYNTAXES
from handlers.formats.parser import OutputParser
from handlers.formats.segments import CallArguments, CallStart, Content, Reasoning
from handlers.formats.syntax import Format
from tests.handlers.formats.writing import format_of, pieces_of, read

CALL = '<tool_call>\n{"name": "get", "arguments": {"text": "x"}}\n</tool_call>'
CODER = "<tool_call>\n<function=get>\n<parameter=text>\nx\n</parameter>\n</function>\n</tool_call>"
GET = [("get", {"text": "x"})]


def outcome(family, text, **options):
    """(content, reasoning, calls), the same for whole text and single characters."""
    found = read(format_of(family), text, **options)
    assert read(format_of(family), text, range(1, len(text)), **options) == found
    return found.content, found.reasoning, found.parsed


@pytest.mark.parametrize(
    ("text", "content", "reasoning", "calls"),
    [
        ("  hello \n", "  hello \n", "", []),
        (" \n ", " \n ", "", []),
        ("\n <think>\n a b \n</think>\n\n hello ", "hello ", "a b", []),
        ("<think>a</think> \n", "", "a", []),
        ("<think>a \n", "", "a \n", []),
        ("<think> \n</think>x", "x", "", []),
        ("<think>a</th", "", "a</th", []),
        ("<think>a<think>b</think>c</think>", "c</think>", "a<think>b", []),
        ("x <think>a</think>", "x <think>a</think>", "", []),
        ("<think>a</think>\n<think>b</think>", "<think>b</think>", "a", []),
        (f"<think>{CALL}</think>{CALL}", "", CALL, GET),
        (f" \n {CALL} \n ", "", "", GET),
        (f"hello \n{CALL}", "hello", "", GET),
        (f"<think>a</think> \n{CALL}", "", "a", GET),
        (f"{CALL}\nhello", "\nhello", "", GET),
        (f"one {CALL} two \n{CALL}\n", "one two", "", GET * 2),
        (f"{CALL}{CALL}", "", "", GET * 2),
        (f"{CALL}\n<think>", "\n<think>", "", GET),
    ],
)
def test_white_space_and_order(text, content, reasoning, calls):
    assert outcome("hermes", text) == (content, reasoning, calls)


@pytest.mark.parametrize(
    ("text", "content", "reasoning"),
    [
        ("one [THINK] a [/THINK] two", "one two", "a"),
        (" [THINK]a[/THINK] [THINK]b[/THINK] ", "", "ab"),
        ("one [THINK] a", "one ", "a"),
    ],
)
def test_reasoning_anywhere(text, content, reasoning):
    assert outcome("mistral", text) == (content, reasoning, [])


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>\n{"name": "other", "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": "getter", "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"name": 5, "arguments": {}}\n</tool_call>',
        '<tool_call>\n{"arguments": {"text": "x"}}\n</tool_call>',
        '<tool_call>\n{"name": "get", "arguments": [1]}\n</tool_call>',
        '<tool_call>\n{"name": "get", "arguments": "x"}\n</tool_call>',
        '<tool_call>\n{"name": "get", "arguments": "{} {}"}\n</tool_call>',
        '<tool_call>\n{"id": 1, "name": "get", "arguments": {"text": oops}}\n</tool_call>',
        '<tool_call>\n{"arguments": {}, "name": "get", "name": "get"}\n</tool_call>',
        '<tool_call>\n{"arguments": {}, "parameters": {}, "name": "get"}\n</tool_call>',
        '<tool_call>\n{"arguments": {}, "name": "get"}\n</tool_call',
        "<tool_call>\n{}</tool_call>",
        "<tool_call>",
        "<tool_call>  \n x",
    ],
)
def test_what_is_no_call_is_content(text):
    assert outcome("hermes", text) == (text, "", [])
    assert outcome("hermes", f"a {text} {CALL}") == (f"a {text}", "", GET)


@pytest.mark.parametrize(
    "text",
    [
        CODER.replace("get", "other"),
        CODER.replace("<parameter=text>", "oops<parameter=text>"),
        CODER.replace("</function>", "</parameter>"),
        CODER[:-1] + "!",
    ],
)
def test_what_is_no_call_in_tags_is_content(text):
    assert outcome("qwen3-coder", text) == (text, "", [])
    assert outcome("qwen3-coder", f"a {text} {CODER}") == (f"a {text}", "", GET)


@pytest.mark.parametrize(
    ("text", "arguments", "content"),
    [
        ('{"name": "get", "arguments": {"a": oops}}</tool_call>', '{"a": ', "oops}}</tool_call>"),
        ('{"name": "get", "arguments": {"a": 1}, oops', '{"a": 1}', ", oops"),
        ('{"name": "get", "arguments": {"a": 1}, "name": "get"}', '{"a": 1}', ', "name": "get"}'),
        ('{"name": "get", "arguments": {"a": 1}}\noops', '{"a": 1}', "\noops"),
        ('{"name": "get", "arguments": {"a', '{"a', ""),
        ('{"name": "get", "arguments": {"a": 1}, "id', '{"a": 1}', ""),
        ('{"name": "get", "arguments": {"a": 1}}\n</tool_', '{"a": 1}', ""),
    ],
)
def test_what_follows_a_fault_is_content_once_a_call_was_given(text, arguments, content):
    found = read(format_of("hermes"), f"<tool_call>{text}")
    assert (found.calls, found.content) == ([("get", arguments)], content)
    assert read(format_of("hermes"), f"<tool_call>{text}", range(1, 90)) == found


def test_a_call_behind_a_fault_is_read():
    text = f'<tool_call>{{"name": "get", "arguments": {{"a": {CALL}'
    found = read(format_of("hermes"), text)
    assert found.calls == [("get", '{"a": '), ("get", '{"text": "x"}')]
    assert found.content == ""


def test_a_fault_that_was_first_read_as_part_of_something_unfinished():
    text = '[TOOL_CALLS][{"name": "get"}, {"id": " [TOOL_CALLS]get{"text": oops'
    found = read(format_of("mistral-list"), text)
    assert found.calls == [("get", "{}"), ("get", '{"text": ')]
    assert found.content == ', {"id": "oops'


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"name": "get"}', "{}"),
        ('{"name": "get", "arguments": null}', "{}"),
        ('{"name": "get", "arguments": {"a" : 1 } }', '{"a" : 1 }'),
        ('{"name": "get", "parameters": {}}', "{}"),
        ('{"arguments": {"a" : 1}, "name": "get"}', '{"a" : 1}'),
        ('{"type": "function", "name": "get", "arguments": {"a": 1}}', '{"a": 1}'),
        ('{"name": "get", "id": [{}], "arguments": {"a": 1}}', '{"a": 1}'),
        ('{"name": "get", "arguments": {"a": 1}, "id": "x"}', '{"a": 1}'),
        ('{"name": "get", "arguments": "{\\"a\\": \\"\\\\u00e9\\"}"}', '{"a": "\\u00e9"}'),
        ('{"name": "get", "arguments": "{\\"a\\": \\"\\ud800\\"}"}', '{"a": "\\ud800"}'),
        ('{"n\\u0061me": "g\\u0065t", "arguments": {}}', "{}"),
    ],
)
def test_forms_of_a_json_call(text, arguments):
    fed, _ = pieces_of(format_of("hermes"), f"<tool_call>{text}</tool_call>")
    start, *rest = [segment for segments in fed for segment in segments]
    assert isinstance(start, CallStart) and start.name == "get"
    assert "".join(segment.fragment for segment in rest) == arguments
    "".join(segment.fragment for segment in rest).encode()


@pytest.mark.parametrize(
    ("family", "text", "content", "calls"),
    [
        ("llama3", '{"name": "get", "parameters": {}}', "", 1),
        ("llama3", ' \n{"name": "get", "parameters": {}}; {"name": "get", "parameters": {}} ', "", 2),
        ("llama3", '<|python_tag|>{"name": "get", "parameters": {}}', "", 1),
        ("llama3", 'x {"name": "get", "parameters": {}}', 'x {"name": "get", "parameters": {}}', 0),
        ("llama3", 'x <|python_tag|>{"name": "get", "parameters": {}}', "x", 1),
        ("llama3", '{"name": "Ann", "age": 5}', '{"name": "Ann", "age": 5}', 0),
        ("llama3", '{"name": "get", "parameters": {}} {"name": "get"}', ' {"name": "get"}', 1),
        ("llama4", "[get(), get_weather(count=1)]", "", 2),
        ("llama4", "[1, 2]", "[1, 2]", 0),
        ("llama4", "[get]", "[get]", 0),
        ("llama4", "see [get()]", "see [get()]", 0),
        ("llama4", "see <|python_start|>[get()]<|python_end|>", "see", 1),
        ("llama4", '{"name": "get", "parameters": {}}', "", 1),
        ("kimi-k2", "<|tool_call_begin|>get:0<|tool_call_argument_begin|>{}<|tool_call_end|>", "", 1),
        ("qwen3-coder", "<function=get>\n</function>\n</tool_call>\n", "", 1),
        ("qwen3-coder", "<function=get></function>\nx", "\nx", 1),
        ("mistral", "[TOOL_CALLS]get{}[TOOL_CALLS]get[CALL_ID]abc[ARGS]{}", "", 2),
        ("mistral-list", '[TOOL_CALLS] [{"name": "get", "arguments": {}, "id": "1"}]', "", 1),
        ("mistral", '[TOOL_CALLS][{"name": "get", "arguments": {}}]', "", 1),
    ],
)
def test_other_ways_to_open_a_call(family, text, content, calls):
    found = outcome(family, text)
    assert found == (content, "", [("get", {})] * calls if "weather" not in text else found[2])
    assert len(found[2]) == calls


def test_bare_calls_may_follow_reasoning():
    assert outcome("llama3", '<think>a</think>\n{"name": "get"}') == ("", "a", [("get", {})])


def test_sections_go_on_until_something_else_comes():
    call = "<｜tool▁call▁begin｜>get<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
    begin, end = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
    assert outcome("deepseek-v3.1", f"a {begin}{call}\n{call}{end}\n") == ("a", "", [("get", {})] * 2)
    assert outcome("deepseek-v3.1", f"{begin}{call} b {call}{end} c") == (" b c", "", [("get", {})] * 2)
    assert outcome("deepseek-v3.1", f"{begin}a{call}") == (f"{begin}a", "", [("get", {})])


HEAD = "<|start|>assistant"
CALLED = "<|channel|>commentary to=functions.get <|constrain|>json<|message|>{}"


@pytest.mark.parametrize(
    ("text", "content", "reasoning", "calls"),
    [
        ("<|channel|>final<|message|> hi \n<|return|>", " hi \n", "", 0),
        ("<|channel|>final<|message|>hi", "hi", "", 0),
        ("<|channel|>commentary<|message|>hi<|end|>" + HEAD + "<|channel|>final<|message|>you", "hiyou", "", 0),
        ("<|channel|>analysis<|message|> hm <|end|>" + HEAD + CALLED + "<|call|>", "", "hm", 1),
        ("<|channel|>analysis<|message|>one<|end|>" + HEAD + "<|channel|>analysis<|message|>two", "", "onetwo", 0),
        (CALLED, "", "", 1),
        (CALLED + "<|ca", "", "", 1),
        (CALLED + " \n", "", "", 1),
        (CALLED + "<|call|>" + HEAD + CALLED + "<|call|>", "", "", 2),
        (" to=functions.get<|channel|>commentary json<|message|>{}<|call|>", "", "", 1),
        (HEAD + " to=functions.get<|channel|>commentary json<|message|>{}", "", "", 1),
        ("<|channel|>analysis to=functions.get<|message|>{}", "", "", 1),
        ("to be", "to be", "", 0),
        ("hello <|channel|>final<|message|>you", "hello you", "", 0),
        ("hello " + CALLED, "hello", "", 1),
        (CALLED + " x<|call|>", " x<|call|>", "", 1),
        ("<|channel|>other<|message|>x<|end|>", "<|channel|>other<|message|>x<|end|>", "", 0),
        (CALLED.replace("get", "no") + "<|call|>", CALLED.replace("get", "no") + "<|call|>", "", 0),
        (CALLED.replace("{}", "x"), CALLED.replace("{}", "x"), "", 0),
    ],
)
def test_channels(text, content, reasoning, calls):
    assert outcome("harmony", text) == (content, reasoning, [("get", {})] * calls)


def test_channels_without_reasoning_leave_it_in_the_text():
    text = "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>hi"
    found = read(Format(TOOL_SYNTAXES["harmony"], None, "channels"), text)
    assert found.content == "<|channel|>analysis<|message|>hm<|end|>hi"


def test_pieces_say_where_they_stood_and_calls_are_numbered():
    parser = OutputParser(format_of("hermes"), {"get": {}}, new_id="call_{}".format)
    assert parser.feed("<think> a") == [Reasoning(8, 9, "a")]
    assert parser.reasoning_spans == [(7, 9)]
    assert parser.feed("b\n</think>c") == [Reasoning(9, 10, "b"), Content(19, 20, "c")]
    assert parser.reasoning_spans == [(7, 11)]
    assert parser.feed('<tool_call>{"name": "get", "arguments"') == []
    assert parser.feed(': {"a') == [CallStart(40, 45, 0, "call_0", "get"), CallArguments(60, 63, 0, '{"a')]
    assert parser.feed('": 1}}</tool_call><') == [CallArguments(63, 68, 0, '": 1}')]
    assert parser.finish() == [Content(81, 82, "<")]


def test_an_exotic_name_is_read_to_its_end():
    tools = {"a/b c": {}, "a/b": {}, "ü:1": {}}
    for name in tools:
        text = f"<function={name}>\n</function>"
        assert read(format_of("qwen3-coder"), text, tools=tools).calls == [(name, "{}")]


@pytest.mark.parametrize("opened", [True, False])
def test_nothing_at_all(opened):
    parser = OutputParser(format_of("hermes"), {}, opened=opened, new_id=str)
    assert parser.feed("") == parser.finish() == []
    assert parser.reasoning_spans == ([(0, 0)] if opened else [])


def test_a_deep_answer_is_no_danger():
    deep = '{"a": ' * 20_000
    found = read(format_of("hermes"), f'<tool_call>{{"name": "get", "arguments": {deep}1{"}" * 20_000}}}</tool_call>')
    assert json.dumps(found.content) == '""' and len(found.calls[0][1]) == len(deep) + 20_001
