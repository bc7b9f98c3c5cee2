"""JSON bodies: read once under a size limit, parsed once, checked against the document's own schema."""

import asyncio
import gc
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jsonschema_rs
import orjson
from connexion.validators import ParameterValidator
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.http.compression import TooLong, decompress
from handlers.http.errors import APIError, invalid
from handlers.http.explain import explain
from handlers.http.json_size import JSONSize, is_within
from handlers.http.shrink import Shrinker, TooManyChecks

JSON = "application/json"
HELD_BODIES = 32
INLINE_BYTES = 32 << 10  # bodies up to this size are read at once, larger ones beside the event loop
# Parsing holds the interpreter: about a microsecond for each object and list, a tenth of that for each member beside
# the first, of which there may be so many, or so many per token of the context.
MOST_CONTAINERS, MOST_COMMAS, PER_TOKEN = 32_768, 131_072, 2


class JSONBody:
    """The JSON body of a request, valid by its schema in the document.

    value: what its JSON says. A number that is no integer of 64 bits is the nearest double.
    """

    def __init__(self, value: dict[str, Any], text: bytes) -> None:
        self.value = value
        self._text: bytes | None = text

    def take_text(self) -> bytes:
        """The JSON text of the body; may be called once, since the text may be large and is not kept."""
        text, self._text = self._text, None
        assert text is not None, "the text of a body can be taken once"
        return text


class JSONBodies:
    """Connexion's validator of `application/json` bodies for every operation of a document.

    Connexion calls the validator's class for each request; an instance of this one stands in for the class, so that
    each schema is compiled once. The checked body is the handler's argument `json_body`, a JSONBody.

    most_bytes: that a body may have, asked for with each. All that are being received at a time may have HELD_BODIES
    times as many. context: tokens of the model's, which bounds what else a body may have.
    """

    def __init__(self, document: dict[str, Any], most_bytes: Callable[[], int], context: Callable[[], int]) -> None:
        self._most_bytes, self._context = most_bytes, context
        self._held = 0
        self._schemas = {
            operation["operationId"]: BodySchema(operation["requestBody"]["content"][JSON]["schema"], document)
            for path in document["paths"].values()
            for operation in path.values()
            if JSON in operation.get("requestBody", {}).get("content", {})
        }

    def __call__(self, **_options: object) -> "JSONBodies":
        return self

    async def wrap_receive(self, receive: Receive, *, scope: Scope) -> tuple[Receive, Scope]:
        """Reads and checks the body of a request.

        Raises APIError 413 if it is too large, as it comes or once it is decompressed, 415 for an encoding that is not
        known, 422 if it is not valid.
        """
        headers = Headers(scope=scope)
        raw = await self._read(receive, headers)
        if encoding := headers.get("content-encoding"):
            raw = await asyncio.to_thread(self._decompress, raw, encoding)
        schema = self._schemas[scope["extensions"]["connexion_routing"]["operation_id"]]
        most = JSONSize(MOST_CONTAINERS, max(MOST_COMMAS, PER_TOKEN * self._context()))
        large = len(raw) > INLINE_BYTES
        value = await asyncio.to_thread(schema.read, raw, most) if large else schema.read(raw, most)
        return receive, _with_argument(scope, "json_body", JSONBody(value, raw))

    async def _read(self, receive: Receive, headers: Headers) -> bytes:
        self._limit(int(headers.get("content-length", 0)))
        body, more = bytearray(), True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect()
                part = message.get("body", b"")
                body += part
                self._held += len(part)
                self._limit(len(body))
                if self._held > HELD_BODIES * self._most_bytes():
                    retry = {"Retry-After": "1"}
                    raise APIError(503, "the server is receiving as much as it can hold", code="busy", headers=retry)
                more = message.get("more_body", False)
            return bytes(body)
        finally:
            self._held -= len(body)

    def _decompress(self, body: bytes, encoding: str) -> bytes:
        try:
            return decompress(body, encoding, self._most_bytes())
        except TooLong:
            raise self._too_long() from None

    def _limit(self, size: int) -> None:
        if size > self._most_bytes():
            raise self._too_long()

    def _too_long(self) -> APIError:
        return APIError(413, f"the body is longer than the {self._most_bytes()} bytes that this server reads")


