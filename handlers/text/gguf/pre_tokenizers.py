"""What splits a text before byte-level BPE, by the names that GGUF files have for it in `tokenizer.ggml.pre`.

The names, and which of them are the same, are those of llama.cpp (src/llama-vocab.cpp). The patterns are those of the
checkpoints' own tokenizer.json, which llama.cpp quotes beside its approximations of them; where a class of transformers
makes the pre-tokenizer (GPT-2, GPT-NeoX, Qwen2, Cohere), it and its normalizer are taken from there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tokenizers import Regex, normalizers, pre_tokenizers

Step = str | Callable[[], pre_tokenizers.PreTokenizer]
"""A pattern whose matches, and the texts between them, are split apart; or what makes another pre-tokenizer."""


@dataclass(frozen=True)
class PreTokenizerKind:
    """What happens to a text before byte-level BPE.

    steps: pre-tokenizers, each of which splits what those before it left. nfc: the text is composed first (Unicode's
    normalization form C). whole_words: a piece that is a token is one, whatever the merges say.
    """

    steps: tuple[Step, ...]
    nfc: bool = False
    whole_words: bool = False

    def pre_tokenizer(self) -> pre_tokenizers.PreTokenizer:
        """All steps, and bytes as characters behind them."""
        steps = [_split(step) if isinstance(step, str) else step() for step in self.steps]
        return pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])

    def normalizer(self) -> normalizers.Normalizer | None:
        """What the text goes through first."""
        return normalizers.NFC() if self.nfc else None


def _split(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Split(Regex(pattern), "isolated")


def _digits() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Digits(individual_digits=True)


def _punctuation() -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Punctuation("contiguous")


_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
_CAPITALS, _SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASED = rf"[^\r\n\p{{L}}\p{{N}}]?{_CAPITALS}*{_SMALL}+%s|[^\r\n\p{{L}}\p{{N}}]?{_CAPITALS}+{_SMALL}*%s"
_CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
_DEEPSEEK = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
    "| ?[\\p{P}\\p{S}]+[\r\n]*|" + _SPACES
)
_DEEPSEEK_LETTERS = (
    "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    "\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f"
    "\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77"
    "\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-"
    "\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec"
    "\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-"
    "\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3"
    "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17"
    "\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-"
    "\U00010cb2\U00010cc0-\U00010cf2\U000118a0-\U000118df\U0001e900-\U0001e943"
)
_DEEPSEEK_MARKS = "[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]"
_DEEPSEEK_CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"


def _words(digits: str, marks: str = r"[^\s\p{L}\p{N}]+[\r\n]*") -> str:
    """Llama 3's pattern and its kin, which differ in how many digits stay together."""
    return rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?{marks}|{_SPACES}"


def _cased(endings: str, digits: str) -> str:
    """GPT-4o's pattern and its kin, which take words apart where capitals begin."""
    return rf"{_CASED % (endings, endings)}|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"


_LLAMA3, _QWEN2 = _words(r"\p{N}{1,3}"), _words(r"\p{N}")
_QWEN35 = rf"{_ENDINGS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
_DEEPSEEK_LLM: tuple[Step, ...] = (
    "[\r\n]", rf"\s?[{_DEEPSEEK_LETTERS}]+", rf"\s?{_DEEPSEEK_MARKS}+", r"\s+$", _DEEPSEEK_CJK, _digits
)  # fmt: skip
_GROUPS: tuple[tuple[PreTokenizerKind, str], ...] = (
    (PreTokenizerKind((_GPT2,)), "gpt-2 phi-2 gigachat a.x-4.0 mellum exaone4 jais trillion granite-docling"),
    (PreTokenizerKind((_GPT2,), nfc=True), "mpt olmo"),
    (PreTokenizerKind((_digits, _GPT2)), "smollm starcoder refact codeshell exaone minerva-7b mellum2"),
    (PreTokenizerKind((_digits, _GPT2), nfc=True), "command-r"),
    (PreTokenizerKind((_LLAMA3,), whole_words=True), "llama-bpe llama3 llama-v3 falcon3 midm-2.0 lfm2 glm4 glm5"),
    (PreTokenizerKind((_LLAMA3,)), "dbrx smaug-bpe chatglm-bpe"),
    (PreTokenizerKind((_QWEN2,), nfc=True), "qwen2 deepseek-r1-qwen"),
    (PreTokenizerKind((_QWEN2,)), "stablelm2 megrez kormo hunyuan solar-open grok-2"),
    (PreTokenizerKind((_QWEN35,), nfc=True), "qwen35"),
    (PreTokenizerKind((_words(r"\p{N}{1}", r"[^\s\p{L}\p{N}\r\n]+"),)), "seed-coder"),
    (PreTokenizerKind((r"\p{N}{1,3}", _words(r"\p{N}+")), whole_words=True), "minicpm5"),
    (PreTokenizerKind((_cased("", r"\p{N}"),), whole_words=True), "tekken"),
    (PreTokenizerKind((_cased(f"{_ENDINGS}?", r"\p{N}{1,3}"),)), "gpt-4o llama4 kanana2 minimax-m2"),
    (PreTokenizerKind(_DEEPSEEK_LLM), "deepseek-llm"),
    (PreTokenizerKind(("[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _DEEPSEEK_CJK, _digits)), "deepseek-coder"),
    (PreTokenizerKind((r"\p{N}{1,3}", _CJK, _DEEPSEEK)), "deepseek-v3 hunyuan-dense joyai-llm"),
    (PreTokenizerKind((_punctuation, _GPT2, "[0-9][0-9][0-9]")), "falcon"),
    (PreTokenizerKind((_BLOOM,)), "bloom poro-chat gpt3-finnish"),
    (PreTokenizerKind((_BLOOM, _digits)), "viking"),
    (PreTokenizerKind((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")), "default"),
)
PRE_TOKENIZERS = {name: kind for kind, names in _GROUPS for name in names.split()}
"""By the name in `tokenizer.ggml.pre`."""
