"""Byte-level BPE tokenizers of the ChatML form, as the recipes have them."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

PAD, START, END = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Control tokens of the ChatML form."""
COMMON = "a|an|the|is|of|to|in|for|and|or|as|on|at|from|with|what|you|my|me|have|has"
PIECES_PATTERN = (
    rf" (?:{COMMON})(?!\p{{L}})|\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+(?: [^\s\p{{L}}\p{{N}}]+)*[\r\n]*"
    r"|\s*[\r\n]+|\s+(?=\s)|\s"
)
"""Where a token may not cross. A word stands apart from the space before it, so that a copied word is the same tokens
wherever it stands; only the commonest words take their space along. Digits stand alone. Marks may take the spaces
between them along, which makes JSON short. Of many blanks all but the last are one piece, though tokens of them stand
alone: with a piece each, the search for a line end behind them would begin anew at every one."""


def byte_level_bpe(texts: Iterator[str], size: int, added: Sequence[str]) -> Tokenizer:
    """A tokenizer of `size` ids, learnt from texts; `added` are tokens of their own, whose ids come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in added],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=10,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def with_template(
    tokenizer: Tokenizer, template: str, hidden: Sequence[str], context: int, **fields: Any
) -> PreTrainedTokenizerFast:
    """With a chat template. Of its added tokens those in `hidden` are control tokens, others ordinary, visible ones."""
    state = json.loads(tokenizer.to_str())
    for token in state["added_tokens"]:
        token["special"] = token["content"] in hidden
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        eos_token=END,
        pad_token=PAD,
        chat_template=template,
        clean_up_tokenization_spaces=False,
        model_max_length=context,
        **fields,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a recipe's checkpoint."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    return tokenizer


def identity(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The id of a token that the tokenizer has."""
    return tokenizer.get_vocab()[token]