class Parameters(ParameterValidator):  # type: ignore[misc]
    """Connexion's validator of parameters; what is wrong with one is told as of a field of a body."""

    @staticmethod
    def validate_parameter(
        parameter_type: str, value: Any, param: dict[str, Any], param_name: str | None = None
    ) -> None:
        """Raises APIError 422, naming the parameter, if its value is not valid."""
        name, schema = param["name"], param["schema"]
        if value is None and not param.get("required"):
            return
        try:
            jsonschema_rs.Draft202012Validator({"properties": {name: schema}}).validate({name: value})
        except jsonschema_rs.ValidationError as error:
            path, message = explain(error)
            raise invalid(message, path) from None


class MediaTypeMiddleware:
    """Writes the media type of a request in lower case, and takes it away from requests whose body means nothing.

    Connexion takes `Application/JSON` for JSON when it compares types, yet finds no schema for it and checks nothing.
    And it parses any form that is sent, of any size, also with a GET: 400 where the form is broken.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            bodyless = scope["method"] in ("GET", "HEAD")
            headers = [
                (name, _lower_media_type(name, value))
                for name, value in scope["headers"]
                if not (bodyless and name == b"content-type")
            ]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


def _lower_media_type(name: bytes, value: bytes) -> bytes:
    if name != b"content-type":
        return value
    media_type, separator, parameters = value.partition(b";")
    return media_type.strip().lower() + separator + parameters


def _with_argument(scope: Scope, name: str, value: object) -> Scope:
    """The scope of a request whose handler gets a further argument: what is in Connexion's context under its name.

    Not `body`: for an argument of that name Connexion would read and parse the body itself.
    """
    extensions = scope.get("extensions", {})
    context = {**extensions.get("connexion_context", {}), name: value}
    return {**scope, "extensions": {**extensions, "connexion_context": context}}


def parse(raw: bytes) -> Any:
    """Values of JSON text; raises APIError 422 for what is not valid or not UTF-8, NaN, infinities, great depth."""
    if not raw:
        raise invalid("the body is empty; send a JSON object")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise invalid(_not_utf8(raw) or f"the body is not valid JSON: {error}") from error


def _not_utf8(raw: bytes) -> str | None:
    """What is wrong with bytes that are no UTF-8, of which orjson says no place; None where they are."""
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        start = error.start
        return f"the body is not UTF-8, as JSON is whatever its Content-Type says: byte {raw[start]:#04x} at {start:,}"
    return None


def parse_exact(text: bytes) -> Any:
    """Values of valid JSON in which no digit is lost: a number is an `orjson.Fragment`, which orjson writes as it came.

    Raises RecursionError where it is nested too deeply.
    """
    with no_collection():
        return json.loads(text, parse_int=_as_written, parse_float=_as_written)


def _as_written(number: str) -> orjson.Fragment:
    """In Python, so that other threads have their turn between many of them."""
    return orjson.Fragment(number)


class BodySchema:
    """The schema of an operation's body. schema: as it stands in `document`, whose components it refers to."""

    def __init__(self, schema: dict[str, Any], document: dict[str, Any]) -> None:
        self._validator = jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
        self._names = frozenset(_property_names(document["components"]))

    def read(self, raw: bytes, most: JSONSize) -> Any:
        """The values of a body; raises APIError 422 where it is no JSON or not valid, naming a field at fault.

        most: that it may have, told before anything is made of it.
        """
        if not is_within(raw, most):
            message = f"the body has more than {most.containers} objects and lists, or {most.commas} members of them"
            raise invalid(f"{message}; send it in parts")
        with no_collection():
            value = parse(raw)
        self.check(value)
        return value

    def check(self, value: Any) -> None:
        """Raises APIError 422, naming a field at fault, if `value` is not valid."""
        try:
            if not self._validator.is_valid(value):
                self._refuse(value)
        except (ValueError, RecursionError) as failure:
            raise invalid(f"the body cannot be checked: {failure}") from failure

    def _refuse(self, value: Any) -> None:
        try:
            value = Shrinker(self._validator.is_valid, self._names).shrink(value)
        except TooManyChecks:
            raise invalid("the body is not valid, and too large to say where; send a smaller one to learn it") from None
        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            path, message = explain(error)
            raise invalid(message, path) from None


@contextmanager
def no_collection() -> Iterator[None]:
    """Has no garbage looked for in the block: many new values, all of them in use, would be gone through many times."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _property_names(part: Any) -> Iterator[str]:
    """The names of all properties in schemas of the document."""
    if isinstance(part, list):
        for item in part:
            yield from _property_names(item)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key == "properties" and isinstance(value, dict):
                yield from value
            yield from _property_names(value)
