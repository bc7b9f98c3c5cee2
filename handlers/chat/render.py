"""POST /v1/chat/render: the prompt of a chat, as text and as token ids, of which nothing is generated."""

from functools import partial

import orjson
from starlette.responses import Response

from handlers.chat.ignored import given_beside, not_in_the_prompt
from handlers.chat.limits import check_request
from handlers.chat.media import with_media
from handlers.chat.plan import encode_prompt, function_names
from handlers.chat.request import ChatRequest, read_request
from handlers.chat.size import check_counts, check_text
from handlers.http.connection import while_connected
from handlers.http.deadline import Deadline
from handlers.http.ignored import ignored_header
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import JSONBody
from handlers.loaded import LoadedModel
from handlers.service import current_service

OF_THE_PROMPT = (
    "model",
    "messages",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "chat_template_kwargs",
    "reasoning_effort",
    "continue_final_message",
    "add_generation_prompt",
)
"""What of a chat's body its prompt depends on."""


async def render_chat(json_body: JSONBody) -> Response:
    """Handles POST /v1/chat/render. The body is checked as that of a chat is."""
    service = current_service()
    loaded, strict = service.loaded, service.acceptance.strict
    check_counts(json_body.value, loaded)
    request = await in_prompt_thread(read_request, json_body, strict)
    service.resolve_model(request.body.model)
    check_request(request, loaded, strict)
    tokens = await while_connected(_encode(request, loaded, Deadline(service.request_timeout)))
    text = await in_prompt_thread(loaded.tokenizer.decode_tail, tokens, len(tokens))
    inert = not_in_the_prompt(request, loaded.tokenizer)
    headers = ignored_header([*request.without_effect(), *given_beside(OF_THE_PROMPT, request.given), *inert])
    return Response(orjson.dumps({"text": text, "tokens": tokens}), headers=headers, media_type="application/json")


async def _encode(request: ChatRequest, loaded: LoadedModel, deadline: Deadline) -> list[int]:
    async with deadline.enforced():
        await in_prompt_thread(check_text, request, loaded)
        names = function_names(request.body, loaded.format)
        encode = partial(encode_prompt, request, names, loaded.tokenizer, None)
        async with with_media(request, loaded, encode) as (tokens, _):
            return tokens
