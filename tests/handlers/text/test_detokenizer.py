"""Incremental text: what a stream of tokens releases, against whole decoding, and stop strings against brute force."""

import codecs
import itertools
from pathlib import Path

import mistral_common
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTSw3Tokenizer, LlamaTokenizer, TokenizersBackend

from handlers.text.detokenizer import IncrementalDetokenizer, StopStrings, TokenBytes

CORPUS = [
    "Hello world, how are you?",
    "naïve café résumé",
    "你好世界，再见",
    "I have 12 apples 😀",
    "  x = y\n\ty",
] * 20
MISTRAL = Path(mistral_common.__file__).parent / "data"
TOKENIZERS = ["byte_level", "sentencepiece", "mistral_v1", "mistral_v3"]
MAX_ID = 1 << 20


def byte_level() -> TokenizersBackend:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    tokenizer.add_special_tokens(["<|end|>", "<|start|>"])
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ("<think>", "a gap", "<｜tool▁call｜>")])
    return TokenizersBackend(tokenizer_object=tokenizer, eos_token="<|end|>")


def from_sentencepiece(model: Path, folder: Path) -> LlamaTokenizer:
    (folder / "tokenizer.model").write_bytes(model.read_bytes())
    return LlamaTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory):
    """Name to (transformers tokenizer, its TokenBytes, its SentencePiece model or None)."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "corpus.txt").write_text("\n".join(CORPUS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"),
        model_prefix=str(folder / "own"),
        vocab_size=340,
        model_type="bpe",
        byte_fallback=True,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    models_at = {
        "sentencepiece": folder / "own.model",
        "mistral_v1": MISTRAL / "tokenizer.model.v1",
        "mistral_v3": MISTRAL / "mistral_instruct_tokenizer_240323.model.v3",
    }
    found = {"byte_level": (tokenizer := byte_level(), TokenBytes(tokenizer), None)}
    for name, model in models_at.items():
        tokenizer = from_sentencepiece(model, tmp_path_factory.mktemp(name))
        processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
        found[name] = (tokenizer, TokenBytes(tokenizer), processor)
    slow = GPTSw3Tokenizer(vocab_file=str(models_at["sentencepiece"]))
    found["slow_sentencepiece"] = (slow, TokenBytes(slow), found["sentencepiece"][2])
    return found


def stream_text(token_bytes, prompt, ids, stop=()):
    stream = IncrementalDetokenizer(token_bytes, prompt, stop)
    return "".join([*(stream.feed(id) for id in ids), stream.finish()])


def decode(tokenizer, ids):
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def whole_characters(token_bytes, ids, shown):
    """What is `shown` of ids, without the U+FFFD of a character that their end cuts."""
    decoder = codecs.getincrementaldecoder("utf-8")(token_bytes.errors)
    decoder.decode(b"".join(token_bytes[id] for id in ids))
    left = decoder.decode(b"", final=True)
    assert shown.endswith(left)
    return shown.removesuffix(left)


def continuation(tokenizer, prompt, ids):
    """What the whole decoding adds to that of the prompt."""
    return decode(tokenizer, [*prompt, *ids]).removeprefix(decode(tokenizer, prompt))


@settings(deadline=None, max_examples=200)
@given(picks=st.lists(st.integers(0, MAX_ID), max_size=40))
def test_byte_level_text_is_the_whole_decoding_for_any_ids(vocabularies, picks):
    tokenizer, token_bytes, _ = vocabularies["byte_level"]
    ids, prompt = [pick % len(tokenizer) for pick in picks], tokenizer.encode("Hi")
    assert stream_text(token_bytes, prompt, ids) == whole_characters(
        token_bytes, ids, continuation(tokenizer, prompt, ids)
    )


@pytest.mark.parametrize("name", [*TOKENIZERS[1:], "slow_sentencepiece"])
@settings(deadline=None, max_examples=100)
@given(picks=st.lists(st.integers(0, 700) | st.integers(0, MAX_ID), max_size=40))
def test_sentencepiece_text_is_the_reference_decoding_for_any_ids(vocabularies, name, picks):
    """The first few hundred ids hold the byte pieces, so that broken UTF-8 is common."""
    tokenizer, token_bytes, processor = vocabularies[name]
    ids = [id for pick in picks if not token_bytes.is_special(id := pick % len(tokenizer))]
    anchor = processor.encode("Hi")
    text = stream_text(token_bytes, anchor, ids)
    assert text == whole_characters(token_bytes, ids, processor.decode([*anchor, *ids]).removeprefix("Hi"))
    whole = whole_characters(token_bytes, ids, continuation(tokenizer, anchor, ids))
    # transformers gives up a whole run of byte pieces where one is wrong; elsewhere the two agree.
    assert text == whole or "\ufffd" in whole


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=100)
@given(text=st.text(st.characters(exclude_characters="▁", exclude_categories=["Cs"]), max_size=40))
def test_any_text_comes_back_whole_and_nothing_is_left_for_the_end(vocabularies, name, text):
    """But for the character that SentencePiece writes for a space."""
    tokenizer, token_bytes, _ = vocabularies[name]
    tokens = tokenizer.encode("\n" + text, add_special_tokens=False)
    stream = IncrementalDetokenizer(token_bytes, tokenizer.encode("Hi", add_special_tokens=False), [])
    pieces = [stream.feed(token) for token in tokens]
    # A special token that stands in the text itself is encoded as that token, which has no text.
    if not any(token_bytes.is_special(token) for token in tokens):
        assert "".join(pieces).lstrip(" ") == ("\n" + text)
        assert stream.finish() == ""


def test_a_character_is_released_with_its_last_byte(vocabularies):
    _, token_bytes, processor = vocabularies["mistral_v1"]
    stream = IncrementalDetokenizer(token_bytes, [], [])
    tokens = [processor.piece_to_id(f"<0x{byte:02X}>") for byte in "a😀é".encode()]
    assert [stream.feed(token) for token in tokens] == ["a", "", "", "", "😀", "", "é"]


@pytest.mark.parametrize(("name", "shown"), [("byte_level", "\ufffd"), ("mistral_v1", "\ufffd\ufffd\ufffd")])
def test_a_character_that_is_cut_leaves_nothing_and_bytes_that_are_none_are_shown(vocabularies, name, shown):
    tokenizer, token_bytes, _ = vocabularies[name]
    pieces = ["ð", "Ł", "ĺ"] if name == "byte_level" else ["<0xF0>", "<0x9F>", "<0x98>"]
    prompt, ids = tokenizer.encode("Hi", add_special_tokens=False), tokenizer.convert_tokens_to_ids(pieces)
    for cut in range(1, 4):
        assert stream_text(token_bytes, prompt, ids[:cut]) == ""
    comma = tokenizer.convert_tokens_to_ids(",")
    assert (
        stream_text(token_bytes, prompt, [*ids, comma]) == f"{shown}," == continuation(tokenizer, prompt, [*ids, comma])
    )


@given(
    pieces=st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=8),
    stop=st.lists(st.sampled_from(["a", "ab", "aab", "bab"]), min_size=1, max_size=2),
    early=st.integers(0, 6),
)
def test_a_stop_string_counts_where_a_piece_completes_it_that_comes_late_enough(pieces, stop, early):
    strings, released, fed = StopStrings(stop), "", ""
    expected = None
    for i, piece in enumerate(pieces):
        released += strings.feed(piece, counts=i >= early)
        ends = [fed_end for string in stop for fed_end in _ends(fed + piece, string) if fed_end > len(fed)]
        fed += piece
        if i >= early and ends:
            longest = max(len(string) for string in stop if fed[: min(ends)].endswith(string))
            expected = fed[: min(ends) - longest]
            break
    assert (strings.found is None) == (expected is None)
    assert released + strings.finish() == (fed if expected is None else expected)


def _ends(text, string):
    return [start + len(string) for start in range(len(text)) if text.startswith(string, start)]


def test_a_character_that_the_prompt_left_unfinished_is_finished(vocabularies):
    tokenizer, token_bytes, _ = vocabularies["mistral_v1"]
    ids = tokenizer.convert_tokens_to_ids([f"<0x{byte:02X}>" for byte in "😀".encode()])
    for cut in range(1, 4):
        assert stream_text(token_bytes, ids[:cut], ids[cut:]) == "😀"


def test_special_tokens_are_silent_and_other_added_tokens_are_text(vocabularies):
    tokenizer, token_bytes, _ = vocabularies["byte_level"]
    ids = tokenizer.convert_tokens_to_ids(["<think>", "<|end|>", "a gap", "<|start|>", "<｜tool▁call｜>"])
    assert stream_text(token_bytes, [0], ids) == "<think>a gap<｜tool▁call｜>"
    assert [token_bytes.is_special(id) for id in ids] == [False, True, False, True, False]


@pytest.mark.parametrize("name", [*TOKENIZERS, "slow_sentencepiece"])
def test_ids_that_the_tokenizer_does_not_know_have_no_text(vocabularies, name):
    tokenizer, token_bytes, _ = vocabularies[name]
    assert token_bytes[len(tokenizer)] == token_bytes[MAX_ID] == b""


def test_the_byte_alphabet_is_the_library_s(vocabularies):
    _, token_bytes, _ = vocabularies["byte_level"]
    assert set(token_bytes._alphabet) == set(pre_tokenizers.ByteLevel.alphabet())
    for char, byte in token_bytes._alphabet.items():
        assert decoders.ByteLevel().decode([char]) == bytes([byte]).decode(errors="replace")


def test_a_tokenizer_whose_text_depends_on_neighbours_is_refused():
    tokenizer = Tokenizer(models.WordLevel({"Hello": 0, "ok": 1, "[UNK]": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.BPEDecoder(suffix="o")
    with pytest.raises(ValueError, match="does not decode token by token"):
        TokenBytes(TokenizersBackend(tokenizer_object=tokenizer))


# --- Stop strings ---

few_letters = st.text(alphabet="ab", max_size=40)
stop_lists = st.lists(st.text(alphabet="ab", min_size=1, max_size=6), min_size=1, max_size=4)


def cut_by_brute_force(text, stop):
    """The text before the stop string that is complete first, and that; of two that end together, the longer."""
    for end in range(len(text) + 1):
        ending = [string for string in stop if text[:end].endswith(string)]
        if ending:
            longest = max(ending, key=len)
            return text[: end - len(longest)], longest
    return text, None


def longest_suffix_that_may_become_a_stop(text, stop):
    return max(k for s in stop for k in range(len(s)) if text.endswith(s[:k]))


@settings(deadline=None, max_examples=500)
@given(pieces=st.lists(few_letters, max_size=10), stop=stop_lists)
def test_text_ends_before_the_first_stop_string_however_it_is_cut(pieces, stop):
    strings = StopStrings(stop)
    released = ""
    for piece in pieces:
        if strings.found is None:
            released += strings.feed(piece)
    assert (released + strings.finish(), strings.found) == cut_by_brute_force("".join(pieces), stop)


@settings(deadline=None, max_examples=300)
@given(text=few_letters, stop=stop_lists)
def test_exactly_what_may_become_a_stop_string_is_held_back(text, stop):
    strings = StopStrings(stop)
    released = ""
    for end in range(1, len(text) + 1):
        released += strings.feed(text[end - 1])
        if strings.found is not None:
            break
        assert end - len(released) == longest_suffix_that_may_become_a_stop(text[:end], stop)


def test_a_stop_string_is_found_behind_each_false_start():
    for letters in itertools.product("ab", repeat=9):
        stop = "".join(letters)
        for text in (stop[:start] + stop for start in range(len(stop))):
            strings = StopStrings([stop])
            assert strings.feed(text) == text[: text.index(stop)] and strings.found == stop


def test_a_long_stop_string_costs_no_rescans():
    """Every character here is looked at a few times; looking back over the whole match each time would take hours."""
    stop = "a" * 100_000 + "b"
    strings = StopStrings([stop])
    released = sum(len(strings.feed("a" * 1000)) for _ in range(300)) + len(strings.feed("c"))
    assert released == 300_001 and strings.found is None


@pytest.mark.parametrize("name", TOKENIZERS)
@settings(deadline=None, max_examples=100)
@given(text=st.text(alphabet="ab é😀\n", max_size=30), stop=st.lists(st.text("ab é😀\n", min_size=1, max_size=4)))
def test_a_stop_string_is_found_across_tokens(vocabularies, name, text, stop):
    tokenizer, token_bytes, _ = vocabularies[name]
    prompt = tokenizer.encode("Hi", add_special_tokens=False)
    ids = tokenizer.encode(text, add_special_tokens=False)
    stream = IncrementalDetokenizer(token_bytes, prompt, stop)
    streamed = "".join([*(stream.feed(id) for id in ids), stream.finish()])
    assert (streamed, stream.stopped_by) == cut_by_brute_force(stream_text(token_bytes, prompt, ids), stop)


def test_nothing_comes_after_a_stop_string(vocabularies):
    tokenizer, token_bytes, _ = vocabularies["byte_level"]
    stream = IncrementalDetokenizer(token_bytes, [], ["wor"])
    pieces = [stream.feed(id) for id in tokenizer.encode("Hello world, how")]
    assert "".join(pieces) == "Hello " and stream.stopped_by == "wor"
    assert stream.feed(5) == stream.finish() == ""


# --- Stop tokens ---


@settings(deadline=None, max_examples=200)
@given(
    text=st.text(alphabet="ab é😀", max_size=20),
    stop=st.lists(st.text("ab é", min_size=1, max_size=3), max_size=2),
    cuts=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 3)), max_size=3),
    early=st.integers(0, 4),
)
def test_the_text_ends_before_the_first_sequence_of_stop_tokens_or_stop_string(vocabularies, text, stop, cuts, early):
    tokenizer, token_bytes, _ = vocabularies["byte_level"]
    ids = tokenizer.encode(text, add_special_tokens=False)
    sequences = [ids[at : at + size] for at, size in cuts if at + size <= len(ids)]
    stream = IncrementalDetokenizer(token_bytes, [], stop, min_tokens=early, stop_tokens=sequences)
    strings, released, plain = StopStrings(stop), "", ""
    for count in range(1, len(ids) + 1):
        released += stream.feed(ids[count - 1])
        before, after = characters(token_bytes, ids[: count - 1]), characters(token_bytes, ids[:count])
        plain += strings.feed(after[len(before) :], counts=count > early)
        sizes = [len(sequence) for sequence in sequences if ids[:count][-len(sequence) :] == sequence and count > early]
        if sizes or strings.found:
            expected = plain + strings.finish()
            end = len(characters(token_bytes, ids[: count - max(sizes)])) if sizes else None
            assert stream.stopped_by is not None and released == expected[:end]
            assert stream.feed(ids[0]) == stream.finish() == ""
            return
    assert not stream.stopped_by is not None and released + stream.finish() == text


def characters(token_bytes, ids):
    """Those that are whole."""
    return b"".join(map(token_bytes.__getitem__, ids)).decode(errors="ignore")


def test_exactly_what_may_become_stop_tokens_is_held_back(vocabularies):
    tokenizer, token_bytes, _ = vocabularies["byte_level"]
    a, b, c = (tokenizer.encode(letter, add_special_tokens=False)[0] for letter in "abc")
    stream = IncrementalDetokenizer(token_bytes, [], [], stop_tokens=[[a, b, c], [b, b]])
    assert [stream.feed(token) for token in (c, a, b, a, b)] == ["c", "", "", "ab", ""]
    assert stream.read == 5 and stream.finish() == "ab" and stream.stopped_by is None
