"""Tokenizers of GGUF files give the ids of those that the files were made from."""

import json
from pathlib import Path

import mistral_common
import pytest
import sentencepiece
from gguf import TokenType
from hypothesis import given, settings
from hypothesis import strategies as st
from mistral_common.protocol.instruct.messages import AssistantMessage, UserMessage
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from tokenizers import AddedToken, pre_tokenizers

from handlers.text.chat_templates import read_chat_template
from handlers.text.gguf.tokenizer import read_gguf
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.gguf.files import byte_level_keys, sentencepiece_keys, write
from tests.handlers.text.texts import NUMBERED, PIECES, texts
from tests.handlers.text.vocabularies import GPT2, LLAMA3, QWEN2, byte_level, metaspace, sentencepiece_model

MISTRAL = Path(mistral_common.__file__).parent / "data"
CHATML = """{%- for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{{ '<|im_start|>assistant\n' }}"""
without_spaces_written = st.lists(st.sampled_from([piece for piece in PIECES if "▁" not in piece]), max_size=12)
"""A U+2581 that is typed is a space to SentencePiece and stands as it is in the texts of GGUF's user-defined tokens."""


def digits():
    return pre_tokenizers.Digits(individual_digits=True)


ORIGINALS = {
    "gpt-2": lambda: byte_level(GPT2),
    "smollm": lambda: byte_level(digits, GPT2),
    "dbrx": lambda: byte_level(LLAMA3),
    "stablelm2": lambda: byte_level(QWEN2),
}


@pytest.fixture
def keys():
    return byte_level_keys(ORIGINALS["smollm"](), "smollm")


@pytest.mark.parametrize("pre", ORIGINALS)
def test_byte_level_tokenizers_give_the_ids_of_the_original(tmp_path_factory, pre):
    original = ORIGINALS[pre]()
    file = write(tmp_path_factory.mktemp(pre) / "a.gguf", byte_level_keys(original, pre))
    own = read_gguf(file).tokenizer

    @settings(deadline=None, max_examples=200)
    @given(text=texts)
    def check(text):
        assert own.encode(text, add_special_tokens=False) == original.encode(text, add_special_tokens=False).ids

    check()
    assert own.added_tokens_decoder.keys() == original.get_added_tokens_decoder().keys()
    assert [token for id, token in own.added_tokens_decoder.items() if token.special] == [
        token for token in original.get_added_tokens_decoder().values() if token.special
    ]


@pytest.mark.parametrize(
    ("prefix", "byte_fallback"), [(True, True), (True, False), (False, True)], ids=["llama", "unknown", "gemma"]
)
def test_sentencepiece_tokenizers_give_the_ids_of_sentencepiece(tmp_path_factory, prefix, byte_fallback):
    model = sentencepiece_model(prefix=prefix, byte_fallback=byte_fallback)
    original = sentencepiece.SentencePieceProcessor(model_proto=model)
    file = write(tmp_path_factory.mktemp("sp") / "a.gguf", sentencepiece_keys(model, prefix=prefix))
    own = read_gguf(file).tokenizer

    @settings(deadline=None, max_examples=300)
    @given(pieces=without_spaces_written)
    def check(pieces):
        text = "".join(pieces)
        # SentencePiece never makes control tokens of text.
        ids = own.encode(text, add_special_tokens=False, split_special_tokens=True)
        assert ids == original.encode(text)
        # An unknown text is shown as " ⁇ " by the one and as "<unk>" by the other.
        assert original.unk_id() in ids or own.decode(ids) == original.decode(ids)

    check()


def test_merges_may_be_given_for_text_with_spaces_of_its_own(tmp_path):
    """The kind that llama.cpp calls gemma4."""
    original = metaspace("gemma")
    byte_keys = byte_level_keys(original, "")
    keys = {**byte_keys, "model": "gemma4", "pre": None, "unknown_token_id": 0, "add_space_prefix": False}
    own = read_gguf(write(tmp_path / "a.gguf", keys)).tokenizer
    for text in ["a  b\n\n1", "  x", "日本", *PIECES]:
        assert own.encode(text, add_special_tokens=False) == original.encode(text, add_special_tokens=False).ids


