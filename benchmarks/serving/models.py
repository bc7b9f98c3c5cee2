"""The models that every side serves: the same weights, the same tokens, and no token that ends an answer.

Without an end token every answer has the length that was asked for, on every side, without any side masking logits.
"""

import itertools
import json
import math
import shutil
import string
from dataclasses import dataclass
from pathlib import Path

import gguf
from safetensors import safe_open
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel
from transformers import PreTrainedTokenizerFast

from benchmarks import checkpoint
from benchmarks.real import write_as

BUNDLED = Path(__file__).parents[2] / "backend" / "tiny" / "checkpoint"
PRE_TOKENIZER = "qwen2"
"""What llama.cpp calls the cutting rule below; the bundled model's own agrees with it on the prompts used here."""
PIECES = Regex(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = (
    "{%% for m in messages %%}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|close|>\\n' }}{%% endfor %%}"
    "{%% if add_generation_prompt %%}{{ '<|im_start|>assistant\\n%s' }}{%% endif %%}"
)
"""What the bundled model's template makes of plain messages, without what servers take as a hint to look for more."""
NO_THOUGHTS = r"<think>\n\n</think>\n\n"
RENAMED = {"<|im_end|>": "<|close|>", "<|endoftext|>": "<|fill|>"}
"""Control tokens whose names make llama.cpp end an answer, whatever the file says."""
DROPPED = {"eos_token", "eos_token_id", "response_template"}
"""The last makes transformers' server hold text back to look for tool calls in it."""


@dataclass(frozen=True)
class Model:
    """A checkpoint with its tokenizer in `folder`, or a GGUF file. vocab: tokens.

    unused_token: one that the model does not draw. flags: what our server is started with for it.
    """

    name: str
    folder: Path
    parameters: int
    vocab: int
    unused_token: int
    flags: tuple[str, ...] = ()


def random_model(folder: Path, quick: bool = False) -> Model:
    """A llama of random weights, 109.5 M of them or, where only the script is tried, 0.2 M."""
    sizes = checkpoint.QUICK if quick else checkpoint.FULL
    parameters = checkpoint.make(checkpoint.config(**sizes, tied=True), folder)
    made_up_tokenizer(sizes["vocab"]).save_pretrained(folder)
    return Model("random", folder, parameters, sizes["vocab"], unused_token=0)


def bundled_model(folder: Path) -> Model:
    """The bundled model with ordinary, visible tokens in the place of those that end an answer."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(BUNDLED / "model.safetensors", folder)
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        value = json.loads((BUNDLED / name).read_text(encoding="utf-8"))
        (folder / name).write_text(json.dumps(_endless(value)), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(_template(NO_THOUGHTS), encoding="utf-8")
    vocab = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    with safe_open(folder / "model.safetensors", "np") as tensors:
        parameters = sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    return Model("bundled", folder, parameters, vocab, unused_token=7)


def real_model(source: Path, target: Path, kind: str) -> Model:
    """A real model's GGUF file with matrices of that kind, and without tokens that end an answer.

    Below 32 bits ours is started with --dtype bfloat16, as llama.cpp rounds activations too.
    """
    fields = gguf.GGUFReader(source).fields
    tokens, kinds = (list(fields[f"tokenizer.ggml.{name}"].contents()) for name in ("tokens", "token_type"))
    template = fields["tokenizer.chat_template"].contents()
    types = [gguf.TokenType.USER_DEFINED if token in RENAMED else k for token, k in zip(tokens, kinds, strict=True)]
    unused = max(id for id, type in enumerate(types) if type == gguf.TokenType.CONTROL)
    changes = {
        "tokenizer.ggml.tokens": [_renamed(token) for token in tokens],
        "tokenizer.ggml.token_type": [int(type) for type in types],
        "tokenizer.ggml.eos_token_id": unused,
        "tokenizer.chat_template": _renamed(template),
    }
    write_as(source, target, kind, changes)
    sizes = (math.prod(tensor.shape) for tensor in gguf.GGUFReader(target).tensors)
    flags = () if kind == "F32" else ("--dtype", "bfloat16")
    return Model(kind, target, int(sum(sizes)), len(tokens), unused, flags)


def _endless(value: object) -> object:
    """A JSON value without end tokens, with the control tokens renamed and made visible."""
    if isinstance(value, dict):
        kept = {_renamed(k): _endless(v) for k, v in value.items() if k not in DROPPED}
        return kept | ({"special": False} if "special" in kept else {})
    if isinstance(value, list):
        return [_endless(item) for item in value]
    return _renamed(value) if isinstance(value, str) else value


def _template(begun: str) -> str:
    """begun: what the assistant's message begins with."""
    return TEMPLATE % begun


def _renamed(text: str) -> str:
    for old, new in RENAMED.items():
        text = text.replace(old, new)
    return text


def made_up_tokenizer(vocab: int) -> PreTrainedTokenizerFast:
    """`vocab` tokens of byte-level BPE: the bytes, then all words of two, three and four small letters in order."""
    control = ["<|fill|>", "<|im_start|>", "<|close|>"]
    tokens, merges = [*control, *sorted(pre_tokenizers.ByteLevel.alphabet())], []
    for head, tail in itertools.islice(_merges(), vocab - len(tokens)):
        tokens.append(head + tail)
        merges.append((head, tail))
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(PIECES, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = ByteLevel()
    tokenizer.add_tokens(control)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template=_template(""), clean_up_tokenization_spaces=False
    )


def _merges():
    """(head, tail) of every word: two letters, a pair and a letter, two pairs."""
    letters = string.ascii_lowercase
    pairs = [a + b for a in letters for b in letters]
    yield from itertools.product(letters, letters)
    yield from itertools.product(pairs, letters)
    yield from itertools.product(pairs, pairs)
