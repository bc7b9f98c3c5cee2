"""Trains the byte-level BPE tokenizer and renders conversations with the chat template."""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from training.draw import Draw
from training.tiny.tasks import Conversation, conversation
from training.tokenizer import END, PAD, START, byte_level_bpe, with_template

VOCABULARY = 1536
SAMPLES = 20_000
CONTEXT = 1024
CONTROL = (PAD, START, END)
MARKERS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
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
    tokenizer = byte_level_bpe(_texts(seed, samples), VOCABULARY, CONTROL + MARKERS)
    return with_template(
        tokenizer, TEMPLATE.read_text(), hidden=CONTROL, context=CONTEXT, response_template=RESPONSE_TEMPLATE
    )


def _texts(seed: int, samples: int) -> Iterator[str]:
    """Everything that is said in sampled conversations, without the markup around it."""
    draw = Draw(random.Random(seed))
    renderer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), chat_template=TEMPLATE.read_text())
    markup = re.compile("|".join(map(re.escape, CONTROL + MARKERS)))
    for _ in range(samples):
        yield from markup.split(render(renderer, conversation(draw)))


def render(tokenizer: PreTrainedTokenizerFast, chat: Conversation) -> str:
    """The whole conversation as the model reads it."""
    return _rendered(tokenizer, chat.messages, chat.tools)


def render_prompt(tokenizer: PreTrainedTokenizerFast, chat: Conversation) -> str:
    """Everything before the last message, and the head of the answer."""
    options = {"add_generation_prompt": True, "enable_thinking": chat.thinking}
    return _rendered(tokenizer, chat.prompt, chat.tools, **options)


def _rendered(tokenizer: PreTrainedTokenizerFast, messages: list[Any], tools: list[Any] | None, **options: Any) -> str:
    return str(tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **options))
