"""Conversations of Anthropic's Messages API as messages of a chat, and where each part of those came from."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from generated.models import (
    MessagesBase64ImageSource,
    MessagesContentSource,
    MessagesDocumentBlock,
    MessagesImageBlock,
    MessagesInputMessage,
    MessagesPrompt,
    MessagesSearchResultBlock,
    MessagesTextBlock,
    MessagesTextSource,
    MessagesThinkingBlock,
    MessagesToolResultBlock,
    MessagesToolUseBlock,
    MessagesUrlImageSource,
)
from handlers.http.errors import invalid

RESULT_BLOCKS: dict[Any, type[BaseModel]] = {
    "text": MessagesTextBlock,
    "image": MessagesImageBlock,
    "document": MessagesDocumentBlock,
    "search_result": MessagesSearchResultBlock,
}
"""Kinds of blocks in the result of a tool; others are left out."""
BETWEEN_MESSAGES = "\n\n"
FAILED = "Error: "


@dataclass
class Conversation:
    """Messages of a chat, as plain values in the vendored words.

    paths: path in those -> path in the body that they were made of. inert: paths in that of what was left out.
    """

    messages: list[dict[str, Any]] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    inert: list[str] = field(default_factory=list)

    def add(self, message: dict[str, Any], origin: str, **fields: str) -> None:
        """origin: path of what the message was made of. fields: of it, where a name alone does not say it."""
        path = f"messages.{len(self.messages)}"
        self.paths[path] = origin
        self.paths |= {f"{path}.{name}": told for name, told in fields.items()}
        self.messages.append(message)


@dataclass(frozen=True)
class Block:
    """A block of content, and its path in the body."""

    value: Any
    path: str


@dataclass(frozen=True)
class Part:
    """A part of a user's message.

    of_result: it is what a tool gave, and comes behind all results. fields: paths of its own, where a chat has others.
    """

    value: dict[str, Any]
    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    of_result: bool = False


def conversation_of(body: MessagesPrompt) -> Conversation:
    """The messages of a valid body, its system prompt first. Raises APIError 422 for a block that no chat has."""
    made = Conversation()
    system = body.system if isinstance(body.system, str) else "".join(block.text for block in body.system or [])
    if system:
        made.add({"role": "system", "content": system}, "system", content="system")
    for role, path, blocks in _turns(body.messages):
        match role:
            case "assistant":
                _add_answer(made, path, blocks)
            case "system":
                text = "".join(block.value.text for block in blocks if isinstance(block.value, MessagesTextBlock))
                made.inert += [block.path for block in blocks if not isinstance(block.value, MessagesTextBlock)]
                made.add({"role": "system", "content": text}, path)
            case _:
                _add_question(made, path, blocks)
    return made


def _turns(messages: Iterable[MessagesInputMessage]) -> Iterator[tuple[str, str, list[Block]]]:
    """Role, path and blocks of each turn, which messages of one role are together."""
    turns: list[tuple[str, str, list[Block]]] = []
    for i, message in enumerate(messages):
        path = f"messages.{i}"
        blocks = list(_blocks(message, path))
        if not turns or turns[-1][0] != message.role:
            turns.append((message.role, path, blocks))
            continue
        earlier = turns[-1][2]
        if earlier and blocks and all(isinstance(one.value, MessagesTextBlock) for one in (earlier[-1], blocks[0])):
            earlier.append(Block(MessagesTextBlock(type="text", text=BETWEEN_MESSAGES), blocks[0].path))
        earlier += blocks
    yield from turns


def _blocks(message: MessagesInputMessage, path: str) -> Iterator[Block]:
    if isinstance(message.content, str):
        yield Block(MessagesTextBlock(type="text", text=message.content), f"{path}.content")
    else:
        yield from (Block(block, f"{path}.content.{j}") for j, block in enumerate(message.content))


def _add_answer(made: Conversation, path: str, blocks: Sequence[Block]) -> None:
    """A turn of the assistant as one message: its texts together, its reasoning together, its calls."""
    texts, thoughts, calls = list[Block](), list[Block](), list[dict[str, Any]]()
    own = f"messages.{len(made.messages)}"
    for block in blocks:
        match block.value:
            case MessagesTextBlock(text=text):
                texts.append(Block(text, block.path))
            case MessagesThinkingBlock(thinking=text):
                thoughts.append(Block(text, block.path))
            case MessagesToolUseBlock() as call:
                call_path = f"{own}.tool_calls.{len(calls)}"
                made.paths |= {
                    call_path: block.path,
                    f"{call_path}.function": block.path,
                    f"{call_path}.function.arguments": f"{block.path}.input",
                }
                calls.append(_call(call, f"toolu_{len(made.messages)}_{len(calls)}"))
            case _:
                made.inert.append(block.path)
    message: dict[str, Any] = {"role": "assistant", "content": "".join(text.value for text in texts)}
    if calls:
        message |= {"content": message["content"] or None, "tool_calls": calls}
    if thoughts:
        message["reasoning_content"] = "".join(text.value for text in thoughts)
    made.add(message, path, content=_place(texts, path), reasoning_content=_place(thoughts, path))


def _place(blocks: Sequence[Block], path: str) -> str:
    return blocks[0].path if len(blocks) == 1 else f"{path}.content"


def _call(call: MessagesToolUseBlock, default_id: str) -> dict[str, Any]:
    arguments = json.dumps(call.input, ensure_ascii=False)
    function = {"name": call.name, "arguments": arguments}
    return {"id": call.id or default_id, "type": "function", "function": function}


def _add_question(made: Conversation, path: str, blocks: Sequence[Block]) -> None:
    """A turn of the user as messages: a result of a tool each, and one of what is between and behind them."""
    first, parts = len(made.messages), list[Part]()
    for block in blocks:
        if not isinstance(block.value, MessagesToolResultBlock):
            parts += _parts(block, made)
            continue
        if not all(part.of_result for part in parts):
            _add_parts(made, path, parts)
            parts = []
        parts += _add_result(made, block)
    if parts or (first == len(made.messages) and not blocks):
        _add_parts(made, path, parts)


def _add_parts(made: Conversation, path: str, parts: Sequence[Part]) -> None:
    own, whole = f"messages.{len(made.messages)}.content", f"{path}.content"
    if [part.path for part in parts] == [whole] or not parts:
        made.add({"role": "user", "content": "".join(part.value["text"] for part in parts)}, path)
        return
    for j, part in enumerate(parts):
        made.paths[f"{own}.{j}"] = part.path
        made.paths |= {f"{own}.{j}.{name}": f"{part.path}.{told}" for name, told in part.fields.items()}
    made.add({"role": "user", "content": [part.value for part in parts]}, path, content=whole)


def _add_result(made: Conversation, block: Block) -> list[Part]:
    """A message with what a tool gave as text; returns the rest of it."""
    result, path = block.value, block.path
    parts: list[Part] = []
    if isinstance(result.content, str):
        parts.append(Part(_text(result.content), f"{path}.content"))
    for j, value in enumerate(result.content if isinstance(result.content, list) else ()):
        place = f"{path}.content.{j}"
        kind = RESULT_BLOCKS.get(value.get("type"))
        if kind is None:
            made.inert.append(place)
        else:
            parts += _parts(Block(_read(kind, value, place), place), made)
    text = "".join(part.value["text"] for part in parts if part.value["type"] == "text")
    text = f"{FAILED}{text}" if result.is_error else text
    made.add(
        {"role": "tool", "content": text, "tool_call_id": result.tool_use_id}, path, tool_call_id=f"{path}.tool_use_id"
    )
    return [replace(part, of_result=True) for part in parts if part.value["type"] != "text"]


def _read(kind: type[BaseModel], value: dict[str, Any], path: str) -> BaseModel:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join([path, *map(str, first["loc"])])
        raise invalid(f"{place}: {first['msg']}", place) from error


def _parts(block: Block, made: Conversation) -> Iterator[Part]:
    """The parts of a user's message that a block is; what is none of the user's is left out."""
    match block.value:
        case MessagesTextBlock(text=text):
            yield Part(_text(text), block.path)
        case MessagesImageBlock(source=source):
            yield _picture(source, block.path)
        case MessagesDocumentBlock(source=source, title=title, context=context) if source is not None:
            lines = [title, context, _document_text(source, block.path)]
            yield Part(_text("\n".join(filter(None, lines))), block.path)
        case MessagesSearchResultBlock(title=title, source=source, content=content) if content is not None:
            lines = [title, source, "".join(part.text for part in content)]
            yield Part(_text("\n".join(filter(None, lines))), block.path)
        case _:
            made.inert.append(block.path)


def _document_text(source: object, path: str) -> str:
    match source:
        case MessagesTextSource(data=text) | MessagesContentSource(content=str(text)):
            return text
        case MessagesContentSource(content=list(parts)):
            return "".join(part.text for part in parts)
        case _:
            raise invalid(f"{path}: this server does not support document inputs other than text; send its text", path)


def _picture(source: MessagesBase64ImageSource | MessagesUrlImageSource, path: str) -> Part:
    if isinstance(source, MessagesUrlImageSource):
        url, own = source.url, "source.url"
    else:
        url, own = f"data:{source.media_type};base64,{source.data}", "source.data"
    fields = {"image_url": "source", "image_url.url": own}
    return Part({"type": "image_url", "image_url": {"url": url}}, path, fields)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