def test_a_file_that_has_the_checkpoints_own_tokenizer_json_gives_that(tmp_path, keys):
    original = byte_level(LLAMA3)
    keys = {**keys, "pre": "unheard-of", "tokenizer.huggingface.json": original.to_str()}
    own = read_gguf(write(tmp_path / "a.gguf", keys)).tokenizer
    assert own.encode(NUMBERED, add_special_tokens=False) == original.encode(NUMBERED, add_special_tokens=False).ids


def test_whole_words_are_tokens_where_the_kind_says_so_whatever_the_merges(tmp_path, keys):
    keys = {**keys, "tokens": [*keys["tokens"], "zxqj"], "token_type": [*keys["token_type"], int(TokenType.NORMAL)]}
    found = {}
    for pre in ("llama-bpe", "dbrx"):
        own = read_gguf(write(tmp_path / f"{pre}.gguf", {**keys, "pre": pre})).tokenizer
        found[pre] = own.encode("zxqj", add_special_tokens=False)
    assert found["llama-bpe"] == [len(keys["tokens"]) - 1] and len(found["dbrx"]) == 4


def test_unused_tokens_are_not_written(tmp_path):
    keys = sentencepiece_keys(sentencepiece_model(prefix=True), prefix=True)
    the = keys["tokens"].index("▁the")
    kinds = [int(TokenType.UNUSED) if id == the else kind for id, kind in enumerate(keys["token_type"])]
    own = read_gguf(write(tmp_path / "a.gguf", {**keys, "token_type": kinds})).tokenizer
    assert the not in own.encode("on the way", add_special_tokens=False)


def test_white_space_behind_phi_3_s_control_tokens_is_theirs(tmp_path):
    keys = sentencepiece_keys(sentencepiece_model(prefix=True), prefix=True)
    ids = {}
    for architecture in ("phi3", "llama"):
        file = write(tmp_path / f"{architecture}.gguf", {**keys, "general.architecture": architecture})
        own = read_gguf(file).tokenizer
        ids[architecture] = [own.encode(text, add_special_tokens=False) for text in ("<|im_end|>\n", "<s>\n")]
    assert len(ids["phi3"][0]) == 1 < len(ids["llama"][0])
    assert ids["phi3"][1] == ids["llama"][1]


def test_mistral_s_templates_write_the_space_that_others_have_put_in_front(tmp_path):
    """Of its own tokenizer, with tokens for instructions, the ids of one turn."""
    model = (MISTRAL / "mistral_instruct_tokenizer_240323.model.v3").read_bytes()
    file = write(tmp_path / "a.gguf", sentencepiece_keys(model, prefix=True))
    chat = ChatTokenizer(file, read_chat_template("mistral"))
    turns = [UserMessage(content="Hi there"), AssistantMessage(content="Hello!"), UserMessage(content="1. one\n\n 2")]
    expected = MistralTokenizer.v3().encode_chat_completion(ChatCompletionRequest(messages=turns)).tokens
    messages = [{"role": turn.role, "content": turn.content} for turn in turns]
    assert chat.encode_chat(messages, tools=None, template_kwargs={}, reasoning_effort=None) == expected


# --- Beside the text: parts, ends, templates ---


@pytest.mark.parametrize(
    ("named", "ends"),
    [
        ({}, ["</s>", "<|im_end|>"]),
        ({"eot_token_id": "<tool_call>", "eom_token_id": "<s>"}, ["</s>", "<tool_call>", "<s>", "<|im_end|>"]),
        ({"eos_token_id": "<|im_end|>"}, ["<|im_end|>"]),
        ({"eos_token_id": None}, ["<|im_end|>"]),
    ],
)
def test_answers_end_at_whatever_the_file_names_and_at_known_control_tokens(tmp_path, keys, named, ends):
    named = {key: text and keys["tokens"].index(text) for key, text in named.items()}
    found = read_gguf(write(tmp_path / "a.gguf", {**keys, **named}))
    assert [keys["tokens"][id] for id in found.end_tokens] == ends


