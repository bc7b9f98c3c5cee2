"""The model's tokenizer and chat template: chats to token ids, token ids to text."""

import inspect
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import mark_control_tokens

from backend.grammar import ConstText, ControlToken, Marker
from handlers.formats.detect import detect, named
from handlers.formats.syntax import Format
from handlers.text.chat_templates import NAMES
from handlers.text.detokenizer import IncrementalDetokenizer
from handlers.text.places import path_of, strings_of
from handlers.text.rendering import renderers
from handlers.text.shown_media import ShownMedium, show
from handlers.text.template import (
    Ending,
    FieldPlace,
    Message,
    PromptError,
    RenderingExceeded,
    TemplateTraits,
    behind_answer,
    behind_reasoning,
    field_matters,
    probe_template,
    shape_messages,
    shape_tools,
)
from handlers.text.text_tokenizer import TextTokenizer, reading
from handlers.text.tools_as_text import ToolsAsText, results_as_text
from handlers.text.variables import EFFORT, TemplateVariables

__all__ = ["ChatTokenizer", "IncrementalDetokenizer", "PromptError", "TemplateTraits"]

TEMPLATE_CHARACTERS = 1 << 20
GENERIC_TOOL_FORMAT = "hermes"
"""How calls are asked for where neither template nor tokenizer shows a form of them."""
_CHANGED = "continue_final_message is set but the final message does not appear"
"""What transformers says, before the whole chat, where a template changes the message that is continued."""
_SURROGATE = re.compile("[\ud800-\udfff]")
# Names of the template's own variables and of the library's options: a request may not set them.
_RESERVED = frozenset(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters) | {
    "add_special_tokens",
    "conversations",
    "messages",
    "raise_exception",
}


