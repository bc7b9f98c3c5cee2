"""Chats to token ids on tokenizers saved to folders: the template's own, byte-level BPE and SentencePiece."""

import json
import re
import tracemalloc
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import files
from pathlib import Path

import mistral_common
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer, TokenizersBackend

from handlers.text.tokenizer import ChatTokenizer, PromptError

REAL = {path.stem: path.locate().read_text() for path in files("trl") if path.name.endswith(".jinja")}
MISTRAL = Path(mistral_common.__file__).parent / "data" / "mistral_instruct_tokenizer_241114.model.v7"
BRACKETS = """
{%- for message in messages %}
  {%- if message.role == "system" %}[SYSTEM_PROMPT] {{ message.content }}[/SYSTEM_PROMPT]
  {%- elif message.role == "user" %}
    {%- if loop.last and tools %}[AVAILABLE_TOOLS] {{ tools|tojson }}[/AVAILABLE_TOOLS]{% endif -%}
    [INST] {{ message.content }}[/INST]
  {%- elif message.role == "tool" %}[TOOL_RESULTS] {{ message.content }}[/TOOL_RESULTS]
  {%- elif message.tool_calls is defined %}[TOOL_CALLS]
    {%- for call in message.tool_calls %}{{ call.function|tojson }}{% endfor %}{{ eos_token }}
  {%- else %} {{ message.content }}{{ eos_token }}
  {%- endif %}
{%- endfor %}"""


def save_byte_level(folder, template, *, special=(), visible=()):
    """A tokenizer of single bytes with the given added tokens: text is unchanged, and easy to count."""
    alphabet = {char: id for id, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>", *special])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in visible])
    TokenizersBackend(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=template
    ).save_pretrained(folder)
    return folder


def save_chatml(folder, template=REAL["qwen3"]):
    visible = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
    return save_byte_level(folder, template, special=["<|im_start|>", "<|im_end|>"], visible=visible)


def save_sentencepiece(folder):
    (folder / "tokenizer.model").write_bytes(MISTRAL.read_bytes())
    (folder / "config.json").write_text(json.dumps({"model_type": "mistral"}))
    specials = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    config = {"tokenizer_class": "LlamaTokenizer", "chat_template": BRACKETS, **specials}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def chatml(tmp_path_factory):
    return ChatTokenizer(save_chatml(tmp_path_factory.mktemp("chatml")))


@pytest.fixture(scope="module")
def brackets(tmp_path_factory):
    return ChatTokenizer(save_sentencepiece(tmp_path_factory.mktemp("brackets")))


def encode(tokenizer, messages, tools=None, reasoning_effort=None, **template_kwargs):
    return tokenizer.encode_chat(
        messages, tools=tools, template_kwargs=template_kwargs, reasoning_effort=reasoning_effort
    )


def user(content):
    return {"role": "user", "content": content}


def refused(tokenizer, *args, **kwargs):
    with pytest.raises(PromptError) as caught:
        encode(tokenizer, *args, **kwargs)
    assert str(caught.value) == caught.value.message
    return caught.value


# --- Control tokens ---


def chat_with(word, traits):
    """A chat that holds one word in every place where a client can put one, also cut in two over parts."""
    parts = [{"type": "text", "text": f"a {word[:3]}"}, {"type": "text", "text": f"{word[3:]} b"}]
    arguments = json.dumps({"k": word, "object": {"m": f"c {word}"}})
    call = {"id": "call_abc", "type": "function", "function": {"name": "f", "arguments": arguments}}
    chat = [user(parts)]
    if traits.system:
        chat.insert(0, {"role": "system", "content": f"{word} d"})
    if traits.tool_results:
        chat.append({"role": "assistant", "reasoning_content": f"e {word}", "tool_calls": [call]})
        chat.append({"role": "tool", "tool_call_id": "call_abc", "content": f"g {word}"})
    else:
        chat.append({"role": "assistant", "content": f"h {word}", "reasoning_content": word})
    return [*chat, user(f"{word}{word}")] if not traits.tool_results else chat


def tools_with(word, traits):
    parameters = {"type": "object", "properties": {"k": {"type": "string", "description": word, "enum": [word, "i"]}}}
    function = {"name": "f", "description": f"j {word}", "parameters": parameters}
    return [{"type": "function", "function": function}] if traits.tools else None


def control_counts(tokenizer, word):
    ids = encode(tokenizer, chat_with(word, tokenizer.traits), tools_with(word, tokenizer.traits), note=word)
    return Counter(id for id in ids if id in tokenizer._tokenizer.added_tokens_decoder)


@pytest.mark.parametrize("name", sorted(name for name in REAL if not name.endswith("_training")))
def test_control_tokens_typed_by_a_client_stay_text_in_real_templates(tmp_path, name):
    written = re.sub("{#.*?#}", "", REAL[name], flags=re.DOTALL)
    tokens = sorted(set(re.findall(r"</?[^<>\s'\"{}%/]{2,40}>|\[/?[A-Z_]{3,}\]", written)))
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL[name], special=tokens[::2], visible=tokens[1::2]))
    harmless = control_counts(tokenizer, "harmless")
    for token in [*tokens, "</s>"]:
        assert control_counts(tokenizer, token) == harmless


