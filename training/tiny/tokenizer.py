"""Trains the byte-level BPE tokenizer and renders conversations with the chat template."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from training.tiny.tasks import Conversation, Draw, conversation

VOCABULARY = 1536
SAMPLES = 20_000
CONTEXT = 1024
PAD, START, END = CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
COMMON = "a|an|the|is|of|to|in|for|and|or|as|on|at|from|with|what|you|my|me|have|has"
PIECES_PATTERN = (
    rf" (?:{COMMON})(?!\p{{L}})|\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+(?: [^\s\p{{L}}\p{{N}}]+)*[\r\n]*"
    r"|\s*[\r\n]+|\s+(?=\s)|\s"
)
"""Where a token may not cross. A word stands apart from the space before it, so that a copied word is the same tokens
wherever it stands; only the commonest words take their space along. Digits stand alone. Marks may take the spaces
between them along, which makes JSON short. Of many blanks all but the last are one piece, though tokens of them stand
alone: with a piece each, the search for a line end behind them would begin anew at every one."""
RESPONSE_TEMPLATE = {
    "defaults": {"role": "assistant"},
    "start_anchor": "<|im_start|>assistant\n",
    "fields": {
        "reasoning_content": {"open": "<think>", "close": "</think>", "content": "text"},
        "tool_calls": {
            "open_pattern": "\\s*<tool_call>",
            "close": "</tool_call>",
            "repeats": True,
            "content": "json",
            "transform": {"type": "function", "function": "{content}"},
        },
        "content": {"close_pattern": "\\s*(?:<\\|im_end\\|>|<\\|endoftext\\|>)", "content": "text"},
    },
}
"""How transformers' `parse_response` reads what the model writes."""


def train_tokenizer(seed: int, samples: int = SAMPLES) -> PreTrainedTokenizerFast:
    """A tokenizer of `VOCABULARY` ids, learnt from that many sampled conversations."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES_PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in CONTROL + MARKERS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=10,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(seed, samples), trainer)
    return _wrapped(tokenizer)


def _texts(seed: int, samples: int) -> Iterator[str]:
    """Everything that is said in sampled conversations, without the markup around it."""
    draw = Draw(random.Random(seed))
    renderer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=TEMPLATE.read_text())
    markup = re.compile("|".join(map(re.escape, CONTROL + MARKERS)))
    for _ in range(samples):
        yield from markup.split(render(renderer, conversation(draw)))


def _wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """With the template and the control tokens; the markers of thinking and tools are ordinary, visible tokens."""
    state = json.loads(tokenizer.to_str())
    for token in state["added_tokens"]:
        token["special"] = token["content"] in CONTROL
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        eos_token=END,
        pad_token=PAD,
        chat_template=TEMPLATE.read_text(),
        response_template=RESPONSE_TEMPLATE,
        clean_up_tokenization_spaces=False,
        model_max_length=CONTEXT,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer of a checkpoint of this recipe."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert isinstance(tokenizer, PreTrainedTokenizerFast)
    return tokenizer


def render(tokenizer: PreTrainedTokenizerFast, chat: Conversation) -> str:
    """The whole conversation as the model reads it."""
    return _rendered(tokenizer, chat.messages, chat.tools)


def render_prompt(tokenizer: PreTrainedTokenizerFast, chat: Conversation) -> str:
    """Everything before the last message, and the head of the answer."""
    options = {"add_generation_prompt": True, "enable_thinking": chat.thinking}
    return _rendered(tokenizer, chat.prompt, chat.tools, **options)


def _rendered(tokenizer: PreTrainedTokenizerFast, messages: list[Any], tools: list[Any] | None, **options: Any) -> str:
    return str(tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **options))


def identity(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """The id of a token that the tokenizer has."""
    return tokenizer.get_vocab()[token]
