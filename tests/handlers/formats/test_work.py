"""Reading takes work in proportion to the text, counted as calls made and characters copied, never as time."""

import sys

import pytest

from handlers.formats.scanner import TextScanner
from tests.handlers.formats.writing import format_of, pieces_of

SIZE = 500
TEXTS = {
    "text": ("hermes", "", "ab <b> \n"),
    "white space": ("hermes", "a", " "),
    "white space behind reasoning": ("hermes", "<think>a</think>", " "),
    "reasoning": ("hermes", "<think>", "a </b> \n"),
    "markers": ("hermes", "", "<tool_call>"),
    "markers with space": ("deepseek-v3.1", "", "<｜tool▁calls▁begin｜> \n"),
    "markers that many syntaxes share": ("mistral", "", "[TOOL_CALLS]get[CALL_ID]"),
    "names": ("qwen3-coder", "", "<function=get_we"),
    "arguments": ("hermes", '<tool_call>{"name": "get", "arguments": {"text": "', "ab "),
    "nested arguments": ("hermes", '<tool_call>{"name": "get", "arguments": ', '{"a": ['),
    "faults in arguments": ("hermes", "", '<tool_call>{"name": "get", "arguments": {"a": x'),
    "arguments that are held": ("hermes", '<tool_call>{"arguments": {"text": "', "ab "),
    "arguments in a string": ("hermes", '<tool_call>{"name": "get", "arguments": "{\\"text\\": ', "1"),
    "a value in tags": ("qwen3-coder", "<function=get><parameter=text>", "ab </"),
    "tags": ("qwen3-coder", "<function=get>", "<parameter=text>x</parameter>"),
    "tags that are not closed": ("qwen3-coder", "", "<tool_call><function=get><parameter=text>"),
    "keys": ("glm4", "", "<tool_call>get<arg_key>a"),
    "a string of Python": ("lfm2", "<|tool_call_start|>[get(text='", "ab \\'"),
    "literals": ("lfm2", "<|tool_call_start|>[get(list=[", "'a', "),
    "calls": ("lfm2", "<|tool_call_start|>[get()", ", get()"),
    "calls that break": ("lfm2", "", "<|tool_call_start|>[get(), get(text='"),
    "calls in tags": ("hermes", "", '<tool_call>{"name": "get"}</tool_call>\n'),
    "bare JSON that is no call": ("llama3", '{"a": [', "1, "),
    "quoted": ("gemma4", "<|tool_call>call:get{text:", '<|"|>'),
    "messages": ("harmony", "", "<|start|>assistant<|channel|>final<|message|>a<|end|>"),
    "headers": ("harmony", "", "<|start|>assistant to=functions.get <|channel|>"),
    "text in a message": ("harmony", "<|channel|>final<|message|>", "a <|"),
}


class Count:
    """calls: of functions, and resumptions of generators; copied: characters."""

    def __init__(self, monkeypatch):
        self.calls = self.copied = 0
        for name in ("feed", "seek", "slice", "through"):
            monkeypatch.setattr(TextScanner, name, self.counted(getattr(TextScanner, name)))

    def counted(self, method):
        """Each of these copies the window at most, or what it returns."""

        def call(scanner, *arguments):
            before = scanner._window
            result = method(scanner, *arguments)
            self.copied += len(scanner._window) if scanner._window is not before else 0
            self.copied += len(result or "")
            return result

        return call

    def of(self, format, text, cuts):
        self.calls = self.copied = 0
        sys.setprofile(lambda _frame, event, _value: self.add(event))
        try:
            pieces_of(format, text, cuts)
        finally:
            sys.setprofile(None)
        return self.calls + self.copied

    def add(self, event):
        self.calls += event in ("call", "c_call")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("step", [1, 7, 10 * SIZE])
def test_twice_the_text_is_twice_the_work(monkeypatch, name, step):
    family, head, repeated = TEXTS[name]
    count = Count(monkeypatch)
    work = []
    for size in (SIZE, 2 * SIZE, 4 * SIZE):
        text = head + repeated * (size // len(repeated))
        work.append(count.of(format_of(family), text, range(step, len(text), step)))
    assert work[2] - work[1] <= 2.2 * (work[1] - work[0]) + 100