@pytest.mark.parametrize("name", ["chatml", "brackets"])
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_any_mix_of_text_and_control_tokens_stays_text(request, name, data):
    tokenizer = request.getfixturevalue(name)
    tokens = ["<|im_start|>", "<|im_end|>", "<think>", "[INST]", "[/INST]", "</s>", "[TOOL_CALLS]", "<|im_", "end|>"]
    text = "".join(data.draw(st.lists(st.sampled_from([*tokens, " ", "\n", "é", "\U000f0000"]), max_size=8)))
    # Reasoning tags are left out of what the model said itself: templates cut them out, as they should.
    assert control_counts(tokenizer, f"x{text.replace('<think>', '')}") == control_counts(tokenizer, "harmless")
    ids = encode(tokenizer, [user(f"({text})")])
    assert "".join(f"({text})".split("\U000f0000")) in tokenizer._tokenizer.decode(ids)


@pytest.mark.parametrize("place", ["tools", "arguments", "chat_template_kwargs"])
def test_a_control_token_in_a_key_is_refused_by_place(chatml, place):
    key = "a<|im_end|>b"
    parameters = {"type": "object", "properties": {key: {"type": "string"}} if place == "tools" else {}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": parameters}}]
    arguments = json.dumps({"x": {key: 1}} if place == "arguments" else {})
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [user("hi"), {"role": "assistant", "tool_calls": [call]}]
    variables = {"note": {key: 1}} if place == "chat_template_kwargs" else {}
    assert (
        refused(chatml, messages, tools, **variables).param
        == {
            "tools": "tools.0.function.parameters.properties",
            "arguments": "messages.1.tool_calls.0.function.arguments.x",
            "chat_template_kwargs": "chat_template_kwargs.note",
        }[place]
    )


@pytest.mark.timeout(20)
def test_long_keys_with_many_members_cost_no_more_than_their_length(chatml):
    tracemalloc.start()
    try:
        value = {"k" * 300_000: [""] * 50_000 + ["<|im_end|>"], "l" * 300_000: {str(i): "x" for i in range(50_000)}}
        before = tracemalloc.get_traced_memory()[0]
        assert encode(chatml, [user("hi")], note=value)
        assert tracemalloc.get_traced_memory()[1] - before < 100 << 20
    finally:
        tracemalloc.stop()


def test_a_template_that_loses_the_marks_of_control_tokens_is_not_trusted(tmp_path):
    """LFM2 prints lists as Python does, which escapes the library's marks: the token would come through."""
    tokenizer = ChatTokenizer(save_chatml(tmp_path, REAL["lfm2_2_5"]))
    function = {"name": "f", "arguments": json.dumps({"names": ["<|im_end|>"]})}
    messages = [
        user("hi"),
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": function}]},
    ]
    assert "control token" in refused(tokenizer, messages).message
    function["arguments"] = json.dumps({"names": ["im_end"], "other": "<|im_end|>"})
    assert encode(tokenizer, messages)


# --- Prompts ---


@settings(deadline=None, max_examples=50)
@given(texts=st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Co"])), min_size=1, max_size=3))
def test_a_prompt_is_the_encoded_rendering_with_its_generation_prompt(chatml, texts):
    messages = [user(text) for text in texts]
    rendering = chatml._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert encode(chatml, messages) == chatml._tokenizer.encode(rendering, add_special_tokens=False)
    assert rendering.endswith("<|im_start|>assistant\n")


def test_template_variables_reach_the_template(chatml):
    thinking, not_thinking = (encode(chatml, [user("hi")], enable_thinking=value) for value in (True, False))
    assert not_thinking[: len(thinking)] == thinking and len(not_thinking) > len(thinking)
    assert chatml.template_knows("enable_thinking") and not chatml.template_knows("enable_thinkng")


@pytest.mark.parametrize(("said", "meant"), [("false", False), ("False", False), (" true ", True), ("TRUE", True)])
def test_a_switch_is_read_as_what_its_text_says(chatml, said, meant):
    as_text, as_is = (encode(chatml, [user("hi")], enable_thinking=value) for value in (said, meant))
    assert as_text == as_is


def test_reasoning_effort_reaches_the_template(tmp_path):
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, REAL["gptoss"]))
    high = encode(tokenizer, [user("hi")], reasoning_effort="high")
    assert tokenizer.template_knows("reasoning_effort") and not tokenizer.template_knows("enable_thinking")
    assert encode(tokenizer, [user("hi")], reasoning_effort="max") == high
    assert "Reasoning: high" in tokenizer._tokenizer.decode(high)
    assert high == tokenizer.encode_chat(
        [user("hi")], tools=None, template_kwargs={"reasoning_effort": "high"}, reasoning_effort=None
    )


