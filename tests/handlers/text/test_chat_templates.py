"""Shipped chat templates, and those of a file."""

import pytest

from handlers.text.chat_templates import NAMES, read_chat_template
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_tokenizer import save_byte_level

TALK = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
]
RENDERED = {
    "chatml": "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\none<|im_end|>\n"
    "<|im_start|>assistant\ntwo<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n<|im_start|>assistant\n",
    "llama3": "<s><|start_header_id|>system<|end_header_id|>\n\nbe brief<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\none<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\ntwo<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nthree<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
    "gemma": "<s><start_of_turn>user\nbe brief\n\none<end_of_turn>\n<start_of_turn>model\ntwo<end_of_turn>\n"
    "<start_of_turn>user\nthree<end_of_turn>\n<start_of_turn>model\n",
    "mistral": "<s>[INST] be brief\n\none[/INST] two</s>[INST] three[/INST]",
}
TOKENS = {
    "chatml": ["<|im_start|>", "<|im_end|>"],
    "llama3": ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "gemma": ["<start_of_turn>", "<end_of_turn>"],
    "mistral": ["[INST]", "[/INST]"],
}
ENDS = {"chatml": "<|im_end|>", "llama3": "<|eot_id|>", "gemma": "<end_of_turn>", "mistral": "</s>"}
TOOLS = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]


@pytest.fixture(params=sorted(RENDERED))
def name(request):
    return request.param


def text_of(tokenizer, messages, tools=None):
    ids = tokenizer.encode_chat(messages, tools=tools, template_kwargs={}, reasoning_effort=None)
    return tokenizer.decode_tail(ids, len(ids))


def test_every_shipped_template_is_tested_here():
    assert sorted(RENDERED) == list(NAMES)


def test_a_shipped_template_serves_a_checkpoint_that_has_none(tmp_path, name):
    save_byte_level(tmp_path, None, special=TOKENS[name])
    tokenizer = ChatTokenizer(tmp_path, read_chat_template(name))
    assert text_of(tokenizer, TALK) == RENDERED[name]
    assert tokenizer.traits.system


def test_it_goes_before_the_checkpoint_s_own(tmp_path, name):
    save_byte_level(tmp_path, "{{ messages[-1].content }}", special=TOKENS[name])
    assert text_of(ChatTokenizer(tmp_path, read_chat_template(name)), TALK) == RENDERED[name]
    assert text_of(ChatTokenizer(tmp_path), TALK[1:]) == "three"


def test_the_token_with_which_it_ends_an_answer_ends_answers(tmp_path, name):
    save_byte_level(tmp_path, None, special=TOKENS[name])
    tokenizer = ChatTokenizer(tmp_path, read_chat_template(name))
    found = [tokenizer.token_text(id) for id in tokenizer.end_tokens]
    assert found == list(dict.fromkeys(["</s>", ENDS[name]]))


def test_where_the_tokenizer_has_no_such_token_there_is_none(tmp_path):
    save_byte_level(tmp_path, None)
    tokenizer = ChatTokenizer(tmp_path, read_chat_template("chatml"))
    assert [tokenizer.token_text(id) for id in tokenizer.end_tokens] == ["</s>"]


def test_tools_are_text_in_all_of_them(tmp_path, name):
    save_byte_level(tmp_path, None, special=TOKENS[name])
    tokenizer = ChatTokenizer(tmp_path, read_chat_template(name))
    assert tokenizer.tools_as_text == ("tools", "calls", "results") and tokenizer.format.tool_name == "hermes"
    assert '"name": "find"' in text_of(tokenizer, TALK, TOOLS)


def test_a_template_may_be_a_file(tmp_path, monkeypatch):
    (tmp_path / "mine.jinja").write_text("é{{ messages[0].content }}")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (tmp_path / "mine.jinja", "~/mine.jinja"):
        assert read_chat_template(str(path)) == "é{{ messages[0].content }}"


@pytest.mark.parametrize("what", ["nothing", "folder", "binary"])
def test_what_is_no_template_is_named(tmp_path, what):
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    complaint = "cannot be read" if what == "binary" else "no template of that name; there are chatml, "
    with pytest.raises(ValueError, match=complaint):
        read_chat_template(str(tmp_path / what))
