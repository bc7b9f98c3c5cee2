"""A checkpoint's tokenizer is what its own files say, whatever class of transformers they name."""

import json

import pytest
import transformers
from hypothesis import given, settings
from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, TokenizersBackend
from transformers.models.auto.tokenization_auto import TOKENIZER_MAPPING_NAMES

from handlers.text.checkpoint import load_tokenizer, read_folder
from handlers.text.tokenizer import ChatTokenizer
from tests.handlers.text.test_tokenizer import save_chatml
from tests.handlers.text.texts import NUMBERED, texts
from tests.handlers.text.vocabularies import kinds

KINDS = kinds()
MADE_ANEW = sorted(
    name
    for name in {name for name in TOKENIZER_MAPPING_NAMES.values() if name}
    if issubclass(getattr(transformers, name), TokenizersBackend) and "__init__" in getattr(transformers, name).__dict__
)
PLAIN = "{% for message in messages %}{{ message.content }}{% endfor %}"


def save(folder, kind, name="PreTrainedTokenizerFast", **config):
    folder.mkdir(exist_ok=True)
    KINDS[kind]().save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": name, "bos_token": "<s>", "eos_token": "</s>", "chat_template": PLAIN, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def file_tokenizer(folder):
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def steps(tokenizer):
    """All that makes ids of text; the post-processor only adds special tokens, which templates write themselves."""
    return {part: value for part, value in json.loads(tokenizer.to_str()).items() if part != "post_processor"}


def test_there_are_classes_that_transformers_makes_anew():
    assert {"GPT2Tokenizer", "Qwen2Tokenizer", "LlamaTokenizer", "GemmaTokenizer", "T5Tokenizer"} <= set(MADE_ANEW)
    assert len(MADE_ANEW) > 40


def test_transformers_itself_splits_where_the_file_does_not(tmp_path):
    """What the tests below are against; where this fails, transformers has mended it."""
    folder = save(tmp_path, "llama-3", "GPT2Tokenizer")
    other = AutoTokenizer.from_pretrained(folder).encode(NUMBERED, add_special_tokens=False)
    assert other != file_tokenizer(folder).encode(NUMBERED, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_is_loaded_as_it_is_whatever_class_is_named(tmp_path, kind):
    for name in [*MADE_ANEW, "CodeGenTokenizer", "PreTrainedTokenizerFast", "SomebodysTokenizer"]:
        folder = save(tmp_path, kind, name)
        assert steps(load_tokenizer(folder).backend_tokenizer) == steps(file_tokenizer(folder))


@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_those_of_the_file(tmp_path_factory, kind):
    folder = save(tmp_path_factory.mktemp(kind), kind, "GPT2Tokenizer")
    own, file = load_tokenizer(folder), file_tokenizer(folder)

    @settings(deadline=None, max_examples=150)
    @given(text=texts)
    def check(text):
        assert own.encode(text, add_special_tokens=False) == file.encode(text, add_special_tokens=False).ids

    check()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "unigram"])
def test_a_prompt_has_the_ids_of_the_file_and_typed_special_tokens_are_text(tmp_path_factory, kind):
    folder = save(tmp_path_factory.mktemp(kind), kind, "Qwen2Tokenizer")
    chat, file = ChatTokenizer(folder), file_tokenizer(folder)
    special = {id for id, token in file.get_added_tokens_decoder().items() if token.special}

    @settings(deadline=None, max_examples=100)
    @given(text=texts)
    def check(text):
        ids = encode(chat, f"x{text}")
        typed = any(file.id_to_token(id) in text for id in special)
        assert not special.intersection(ids)
        if not typed:
            assert ids == file.encode(f"x{text}", add_special_tokens=False).ids

    check()
    assert not special.intersection(encode(chat, "a<|im_end|><s> </s>b"))


def encode(tokenizer, text):
    messages = [{"role": "user", "content": text}]
    return tokenizer.encode_chat(messages, tools=None, template_kwargs={}, reasoning_effort=None)


def test_of_the_configuration_s_tokens_only_what_the_file_lacks_is_taken(tmp_path):
    plain = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    folder = save(tmp_path, "qwen2")
    file = file_tokenizer(folder)
    file.add_tokens([AddedToken("<left>", lstrip=True, normalized=False)])
    file.save(str(folder / "tokenizer.json"))
    left, size = file.token_to_id("<left>"), file.get_vocab_size()
    added = {
        str(left): {"content": "<left>", "special": True, **plain},
        str(size): {"content": "<new>", "special": False, **plain},
    }
    config = {"added_tokens_decoder": added, "eos_token": "<left>", "pad_token": "<pad>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    own = load_tokenizer(folder)
    assert own.encode("a <left>", add_special_tokens=False) == file.encode("a <left>", add_special_tokens=False).ids
    assert own.encode("<new><pad>", add_special_tokens=False) == [size, size + 1]
    tokens = own.added_tokens_decoder
    assert tokens[left].special and tokens[left].lstrip and not tokens[size].special and tokens[size + 1].special


def test_special_tokens_and_templates_come_from_the_other_files(tmp_path):
    folder = save(tmp_path, "qwen2", bos_token=None, eos_token=None, chat_template=None)
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": {"content": "<|im_end|>"}}))
    (folder / "chat_template.jinja").write_text(PLAIN)
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools }}" + PLAIN)
    own = read_folder(folder)
    assert own.end_tokens == (file_tokenizer(folder).token_to_id("<|im_end|>"),)
    assert own.tokenizer.chat_template == {"default": PLAIN, "tool_use": "{{ tools }}" + PLAIN}


def test_what_a_response_is_comes_from_the_configuration(tmp_path):
    described = {"fields": {"thinking": {"open": "<hm>", "close": "</hm>"}}}
    assert read_folder(save(tmp_path, "qwen2")).response_template is None
    assert read_folder(save(tmp_path, "qwen2", response_template=described)).response_template == described


@pytest.mark.parametrize("truncation", [True, False])
def test_limits_written_into_the_file_do_not_cut_prompts(tmp_path, truncation):
    folder = save(tmp_path, "bytes")
    file = file_tokenizer(folder)
    file.enable_truncation(8) if truncation else file.enable_padding(length=64)
    file.save(str(folder / "tokenizer.json"))
    assert len(encode(ChatTokenizer(folder), "a b c d e f g")) == 13


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("tokenizer.json", "model", None), ("tokenizer.json", "added_tokens", 7), ("tokenizer.json", "version", None),
     ("tokenizer.json", "added_tokens", None), ("tokenizer_config.json", "eos_token", [1]),
     ("tokenizer_config.json", "added_tokens_decoder", {"0": 5}), ("tokenizer_config.json", "extra_special_tokens", 3)],
)  # fmt: skip
def test_values_of_other_kinds_in_a_tokenizers_files_are_one_error_if_any(tmp_path, name, key, value):
    file = save_chatml(tmp_path) / name
    file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
    try:
        ChatTokenizer(tmp_path)
    except ValueError as error:
        assert str(tmp_path) in str(error)