def test_two_different_reasoning_efforts_are_refused(chatml):
    with pytest.raises(PromptError) as caught:
        kwargs = {"reasoning_effort": "low"}
        chatml.encode_chat([user("hi")], tools=None, template_kwargs=kwargs, reasoning_effort="high")
    assert caught.value.param == "chat_template_kwargs.reasoning_effort"


@pytest.mark.parametrize(
    "name",
    [
        *("messages", "conversation", "conversations", "tools", "documents", "chat_template", "add_generation_prompt"),
        *(
            "continue_final_message",
            "tokenize",
            "return_dict",
            "return_tensors",
            "return_assistant_tokens_mask",
            "self",
        ),
        *("padding", "truncation", "max_length", "tokenizer_kwargs", "sanitize_control_tokens", "bos_token"),
        *("add_special_tokens", "eos_token", "raise_exception"),
    ],
)
def test_reserved_names_may_not_be_template_variables(chatml, name):
    with pytest.raises(PromptError) as caught:
        chatml.encode_chat([user("hi")], tools=None, template_kwargs={name: True}, reasoning_effort=None)
    assert caught.value.param == f"chat_template_kwargs.{name}"
    assert not chatml.template_knows(name)


@settings(deadline=None, max_examples=100)
@given(
    name=st.text(min_size=1, max_size=12)
    | st.sampled_from(["range", "namespace", "traits", "loop", "render", "kwargs"]),
    value=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    ),
)
def test_any_template_variable_makes_a_prompt_or_a_prompt_error(chatml, name, value):
    try:
        assert encode_with(chatml, {name: value})
    except PromptError as error:
        assert error.message and error.param


def encode_with(tokenizer, template_kwargs):
    return tokenizer.encode_chat([user("hi")], tools=None, template_kwargs=template_kwargs, reasoning_effort=None)


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_what_cannot_be_rendered_or_encoded_is_a_prompt_error(chatml, tmp_path):
    assert refused(chatml, [user("a\ud800b")]).param == "messages.0.content"
    assert "nested too deeply" in refused(chatml, [user("hi")], note=nested(100_000)).message
    strict = ChatTokenizer(save_chatml(tmp_path, REAL["gemma"]))
    error = refused(strict, [{"role": "system", "content": "x"}, user("hi")])
    assert "System role not supported" in error.message and error.param == "messages"


def test_system_messages_that_the_template_would_leave_out_are_refused(tmp_path):
    template = "{% for m in messages if m.role != 'system' %}{{ m.content }}{% endfor %}"
    tokenizer = ChatTokenizer(save_byte_level(tmp_path, template))
    assert refused(tokenizer, [user("hi"), {"role": "system", "content": "x"}]).param == "messages.1.role"
    assert refused(tokenizer, [user("")]).param == "messages"


def test_parts_of_text_are_joined_and_media_parts_are_named(chatml):
    parts = [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]
    assert encode(chatml, [user(parts)]) == encode(chatml, [user("one two")])
    error = refused(chatml, [user([*parts, {"type": "image_url", "image_url": {"url": "data:,"}}])])
    assert error.param == "messages.0.content.2" and "does not support image inputs" in error.message


def test_prompts_made_at_once_in_many_threads_are_the_same_as_one_by_one(brackets):
    """The server encodes in threads; the tokenizer's own state must not leak from one prompt to another."""
    chats = [[user(f"[INST] number {n} </s>" * (n % 5 + 1))] for n in range(64)]
    alone = [encode(brackets, chat) for chat in chats]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda chat: encode(brackets, chat), chats)) == alone


# --- Loading ---


def test_end_tokens_come_from_all_files_in_order_without_repeats(tmp_path):
    save_chatml(tmp_path)
    (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": [259, 258]}))
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 258, "text_config": {"eos_token_id": [7, None]}}))
    assert ChatTokenizer(tmp_path).end_tokens == (259, 258, 7, 257)


def test_end_tokens_without_other_files_are_the_tokenizer_s(chatml):
    assert chatml.end_tokens == (chatml._tokenizer.convert_tokens_to_ids("</s>"),)


def test_vocab_size_counts_added_tokens(chatml):
    assert chatml.vocab_size == 256 + 2 + 2 + 6


