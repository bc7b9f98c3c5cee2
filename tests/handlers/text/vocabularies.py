"""Small tokenizers, trained on the spot: byte-level BPE with several pre-tokenizers, and SentencePiece's two kinds."""

import io
import json
from collections.abc import Callable, Iterator
from functools import cache, partial

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from tests.handlers.text.texts import NUMBERED, PIECES

SPECIAL = ["<unk>", "<s>", "</s>", "<|im_start|>", "<|im_end|>"]
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def corpus() -> Iterator[str]:
    """A few hundred lines in which every piece stands, often enough to be merged."""
    words = [piece for piece in PIECES if piece.isprintable()]
    for i, piece in enumerate(PIECES):
        yield f"{piece} {words[i % len(words)]}{piece} {words[i * 7 % len(words)]} {NUMBERED}"
        yield f"the quick brown fox {piece}{piece} jumps over {i} lazy dogs  and\n\n{i * 137}. sleeps{piece}"


@cache
def byte_level(*steps: Callable[[], pre_tokenizers.PreTokenizer] | str, merges: bool = True) -> Tokenizer:
    """Byte-level BPE. steps: what splits a text first: patterns, or makers of a pre-tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    splits = [pre_tokenizers.Split(Regex(step), "isolated") if isinstance(step, str) else step() for step in steps]
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, bytes_only])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700 if merges else 261,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    tokenizer.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("\n\n\n", normalized=False)])
    return tokenizer


@cache
def sentencepiece_model(*, prefix: bool, byte_fallback: bool = True) -> bytes:
    """SentencePiece's BPE, as the file that the library writes. prefix: it puts a space before a text.

    Where it does not, runs of spaces are tokens of their own, as in Gemma.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=(line.replace("\x00", "") for line in corpus()),
        model_writer=model,
        model_type="bpe",
        vocab_size=620,
        hard_vocab_limit=False,
        byte_fallback=byte_fallback,
        character_coverage=0.98,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=prefix,
        split_digits=True,
        control_symbols=["<|im_start|>", "<|im_end|>"],
        user_defined_symbols=["<tool_call>"] if prefix else ["<tool_call>", "▁▁", "▁▁▁"],
        minloglevel=2,
        num_threads=1,
    )
    return model.getvalue()


@cache
def metaspace(style: str) -> Tokenizer:
    """BPE with byte fallback over text whose spaces are U+2581; style: "llama" puts one first, "gemma" does not."""
    prepend = [normalizers.Prepend("▁")] if style == "llama" else []
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if prepend else "never")
    trainer = trainers.BpeTrainer(vocab_size=350, special_tokens=SPECIAL, limit_alphabet=150, show_progress=False)
    trained.train_from_iterator(corpus(), trainer)
    learned = json.loads(trained.to_str())["model"]
    vocab = learned["vocab"] | {f"<0x{byte:02X}>": len(learned["vocab"]) + byte for byte in range(256)}
    merges = [tuple(merge) for merge in learned["merges"]]
    model = models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([*prepend, normalizers.Replace(" ", "▁")])
    strip = [decoders.Strip(" ", 1, 0)] if prepend else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


@cache
def unigram() -> Tokenizer:
    """Unigram, with the normalizer that T5 has: NFKC and one space for any white space."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False, n_sub_iterations=1
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return tokenizer


def kinds() -> dict[str, Callable[[], Tokenizer]]:
    """Of each kind that checkpoints have in tokenizer.json, one."""
    digits = partial(pre_tokenizers.Digits, individual_digits=True)
    return {
        "gpt-2": lambda: byte_level(GPT2),
        "qwen2": lambda: byte_level(QWEN2),
        "llama-3": lambda: byte_level(LLAMA3),
        "digits": lambda: byte_level(digits, GPT2),
        "bytes": lambda: byte_level(merges=False),
        "llama": lambda: metaspace("llama"),
        "gemma": lambda: metaspace("gemma"),
        "unigram": unigram,
    }
