"""Texts that are prompts by themselves: what goes before them, and the control tokens in them."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import TokenizersBackend

from handlers.text.tokenizer import ChatTokenizer

BEGIN, END = "<s>", "</s>"


def saved(folder, template):
    """A tokenizer of single bytes that puts around a text what the template says."""
    alphabet = {char: id for id, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([BEGIN, END])
    ids = [(token, tokenizer.token_to_id(token)) for token in (BEGIN, END)]
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ids)
    chat = "{% for message in messages %}{{ message.content }}{% endfor %}"
    TokenizersBackend(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, chat_template=chat).save_pretrained(
        folder
    )
    return ChatTokenizer(folder)


@pytest.mark.parametrize(("template", "added"), [("$A", 0), (f"{BEGIN} $A", 1), (f"{BEGIN} $A {END}", 1)])
def test_a_text_gets_what_the_tokenizer_begins_texts_with_once(tmp_path, template, added):
    tokenizer = saved(tmp_path, template)
    bare = tokenizer.encode_text("Hi", begins=False)
    assert [tokenizer.token_text(token) for token in bare] == ["H", "i"]
    begin = list(tokenizer.marker_tokens(BEGIN))
    assert tokenizer.encode_text("Hi") == begin * added + bare
    assert tokenizer.encode_text(f"{BEGIN}Hi") == begin + bare
    assert tokenizer.encode_text("") == begin * added


def test_control_tokens_in_a_text_are_control_tokens(tmp_path):
    tokenizer = saved(tmp_path, "$A")
    a, end, b = tokenizer.encode_text(f"a{END}b")
    assert (end,) == tokenizer.marker_tokens(END) and [tokenizer.token_text(id) for id in (a, b)] == ["a", "b"]