def test_a_folder_without_template_or_tokenizer_says_what_is_missing(tmp_path):
    with pytest.raises(ValueError, match="no tokenizer that can be read; it needs tokenizer.json"):
        ChatTokenizer(tmp_path)
    save_byte_level(tmp_path, None)
    with pytest.raises(ValueError, match="no chat template; give one with --chat-template"):
        ChatTokenizer(tmp_path)
    save_chatml(tmp_path)
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ValueError, match="generation_config.json is not valid JSON"):
        ChatTokenizer(tmp_path)


def test_nothing_is_downloaded_for_a_name_that_is_no_folder():
    with pytest.raises(ValueError, match="no tokenizer that can be read"):
        ChatTokenizer(Path("someone/some-model"))


def test_a_template_for_tools_is_used_with_tools(tmp_path):
    save_byte_level(tmp_path, {"default": "plain {{ messages[0].content }}", "tool_use": "{{ tools }}{{ messages }}"})
    tokenizer = ChatTokenizer(tmp_path)
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert tokenizer.traits.tools
    assert tokenizer._tokenizer.decode(encode(tokenizer, [user("hi")])) == "plain hi"
    assert "'name': 'f'" in tokenizer._tokenizer.decode(encode(tokenizer, [user("hi")], tools))


# --- Single tokens ---


def test_token_bytes_and_text_of_each_kind(chatml, brackets):
    ids = chatml._tokenizer.convert_tokens_to_ids
    assert (chatml.token_bytes(ids("a")), chatml.token_text(ids("a"))) == (b"a", "a")
    assert (chatml.token_bytes(ids("Ã")), chatml.token_text(ids("Ã"))) == (b"\xc3", "\ufffd")
    assert (chatml.token_bytes(ids("<think>")), chatml.token_text(ids("<think>"))) == (b"<think>", "<think>")
    assert (chatml.token_bytes(ids("<|im_end|>")), chatml.token_text(ids("<|im_end|>"))) == (None, "<|im_end|>")
    assert (chatml.token_bytes(99_999), chatml.token_text(99_999)) == (None, "")
    piece = brackets._tokenizer.convert_tokens_to_ids("▁the")
    assert (brackets.token_bytes(piece), brackets.token_text(piece)) == (b" the", " the")


@pytest.mark.parametrize("name", ["chatml", "brackets"])
def test_the_vocabulary_has_the_bytes_of_every_ordinary_token_and_of_every_byte(request, name):
    tokenizer = request.getfixturevalue(name)
    vocabulary = tokenizer.vocabulary()
    control = tokenizer._tokenizer.added_tokens_decoder
    for token, spelling in enumerate(vocabulary):
        assert spelling == (b"" if token in control else tokenizer.token_bytes(token) or b"")
    assert {bytes([byte]) for byte in range(256)} <= set(vocabulary)
    assert not any(vocabulary[token] for token in tokenizer.end_tokens)


@pytest.mark.parametrize("name", ["chatml", "brackets"])
@settings(deadline=None, max_examples=50)
@given(text=st.text(max_size=20))
def test_joined_token_bytes_are_the_text_that_is_streamed(request, name, text):
    tokenizer = request.getfixturevalue(name)
    ids = tokenizer._tokenizer.encode(text, add_special_tokens=False)
    stream = tokenizer.detokenizer(encode(tokenizer, [user("hi")]), [])
    streamed = "".join([*(stream.feed(id) for id in ids), stream.finish()])
    assert b"".join(tokenizer.token_bytes(id) or b"" for id in ids).decode() == streamed


def test_folders_load_as_transformers_loads_them(tmp_path):
    folder = save_chatml(tmp_path)
    assert len(AutoTokenizer.from_pretrained(folder)) == ChatTokenizer(folder).vocab_size


# --- Sizes ---


@settings(deadline=None, max_examples=50)
@given(
    texts=st.lists(
        st.text() | st.sampled_from([" " * 40_000, "word " * 9_000, "x" * 40_000, "\n" * 40_000]), max_size=3
    )
)
def test_texts_that_exceed_a_number_of_tokens_do_and_long_ones_are_found(chatml, texts):
    tokens = sum(len(chatml._tokenizer.encode(text, add_special_tokens=False)) for text in texts)
    assert not chatml.exceeds(texts, tokens)
    assert tokens < 500 or chatml.exceeds(texts, tokens // 2 - 200)


def test_texts_are_read_no_further_than_it_takes(chatml):
    def texts():
        yield "word " * 2000
        raise AssertionError("read further")

    assert chatml.exceeds(texts(), 1000)


def test_the_longest_token_is_known(chatml):
    assert chatml.longest_token == max(len(chatml.token_bytes(token) or b"") for token in range(chatml.vocab_size))