@pytest.mark.parametrize(
    ("tokens", "ends"),
    [(["<|end|>"], ["<|end|>"]), (["<|end|>", "<|return|>", "<|call|>"], ["<|return|>", "<|call|>"])],
)
def test_where_messages_end_inside_of_an_answer_that_does_not_end_it(tmp_path, keys, tokens, ends):
    keys["tokens"] += tokens
    keys["token_type"] += [int(TokenType.CONTROL)] * len(tokens)
    found = read_gguf(write(tmp_path / "a.gguf", keys))
    assert [keys["tokens"][id] for id in found.end_tokens] == ["</s>", "<|im_end|>", *ends]


def test_a_text_that_looks_like_an_end_and_is_no_control_token_ends_nothing(tmp_path, keys):
    keys["tokens"].append("<|eot_id|>")
    keys["token_type"].append(int(TokenType.USER_DEFINED))
    assert len(keys["tokens"]) - 1 not in read_gguf(write(tmp_path / "a.gguf", keys)).end_tokens


def test_tokens_that_have_a_part_are_those_that_the_file_names(tmp_path, keys):
    own = read_gguf(write(tmp_path / "a.gguf", {**keys, "padding_token_id": 4, "unknown_token_id": 0})).tokenizer
    assert own.special_tokens_map == {
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<|im_end|>"
    }  # fmt: skip


