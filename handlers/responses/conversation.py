"""The items of a conversation as the messages of a chat, and where in the request each message comes from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from generated.models import (
    AssistantMessage,
    AssistantMessageToolCall,
    AssistantMessageToolCallFunction,
    AudioContent,
    ImageContent,
    ImageData,
    InputAudioContent,
    ResponsesCustomToolCall,
    ResponsesCustomToolCallOutput,
    ResponsesFunctionCall,
    ResponsesFunctionCallOutput,
    ResponsesHostedItem,
    ResponsesInputImage,
    ResponsesInputMessage,
    ResponsesInputText,
    ResponsesItemReference,
    ResponsesOutputText,
    ResponsesReasoningItem,
    ResponsesRefusal,
    SystemMessage,
    TextContent,
    ToolMessage,
    UserMessage,
    VideoContent,
)
from handlers.chat.openai import Message
from handlers.http.errors import invalid
from handlers.responses.custom_input import as_arguments
from handlers.responses.reasoning import decrypted

Item = (
    ResponsesInputMessage
    | ResponsesFunctionCall
    | ResponsesFunctionCallOutput
    | ResponsesCustomToolCall
    | ResponsesCustomToolCallOutput
    | ResponsesReasoningItem
    | ResponsesItemReference
    | ResponsesHostedItem
)
Part = TextContent | AudioContent | ImageContent | VideoContent | InputAudioContent
Block = ResponsesInputText | ResponsesInputImage | ResponsesOutputText | ResponsesRefusal


@dataclass(frozen=True)
class Place:
    """Where an item stands in the request. exact: fields of it have paths of their own below it; else it is all there
    is to name, such as the stored response that has the item.
    """

    path: str
    exact: bool = True

    def of(self, field: str) -> str:
        """The path of a field of the item."""
        return f"{self.path}.{field}" if self.exact else self.path


@dataclass
class Conversation:
    """messages: of a chat. paths: path of a field of the chat -> where it stands in the request. inert: paths of what
    is in no message. shown: pictures in results of tools that no message has yet.
    """

    messages: list[Message] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    inert: list[str] = field(default_factory=list)
    shown: list["_UserPart"] = field(default_factory=list)

    def say(self, message: Message, place: Place, fields: dict[str, str]) -> None:
        """Adds a message. fields: its fields, by what the item calls them."""
        at = f"messages.{len(self.messages)}"
        self.messages.append(message)
        self.paths[at] = place.path
        self.paths |= {f"{at}.{name}": place.of(own) for name, own in fields.items()}

    def instruct(self, instructions: str) -> None:
        """Adds the system message that the request calls its instructions."""
        self.say(SystemMessage(role="system", content=instructions), Place("instructions", False), {"content": ""})

    def add(self, items: Iterable[tuple[Place, Item]]) -> None:
        """Adds the messages of items. What the assistant said, reasoned and called in a row is one message; pictures in
        results of tools come behind all results, in the user's message.

        Raises APIError 422 for pictures where a message has none.
        """
        answer = _Answer()
        for place, item in items:
            if answer.takes(place, item):
                self._show()
                continue
            answer.end(self)
            answer = _Answer()
            if not answer.takes(place, item):
                self._add_other(place, item)
        answer.end(self)
        self._show()

    def _add_other(self, place: Place, item: Item) -> None:
        match item:
            case ResponsesInputMessage(role="user", content=content):
                self._ask(place.path, place.of("content"), _parts(content, "content", place))
            case ResponsesInputMessage(content=content):
                self._show()
                text = _text(content, place.of("content"))
                self.say(SystemMessage(role="system", content=text), place, {"content": "content"})
            case ResponsesFunctionCallOutput() | ResponsesCustomToolCallOutput():
                parts = _parts(item.output, "output", place)
                self.shown += [each for each in parts if isinstance(each.part, ImageContent)]
                message = ToolMessage(role="tool", tool_call_id=item.call_id, content=_texts(parts))
                self.say(message, place, {"content": "output", "tool_call_id": "call_id"})
            case _ if place.exact:
                self.inert.append(place.path)

    def _show(self) -> None:
        """Adds a message of the user with the pictures that tools have shown, if there are any."""
        if self.shown:
            path = self.shown[0].path
            self._ask(path, path, [])

    def _ask(self, path: str, content_path: str, parts: Sequence["_UserPart"]) -> None:
        """Adds a message of the user: what tools have shown, and `parts`."""
        parts, self.shown = [*self.shown, *parts], []
        pictures = any(isinstance(each.part, ImageContent) for each in parts)
        at = f"messages.{len(self.messages)}"
        content = [each.part for each in parts] if pictures else _texts(parts)
        self.messages.append(UserMessage(role="user", content=content))
        self.paths |= {at: path, f"{at}.content": content_path}
        for i, each in enumerate(parts if pictures else ()):
            self.paths |= {f"{at}.content.{i}": each.path, f"{at}.content.{i}.image_url.url": each.url}


@dataclass(frozen=True)
class _UserPart:
    """A part of a message of the user. path: where it stands. url: where its address does, if it is a picture."""

    part: Part
    path: str
    url: str


@dataclass
class _Answer:
    """What the assistant said, reasoned and called in a row. places: by field of the message, where it stands."""

    content: str | None = None
    reasoning: list[str] = field(default_factory=list)
    calls: list[AssistantMessageToolCall] = field(default_factory=list)
    place: Place | None = None
    places: dict[str, str] = field(default_factory=dict)
    inert: list[str] = field(default_factory=list)

    def takes(self, place: Place, item: Item) -> bool:
        """Whether the item goes on with this answer, of which it is then a part."""
        match item:
            case ResponsesReasoningItem() if self.content is None and not self.calls:
                self._reason(place, item)
            case ResponsesInputMessage(role="assistant", content=content) if self.content is None and not self.calls:
                self.content = _text(content, place.of("content"))
                self.places["content"] = place.of("content")
            case ResponsesFunctionCall(arguments=arguments):
                self._call(place, item, arguments, "arguments")
            case ResponsesCustomToolCall(input=text):
                self._call(place, item, as_arguments(text), "input")
            case _:
                return False
        self.place = self.place or place
        return True

    def end(self, conversation: Conversation) -> None:
        """Adds the message, if there is anything in it."""
        conversation.inert += self.inert
        if self.place is None:
            return
        message = AssistantMessage(
            role="assistant",
            content=self.content,
            reasoning_content="".join(self.reasoning) or None,
            tool_calls=self.calls or None,
        )
        at = f"messages.{len(conversation.messages)}"
        conversation.say(message, self.place, {})
        conversation.paths |= {f"{at}.{name}": path for name, path in self.places.items()}

    def _reason(self, place: Place, item: ResponsesReasoningItem) -> None:
        self.places["reasoning_content"] = place.path
        written = "".join(part.text for part in item.content or ())
        secret = decrypted(item.encrypted_content) if item.encrypted_content else None
        if item.encrypted_content and secret is None and place.exact:
            self.inert.append(place.of("encrypted_content"))
        self.reasoning.append(written or secret or "".join(part.text for part in item.summary))

    def _call(
        self, place: Place, item: ResponsesFunctionCall | ResponsesCustomToolCall, arguments: str, field: str
    ) -> None:
        name = qualified(item.namespace, item.name)
        function = AssistantMessageToolCallFunction(name=name, arguments=arguments)
        at = f"tool_calls.{len(self.calls)}"
        self.calls.append(AssistantMessageToolCall(id=item.call_id, type="function", function=function))
        self.places |= {
            at: place.path,
            f"{at}.id": place.of("call_id"),
            f"{at}.function": place.path,
            f"{at}.function.name": place.of("name"),
            f"{at}.function.arguments": place.of(field),
        }


def qualified(namespace: str | None, name: str) -> str:
    """The name by which a chat knows a tool."""
    return name if namespace is None else f"{namespace}.{name}"


def _text(content: str | Sequence[Block], path: str) -> str:
    """A string, or the text of parts with nothing between them. Raises APIError 422 for pictures."""
    if isinstance(content, str):
        return content
    for i, part in enumerate(content):
        if isinstance(part, ResponsesInputImage):
            at = f"{path}.{i}"
            raise invalid(f"{at}: pictures stand in messages of the user only; send it in one of them", at)
    return "".join(map(_words, content))


def _parts(content: str | Sequence[Block], name: str, place: Place) -> list[_UserPart]:
    """The content of an item, which calls it `name`, as parts of a message of the user."""
    if isinstance(content, str):
        return [_UserPart(TextContent(type="text", text=content), place.of(name), place.of(name))]
    return [
        _UserPart(
            ImageContent(type="image_url", image_url=ImageData(url=part.image_url))
            if isinstance(part, ResponsesInputImage)
            else TextContent(type="text", text=_words(part)),
            place.of(f"{name}.{i}"),
            place.of(f"{name}.{i}.image_url"),
        )
        for i, part in enumerate(content)
    ]


def _texts(parts: Iterable[_UserPart]) -> str:
    """The texts of parts, with nothing between them."""
    return "".join(each.part.text for each in parts if isinstance(each.part, TextContent))


def _words(part: Block) -> str:
    if isinstance(part, ResponsesRefusal):
        return part.refusal
    return "" if isinstance(part, ResponsesInputImage) else part.text
