"""How many tokens the prompt of a chat has, of which nothing is generated."""

from functools import partial

from handlers.chat.limits import check_request
from handlers.chat.media import with_media
from handlers.chat.plan import encode_prompt, function_names
from handlers.chat.request import ChatRequest
from handlers.chat.size import check_text
from handlers.http.connection import while_connected
from handlers.http.deadline import Deadline
from handlers.http.threads import in_prompt_thread
from handlers.loaded import LoadedModel
from handlers.service import Service


async def count_prompt(request: ChatRequest, service: Service) -> int:
    """The tokens that are computed for a request, media included. It is checked as one that is answered.

    Raises APIError, 504 where it takes longer than a request may.
    """
    loaded = service.loaded
    service.resolve_model(request.body.model)
    check_request(request, loaded, service.acceptance.strict)
    return await while_connected(_count(request, loaded, Deadline(service.request_timeout)))


async def _count(request: ChatRequest, loaded: LoadedModel, deadline: Deadline) -> int:
    async with deadline.enforced():
        await in_prompt_thread(check_text, request, loaded)
        names = function_names(request.body, loaded.format)
        async with with_media(request, loaded, partial(encode_prompt, request, names, loaded.tokenizer, None)) as shown:
            return len(shown[0])
