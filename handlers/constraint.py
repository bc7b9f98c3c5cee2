"""response_format: what it asks of the answer, and what is said where that cannot be done."""

import asyncio
import json
from typing import Any

import orjson

from backend.grammar.compile import Constraint
from backend.grammar.compiler import CompilerBusy
from backend.grammar.errors import GrammarError
from backend.grammar.limits import DEFAULT
from backend.request import Grammar
from generated.models import (
    ContainerChatCompletionBody,
    ResponseFormatJsonObject,
    ResponseFormatJsonSchema,
    ResponseFormatRegex,
)
from handlers.errors import APIError, invalid
from handlers.service import Compiler

SCHEMA, PATTERN = "response_format.json_schema.schema", "response_format.schema"


async def request_grammar(body: ContainerChatCompletionBody, raw: bytes, compiler: Compiler) -> Grammar | None:
    """The grammar of the answer, being compiled; None where any text will do. raw: the body as it came.

    Raises APIError 422 where the schema or pattern is too large, 429 where too many are being compiled.
    """
    constraint = await asyncio.to_thread(constraint_of, body, raw)
    if constraint is None:
        return None
    try:
        return compiler.compile(constraint)
    except CompilerBusy as error:
        message = "the server is compiling as many schemas as it can; try again in a second"
        raise APIError(429, message, code="compiler_busy", headers={"Retry-After": "1"}) from error


async def compiled(body: ContainerChatCompletionBody, grammar: Grammar) -> None:
    """Waits for the tables; raises APIError 422 where there can be none."""
    try:
        await asyncio.wrap_future(grammar.tables)
    except GrammarError as error:
        raise invalid(str(error), _param(body)) from error


def constraint_of(body: ContainerChatCompletionBody, raw: bytes) -> Constraint | None:
    """What the compiler is asked for; raises APIError 422 where its text is too large."""
    match body.response_format:
        case ResponseFormatJsonSchema():
            constraint = Constraint("json_schema", schema_text(raw))
        case ResponseFormatJsonObject():
            constraint = Constraint("json_object")
        case ResponseFormatRegex(schema_=pattern):
            constraint = Constraint("regex", pattern)
        case _:
            return None
    size, most = len(constraint.text.encode()), DEFAULT.schema_bytes
    if size > most:
        raise invalid(f"{_param(body)} has {size} bytes, but may have {most}", _param(body))
    return constraint


def schema_text(raw: bytes) -> str:
    """The schema of a valid body as JSON: its properties in order and its numbers digit by digit.

    The parsed body has neither integers beyond 64 bits nor decimals as they are. Raises APIError 422.
    """
    try:
        value = json.loads(raw, parse_int=_verbatim, parse_float=_verbatim)
        return orjson.dumps(value["response_format"]["json_schema"]["schema"]).decode()
    except (RecursionError, orjson.JSONEncodeError) as error:
        raise invalid(f"{SCHEMA} is nested too deeply", SCHEMA) from error


def _verbatim(number: str) -> orjson.Fragment:
    return orjson.Fragment(number)


def _param(body: ContainerChatCompletionBody) -> str:
    params: dict[type, str] = {ResponseFormatJsonSchema: SCHEMA, ResponseFormatRegex: PATTERN}
    response_format: Any = body.response_format
    return params.get(type(response_format), "response_format")