class ChatTokenizer(TextTokenizer):
    """One model's tokenizer with its chat template.

    checkpoint: a folder with the tokenizer's files as transformers writes them, or a GGUF file; nothing is downloaded,
    no code in it is run. chat_template: Jinja text to use instead of the checkpoint's own.
    tool_format, reasoning_format: names of families, None to tell them from template and tokenizer.

    end_tokens: ids that end an answer, from all that names such, without repeats.
    traits: what may stand in a chat. format: how the model writes tool calls and reasoning. tools_as_text: what of
    tools ("tools", "calls", "results") the template has no place for, so that it is written as text of messages.
    Raises ValueError when the checkpoint has no tokenizer, or no chat template, that this server can use.
    """

    def __init__(
        self,
        checkpoint: Path,
        chat_template: str | None = None,
        tool_format: str | None = None,
        reasoning_format: str | None = None,
    ):
        with reading(checkpoint):
            self._read(checkpoint, chat_template, tool_format, reasoning_format)

    def encode_chat(
        self,
        messages: list[Message],
        *,
        tools: list[Message] | None,
        template_kwargs: dict[str, Any],
        reasoning_effort: str | None,
        ending: Ending = "answer",
        media: Sequence[ShownMedium] = (),
    ) -> list[int]:
        """The prompt's token ids.

        messages, tools: as the API has them, already valid by its schema. ending: what the prompt ends with, see
        `Ending`. media: what stands for those of the messages, in order; without it, what the template writes.
        Control tokens of the model that stand in any of the arguments are encoded as the text they are.
        Raises PromptError for what the template cannot take.
        """
        variables = self._variables(template_kwargs, reasoning_effort)
        shaped, tools = shape_messages(messages, self.traits), shape_tools(tools, self.traits)
        has_control_tokens = self._check_strings(
            {"messages": shaped, "tools": tools, "chat_template_kwargs": variables}
        )
        try:
            ids = self._encode(shaped, tools, variables, ending, media)
        except PromptError:
            answered = results_as_text(shaped, self.traits, every="results" in self.tools_as_text)
            if answered == shaped:
                raise
            ids = self._encode(answered, tools, variables, ending, media)
        if has_control_tokens:
            self._refuse_leaks(ids)
        self._refuse_ignored_system(messages)
        return ids

    def template_knows(self, name: str) -> bool:
        """Whether the template reads the variable `name`."""
        return name not in self._reserved and name in self._template_variables.names

    def effort_variables(self, level: str) -> dict[str, Any]:
        """The variables of the template that set a level of reasoning effort, or the nearest it knows; {} for none."""
        try:
            return self._template_variables.effort(level)
        except RenderingExceeded:  # as the prompt will, which says so
            return {}

    def template_shows(self, place: FieldPlace, name: str) -> bool:
        """Whether a text in a field changes the prompt, found by rendering sentinel chats.

        place: the role of the messages that have the field, or "function" for the definitions of tools.
        """
        try:
            return self._field_matters(place, name)
        except RenderingExceeded:
            return True  # nobody knows that it does not

    def encode_text(self, text: str, *, begins: bool = True) -> list[int]:
        """The ids of a text. Control tokens of the model that stand in it are these tokens.

        begins: it is a prompt of its own, before which goes what the tokenizer begins texts with, unless it begins so.
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        added = begins and ids[: len(self._beginning)] != self._beginning
        return [*self._beginning, *ids] if added else ids

    def detokenizer(
        self,
        prompt: Sequence[int],
        stop: Sequence[str],
        markers: Sequence[str] = (),
        min_tokens: int = 0,
        stop_tokens: Sequence[Sequence[int]] = (),
    ) -> IncrementalDetokenizer:
        """A detokenizer of one choice that continues the token ids `prompt`, up to the first stop string or sequence.

        markers: special tokens that stand in any of these texts are shown as text, others are left out. min_tokens:
        neither stop strings nor stop tokens count before so many tokens.
        """
        ids = [part.token for marker in markers for part in self.spell(marker) if isinstance(part, ControlToken)]
        shown = {id: self.token_text(id).encode() for id in ids if self._bytes.is_special(id)}
        return IncrementalDetokenizer(self._bytes, prompt, stop, shown, min_tokens, stop_tokens)

    def spell(self, text: str) -> Marker:
        """A text as the model writes it: control tokens by their ids, and what is between as text."""
        parts: list[ConstText | ControlToken] = []
        at = 0
        for match in self._added.finditer(text):
            parts += [ConstText(text[at : match.start()])] if match.start() > at else []
            parts.append(ControlToken(self._tokenizer.convert_tokens_to_ids(match[0])))
            at = match.end()
        return (*parts, ConstText(text[at:])) if at < len(text) else tuple(parts)

    def marker_tokens(self, marker: str) -> tuple[int, ...]:
        """Token ids that decode to `marker` exactly. Raises ValueError where the tokenizer has none."""
        ids = self._tokenizer.encode(marker, add_special_tokens=False)
        written = b"".join(self._bytes[id] or self.token_text(id).encode() for id in ids)
        if written != marker.encode():
            raise ValueError(f"the tokenizer cannot write {marker!r} by itself")
        return tuple(ids)

    def vocabulary(self) -> list[bytes]:
        """The bytes of every token by its id, b"" where it adds none or is a control token such as <tool_call>.

        A constrained answer has such a token only where its grammar asks for it as one, see `spell`.
        """
        control = self._tokenizer.added_tokens_decoder
        return [b"" if token in control else self.token_bytes(token) or b"" for token in range(self.vocab_size)]

    def _read(
        self, checkpoint: Path, chat_template: str | None, tool_format: str | None, reasoning_format: str | None
    ) -> None:
        found = self._open(checkpoint)
        if chat_template is not None:
            self._tokenizer.chat_template = chat_template
        if self._tokenizer.chat_template is None:
            raise ValueError(
                f"{checkpoint} has no chat template; give one with --chat-template (a file, or one of "
                f"{', '.join(NAMES)}), or use an instruction-tuned model, which has one"
            )
        _check_size(_templates(self._tokenizer))
        self._beginning = self._begins_texts_with()
        self._reserved = _RESERVED | set(self._tokenizer.special_tokens_map)
        self._control_tokens = _control_tokens(self._tokenizer)
        added = [token.content for token in self._tokenizer.added_tokens_decoder.values()]
        self._added = _any_of(added)
        own = probe_template(self._render_as_is)
        detected = detect("\0".join(_templates(self._tokenizer)), added, found.response_template)
        if tool_format is None and not (detected.tools or own.tools):
            tool_format = GENERIC_TOOL_FORMAT
        self.format = self._led_on(named(tool_format, reasoning_format, detected), own)
        self._tools = ToolsAsText(own, self.format.tools[0] if self.format.tools else None)
        self.tools_as_text = self._tools.rewritten
        self.traits = probe_template(self._render) if self.tools_as_text else own
        if chat_template is not None and self.format.flow == "text":
            self.end_tokens = tuple(dict.fromkeys([*self.end_tokens, *self._token_behind_answer()]))
        self._template_variables = TemplateVariables(_templates(self._tokenizer), self._render, self.traits)
        self._field_matters = cache(partial(field_matters, self._render, self.traits))

    def _begins_texts_with(self) -> list[int]:
        """The ids that the tokenizer puts before every text by itself."""
        text: list[int] = self._tokenizer.encode("a", add_special_tokens=False)
        whole: list[int] = self._tokenizer.encode("a")
        return next((whole[:i] for i in range(len(whole)) if whole[i : i + len(text)] == text), [])

    def _led_on(self, format: Format, traits: TemplateTraits) -> Format:
        """The format with what the template itself writes behind reasoning."""
        if format.reasoning is None or format.flow == "channels":
            return format
        behind = behind_reasoning(self._render_as_is, traits, format.reasoning.close)
        return format if behind is None else replace(format, reasoning=replace(format.reasoning, behind=behind))

    def _token_behind_answer(self) -> list[int]:
        """The token with which the template ends an answer, if it is one."""
        found = self._added.match(behind_answer(self._render, self.traits).lstrip())
        return [self._tokenizer.convert_tokens_to_ids(found[0])] if found else []

    def _render(self, messages: list[Message], tools: list[Message] | None = None, **variables: Any) -> str:
        return self._render_as_is(*self._tools.rewrite(messages, tools), **variables)

    def _render_as_is(self, messages: list[Message], tools: list[Message] | None = None, **variables: Any) -> str:
        return self._text(messages, tools, variables)

    def _text(
        self, messages: list[Message], tools: list[Message] | None, variables: dict[str, Any], ending: Ending = "answer"
    ) -> str:
        if not messages:
            raise ValueError("there is no message")
        return renderers().render(
            conversations=[messages],
            tools=tools,
            chat_template=self._tokenizer.get_chat_template(None, tools),
            add_generation_prompt=ending == "answer",
            continue_final_message=ending if ending in ("content", "reasoning_content") else False,
            **{**self._tokenizer.special_tokens_map, **variables},
        )

    def _encode(
        self,
        messages: list[Message],
        tools: list[Message] | None,
        variables: dict[str, Any],
        ending: Ending,
        media: Sequence[ShownMedium],
    ) -> list[int]:
        chat = (*self._tools.rewrite(messages, tools), variables)
        try:
            # What comes from the client is marked, so that control tokens in it are told from the template's own.
            shown, definitions, given = (mark_control_tokens(part, self._control_tokens) for part in chat)
            text = show(self._text(shown, definitions, given, ending), media, self._tokenizer)
            ids = self._tokenizer(text, add_special_tokens=False, sanitize_control_tokens=True)["input_ids"]
        except PromptError:
            raise
        except Exception as error:
            if _CHANGED in str(error):
                path = f"messages.{len(messages) - 1}.{ending}"
                raise PromptError(
                    f"{path} cannot be continued, since the model's chat template changes it, as where it takes "
                    "reasoning out of it; give its reasoning apart from its content, or do not have it continued",
                    path,
                ) from error
            # Template and data are both foreign here, so whatever they raise together is the request's error.
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
            raise PromptError(f"the model's chat template refused this chat: {reason}", "messages") from error
        if not ids:
            raise PromptError("the model's chat template made an empty prompt of this chat", "messages")
        return ids

    def _variables(self, template_kwargs: dict[str, Any], reasoning_effort: str | None) -> dict[str, Any]:
        for name in template_kwargs:
            if name in self._reserved:
                raise PromptError(f"chat_template_kwargs may not set {name!r}", f"chat_template_kwargs.{name}")
        own_effort = template_kwargs.get(EFFORT, reasoning_effort)
        if reasoning_effort not in (None, own_effort):
            message = f"reasoning_effort is {reasoning_effort!r}, but chat_template_kwargs sets it to {own_effort!r}"
            raise PromptError(message, "chat_template_kwargs.reasoning_effort")
        try:
            given = self._template_variables.typed(template_kwargs)
        except RenderingExceeded as error:
            raise PromptError(str(error), "chat_template_kwargs") from error
        return given if reasoning_effort is None else {**self.effort_variables(reasoning_effort), **given}

    def _check_strings(self, fields: dict[str, Any]) -> bool:
        """Refuse what cannot be encoded as text; return whether any value contains a control token."""
        found = False
        for place, text, is_key in strings_of(fields):
            if _SURROGATE.search(text):
                path = path_of(place)
                raise PromptError(f"{path} contains a lone surrogate, which is not a character", path)
            if self._control_tokens.search(text):
                # The library encodes control tokens as text in values only; in a key they would become the token.
                if is_key:
                    message = f"the key {text!r} contains a control token of this model; rename it"
                    raise PromptError(message, path_of(place))
                found = True
        return found

    def _refuse_leaks(self, ids: list[int]) -> None:
        # The library marks control tokens with private characters. A template that prints a list as Python does
        # escapes these: "\U000f0000<|im_end|>". Then the mark is lost and the token would be a real one.
        text = self._tokenizer.decode(ids, clean_up_tokenization_spaces=False)
        if re.search(rf"\\[uU][0-9a-f]{{4,8}}\s*(?:{self._control_tokens.pattern})", text):
            raise PromptError("this model's chat template cannot show a control token in a list as text", "messages")

    def _refuse_ignored_system(self, messages: list[Message]) -> None:
        # After rendering, so that a template which refuses system messages can say so in its own words.
        for index, message in enumerate(messages):
            if message["role"] == "system" and not self.traits.system:
                raise PromptError("this model's chat template leaves out system messages", f"messages.{index}.role")


def _check_size(templates: list[str]) -> None:
    size = max(map(len, templates))
    if size > TEMPLATE_CHARACTERS:
        raise ValueError(
            f"the chat template has {size:,} characters, more than {TEMPLATE_CHARACTERS:,}; give another one with "
            "--chat-template"
        )


def _templates(tokenizer: Any) -> list[str]:
    """The text of the template, or of all where there are several."""
    templates = tokenizer.chat_template
    return list(templates.values()) if isinstance(templates, dict) else [str(templates)]


def _control_tokens(tokenizer: Any) -> re.Pattern[str]:
    """Matches special tokens, and the other added tokens that the template writes: the library's own rule."""
    source = "\0".join(_templates(tokenizer))
    tokens = tokenizer.added_tokens_decoder.values()
    written = [token.content for token in tokens if token.content in source and not token.content.isspace()]
    special = [token.content for token in tokens if token.special]
    return _any_of([*special, *written])


def _any_of(texts: list[str]) -> re.Pattern[str]:
    """Matches any of the texts, the longest that begins at a place."""
    return re.compile("|".join(map(re.escape, sorted(filter(None, texts), key=len, reverse=True))) or "(?!)")
