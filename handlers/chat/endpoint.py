"""POST /v1/chat/completions, from the validated body to the answer."""

from starlette.responses import Response

from handlers.chat.completion import Completion
from handlers.chat.request import read_request
from handlers.chat.respond import Chat, respond
from handlers.chat.size import check_counts
from handlers.generation.output import OutputPlan
from handlers.generation.plan import GenerationPlan
from handlers.http.sse import UNNAMED_EVENTS
from handlers.http.threads import in_prompt_thread
from handlers.http.validation import JSONBody
from handlers.service import current_service


async def complete_chat(json_body: JSONBody) -> Response:
    """Handles POST /v1/chat/completions: one JSON object, or a stream of events where `stream` is true."""
    service = current_service()
    check_counts(json_body.value, service.loaded)
    request = await in_prompt_thread(read_request, json_body, service.acceptance.strict)
    return await respond(request, describe, UNNAMED_EVENTS)


def describe(chat: Chat, plan: GenerationPlan, output: OutputPlan) -> Completion:
    """The completion that makes answers to `chat` of its deltas."""
    body = chat.request.body
    options = body.stream_options
    return Completion(
        model=chat.model,
        prompt_tokens=len(plan.prompt),
        seeds=plan.seeds,
        logprobs=bool(body.logprobs),
        include_usage=options is not None and bool(options.include_usage),
        reasoning=output.split,
        functions=chat.request.functions,
        cached_tokens=chat.report_cached_tokens,
    )
