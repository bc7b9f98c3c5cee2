"""POST /v1/messages and /v1/messages/count_tokens, from the validated body to the answer."""

import orjson
from connexion.context import scope
from starlette.datastructures import Headers
from starlette.responses import Response

from generated.models import ContainerMessagesBody, MessagesPrompt
from handlers.chat.count import count_prompt
from handlers.chat.ignored import not_in_the_prompt
from handlers.chat.request import ChatRequest
from handlers.chat.respond import Chat, respond
from handlers.chat.size import check_counts
from handlers.generation.output import OutputPlan
from handlers.generation.plan import GenerationPlan
from handlers.http.ignored import ignored_header
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import JSONBody
from handlers.messages.answer import NAMED_EVENTS, Message
from handlers.messages.request import read_messages
from handlers.service import Service, current_service


async def create_message(json_body: JSONBody) -> Response:
    """Handles POST /v1/messages: one JSON object, or a stream of events where `stream` is true."""
    return await respond(await _read(json_body, ContainerMessagesBody, current_service()), describe, NAMED_EVENTS)


async def count_tokens(json_body: JSONBody) -> Response:
    """Handles POST /v1/messages/count_tokens: how many tokens the prompt has that such a request makes."""
    service = current_service()
    request = await _read(json_body, MessagesPrompt, service)
    count = await count_prompt(request, service)
    headers = ignored_header([*request.without_effect(), *not_in_the_prompt(request, service.loaded.tokenizer)])
    return Response(orjson.dumps({"input_tokens": count}), headers=headers, media_type="application/json")


def describe(chat: Chat, plan: GenerationPlan, output: OutputPlan) -> Message:
    """What makes answers to `chat` of its deltas."""
    return Message(chat.model, len(plan.prompt), plan.seeds[0], output.split, chat.report_cached_tokens)


async def _read(json_body: JSONBody, kind: type[MessagesPrompt], service: Service) -> ChatRequest:
    loaded, strict = service.loaded, service.acceptance.strict
    system = {"content": json_body.value.get("system")}
    check_counts({**json_body.value, "messages": [*json_body.value["messages"], system]}, loaded)
    betas = "anthropic-beta" in Headers(scope=scope)
    return await in_prompt_thread(read_messages, json_body, kind, loaded, strict, betas)