def test_a_sentencepiece_file_that_names_none_has_those_of_llama(tmp_path):
    keys = sentencepiece_keys(sentencepiece_model(prefix=True), prefix=True)
    unnamed = {f"{part}_token_id": None for part in ("bos", "eos", "unknown")}
    found = read_gguf(write(tmp_path / "a.gguf", {**keys, **unnamed}))
    assert found.tokenizer.special_tokens_map == {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    assert found.end_tokens[0] == 2


@pytest.mark.parametrize("adds", [True, False])
def test_the_beginning_token_is_added_where_the_file_says_so_but_never_to_a_chat(tmp_path, keys, adds):
    keys = {**keys, "add_bos_token": adds, "tokenizer.chat_template": CHATML}
    file = write(tmp_path / "a.gguf", keys)
    ids = read_gguf(file).tokenizer.encode("x")
    assert (ids[0] == keys["bos_token_id"]) == adds
    chat = ChatTokenizer(file)
    prompt = chat.encode_chat([{"role": "user", "content": "x"}], tools=None, template_kwargs={}, reasoning_effort=None)
    assert prompt[0] == keys["tokens"].index("<|im_start|>")


def test_a_chat_of_a_file_is_its_templates_rendering_and_typed_control_tokens_are_text(tmp_path, keys):
    file = write(tmp_path / "a.gguf", {**keys, "tokenizer.chat_template": CHATML})
    chat, original = ChatTokenizer(file), ORIGINALS["smollm"]()
    text = "1. one\n\n2. two"
    rendering = f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    encode = {"tools": None, "template_kwargs": {}, "reasoning_effort": None}
    assert chat.encode_chat([{"role": "user", "content": text}], **encode) == original.encode(rendering).ids
    typed = chat.encode_chat([{"role": "user", "content": "a<|im_end|>b"}], **encode)
    assert typed.count(keys["tokens"].index("<|im_end|>")) == 1
    assert chat.vocab_size == len(keys["tokens"]) and chat.traits.system


def test_several_templates_are_had_by_their_names(tmp_path, keys):
    several = {"tokenizer.chat_templates": ["tool_use"], "tokenizer.chat_template.tool_use": "{{ tools }}" + CHATML}
    file = write(tmp_path / "a.gguf", {**keys, **several, "tokenizer.chat_template": CHATML})
    assert read_gguf(file).tokenizer.chat_template == {"default": CHATML, "tool_use": "{{ tools }}" + CHATML}
    assert ChatTokenizer(file).traits.tools


def test_a_file_without_a_template_says_so(tmp_path, keys):
    with pytest.raises(ValueError, match=r"a\.gguf has no chat template"):
        ChatTokenizer(write(tmp_path / "a.gguf", keys))


# --- Files that are not what they should be ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": None}, "tokenizer.ggml.model is missing; convert the checkpoint again"),
        (
            {"model": "bert"},
            "tokenizer.ggml.model is 'bert'; supported are gpt2, llama, gemma4; serve the checkpoint's",
        ),
        ({"model": 3}, "tokenizer.ggml.model is not a string"),
        ({"pre": None}, "tokenizer.ggml.pre is missing; convert the checkpoint again"),
        ({"pre": "kimi-k2"}, "tokenizer.ggml.pre is 'kimi-k2', which is not known here (known: a.x-4.0, "),
        ({"tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokens": [1, 2]}, "tokenizer.ggml.tokens is not a list of strings"),
        ({"tokens": ["a", "b", "a"]}, "tokenizer.ggml.tokens has 'a' 2 times"),
        ({"token_type": None}, "tokenizer.ggml.token_type is missing"),
        ({"token_type": [1, 1]}, "tokenizer.ggml.token_type has 2 values for 702 tokens"),
        ({"merges": None}, "tokenizer.ggml.merges is missing"),
        ({"merges": ["ab"]}, "tokenizer.ggml.merges[0] is 'ab', which is not two tokens that make a third"),
        ({"merges": ["! !", "Ж Ж"]}, "is not two tokens that make a third"),
        ({"eos_token_id": 70_000}, "tokenizer.ggml.eos_token_id is 70000, but there are 702 tokens"),
        ({"eot_token_id": "</s>"}, "tokenizer.ggml.eot_token_id is not a token id"),
        ({"add_bos_token": 1}, "tokenizer.ggml.add_bos_token is not a boolean"),
        ({"tokenizer.chat_templates": ["rag"]}, "tokenizer.chat_template.rag is missing"),
        ({"tokenizer.huggingface.json": "{}"}, "tokenizer.huggingface.json is no tokenizer.json"),
    ],
)
def test_a_fault_is_one_error_that_names_the_key(tmp_path, keys, change, message):
    file = write(tmp_path / "a.gguf", {**keys, **change})
    with pytest.raises(ValueError) as caught:
        read_gguf(file)
    assert message in str(caught.value) and str(file) in str(caught.value) and "; " in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": None}, "tokenizer.ggml.scores is missing"),
        ({"scores": [0.5]}, "tokenizer.ggml.scores has 1 values for 620 tokens"),
        ({"scores": [-1000.0] * 620}, "tokenizer.ggml.scores are all -1000, which says nothing of the order of merges"),
        ({"unknown_token_id": 99_999}, "tokenizer.ggml.unknown_token_id is 99999"),
    ],
)
def test_scores_that_order_nothing_are_refused(tmp_path, change, message):
    keys = sentencepiece_keys(sentencepiece_model(prefix=True), prefix=True)
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        read_gguf(write(tmp_path / "a.gguf", {**keys, **change}))


def test_added_tokens_of_the_file_win_over_all_other_text(tmp_path, keys):
    """As tokenizers has it: the leftmost, of those the longest."""
    original = ORIGINALS["smollm"]()
    own = read_gguf(write(tmp_path / "a.gguf", keys)).tokenizer
    assert json.loads(own.backend_tokenizer.to_str())["added_tokens"]
    for text in ("a<tool_call>\n\n\n\n1", "<|im_start|><|im_end|>", "<<tool_call>>"):
        assert own.encode(text, add_special_tokens=False) == original.encode(text, add_special_tokens=False).ids
    assert isinstance(own.added_tokens_decoder[keys["tokens"].index("<tool_call>")], AddedToken)
