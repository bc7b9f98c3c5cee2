"""A chat request as a plan for the engine."""

import asyncio
import secrets
import string
from collections.abc import Callable
from functools import partial

from backend import Prompt
from generated.models import ContainerChatCompletionBody
from handlers.chat.limits import token_budget
from handlers.chat.output import output_request
from handlers.chat.sampling import choice_seeds, sampling_params
from handlers.formats.parser import OutputParser
from handlers.generation.constraint import ConstraintBuilder, OutputConstraint
from handlers.generation.output import OutputPlan, plan_output
from handlers.generation.plan import GenerationPlan, reasoning_limit
from handlers.http.client import current_client
from handlers.http.errors import invalid
from handlers.service import ChatTokenizer, LoadedModel
from handlers.text.template import PromptError

ALPHANUMERICS = string.ascii_letters + string.digits


async def plan_chat(
    body: ContainerChatCompletionBody, text: bytes, loaded: LoadedModel
) -> tuple[GenerationPlan, OutputPlan]:
    """The plan that the engine is given for a valid body, and what the model can do of the answers' form it asks for.

    text: the JSON that the body was made of. Raises APIError 422, and 429 where too many grammars are being compiled.
    """
    prompt = await asyncio.to_thread(encode_prompt, body, loaded.tokenizer)
    asked = await asyncio.to_thread(output_request, body, text)
    del text  # it may be large, and compiling may take long
    output = plan_output(asked, loaded, prompt)
    constraint = await ConstraintBuilder(output, loaded.compiler, current_client()).build()
    tools = {tool.function.name: tool.function.parameters for tool in body.tools or []} if output.calls else {}
    parser = partial(
        OutputParser,
        output.format,
        tools,
        opened=output.opened,
        split=output.split,
        enforced=output.enforces_calls,
        only_calls=output.calls and output.tool_use.required,
        new_id=call_id,
    )
    max_tokens = token_budget(body, len(prompt), loaded.engine.context_length)
    plan = GenerationPlan(
        prompt=Prompt(tuple(prompt)),
        sampling=sampling_params(
            body,
            max_tokens=max_tokens,
            end_tokens=loaded.tokenizer.end_tokens,
            defaults=loaded.sampling_defaults,
        ),
        seeds=choice_seeds(body),
        parser=parser,
        constraint=constraint,
        is_whole=is_whole(constraint, loaded.tokenizer) if output.form and constraint else None,
        reasoning_limit=reasoning_limit(output, loaded.tokenizer),
        top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        stop=tuple(body.stop or ()),
        markers=output.format.markers(calls=output.calls),
        include_reasoning=body.include_reasoning is not False,
    )
    return plan, output


def is_whole(constraint: OutputConstraint, tokenizer: ChatTokenizer) -> Callable[[str], bool]:
    """Whether a text, control tokens shown in it, is all that the constraint asks for, whose grammar is compiled."""
    return lambda text: constraint.grammar.accepts(tokenizer.spell(text))


def encode_prompt(body: ContainerChatCompletionBody, tokenizer: ChatTokenizer) -> list[int]:
    """Token ids of the prompt that the body's messages and tools make.

    Raises APIError 422 where the model's template refuses them.
    """
    hidden = body.tool_choice == "none" or not body.tools
    try:
        return tokenizer.encode_chat(
            [{"content": None, **message.model_dump(exclude_none=True)} for message in body.messages],
            tools=None if hidden else [tool.model_dump(exclude_none=True) for tool in body.tools or []],
            template_kwargs=body.chat_template_kwargs or {},
            reasoning_effort=body.reasoning_effort,
        )
    except PromptError as error:
        raise invalid(error.message, error.param) from error


def call_id(_: int) -> str:
    """A random id of a tool call, as Friendli's own are: call_ and 24 letters and digits. Its index is not used."""
    return "call_" + "".join(secrets.choice(ALPHANUMERICS) for _ in range(24))
