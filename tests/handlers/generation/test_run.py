"""A plan runs whoever made it: here there is no request of any endpoint, no body and no schema of one."""

from contextlib import asynccontextmanager
from functools import partial

import pytest

from backend.grammar import Constraint
from backend.request import Prompt, SamplingParams
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.parser import OutputParser
from handlers.formats.syntax import Format
from handlers.generation.constraint import ConstraintBuilder
from handlers.generation.output import GrammarForm, JSONSchemaForm, OutputRequest, RegexForm, plan_output
from handlers.generation.plan import GenerationPlan
from handlers.generation.run import start
from handlers.http.deadline import Deadline
from handlers.http.errors import APIError
from handlers.loaded import LoadedModel
from handlers.metrics import Metrics

SAMPLING = SamplingParams(max_tokens=99, end_tokens=(256,))
PROMPT = Prompt((72, 105))


def plan(seeds=(0,), **fields):
    return GenerationPlan(PROMPT, SAMPLING, seeds, partial(OutputParser, Format(), {}, new_id=str), **fields)


@asynccontextmanager
async def running(plan, loaded, seconds=None):
    generation = await start(plan, loaded, Metrics(lambda: None).request(1), Deadline(seconds))
    try:
        yield generation.deltas
    finally:
        await generation.aclose()


async def texts(plan, loaded):
    found = [""] * len(plan.seeds)
    async with running(plan, loaded) as deltas:
        async for delta in deltas:
            found[delta.choice] += delta.content
    return found


@pytest.fixture
def loaded(fakes):
    return LoadedModel(fakes.Engine(), fakes.Tokenizer(), fakes.Compiler())


async def test_each_choice_of_a_plan_is_read_as_text(fakes, loaded):
    assert await texts(plan(seeds=(0, 1)), loaded) == list(fakes.REPLIES[:2])
    generation = loaded.engine.generations[0]
    assert generation.closed and generation.request == plan(seeds=(0, 1)).request()


async def test_stop_texts_and_log_probabilities_are_the_plans(fakes, loaded):
    assert await texts(plan(seeds=(2,), stop=(" STOP",)), loaded) == ["one two three"]
    async with running(plan(top_logprobs=2), loaded) as deltas:
        tokens = [token async for delta in deltas for token in delta.logprobs]
    assert "".join(token.text for token in tokens) == fakes.REPLIES[0]
    assert all(len(token.top) == 2 for token in tokens)


@pytest.mark.parametrize(
    ("form", "kind", "text"),
    [
        (JSONSchemaForm({"type": "null"}, "format"), "json_schema", '{"type":"null"}'),
        (RegexForm("a+", "format"), "regex", "a+"),
        (
            GrammarForm("start: A", "lark", 2, "format"),
            "structural",
            '["ContextFree","start: A","response_format","lark",2]',
        ),
    ],
)
async def test_a_constraint_is_made_of_a_form_and_names_it_where_it_is_refused(loaded, form, kind, text):
    async def constrained(form):
        output = plan_output(OutputRequest(form=form), loaded, PROMPT.tokens)
        return plan(constraint=await ConstraintBuilder(output, loaded.compiler).build())

    await texts(await constrained(form), loaded)
    assert loaded.compiler.constraints == [Constraint(kind, text)]
    assert loaded.engine.generations[0].request.grammar.key == Constraint(kind, text)
    with pytest.raises(APIError) as refused:
        await texts(await constrained(RegexForm("refuse", "text.format")), loaded)
    assert (refused.value.status, refused.value.param) == (422, "text.format")
    assert loaded.engine.generations[1].closed


async def test_the_deadline_of_whoever_asks_ends_it(fakes):
    loaded = LoadedModel(fakes.Engine(delay=0.05), fakes.Tokenizer(), fakes.Compiler())
    with pytest.raises(APIError) as late:
        async with running(plan(), loaded, seconds=0.12) as deltas:
            async for _ in deltas:
                pass
    assert late.value.status == 504 and loaded.engine.generations[0].closed


async def test_reasoning_that_is_not_included_is_still_counted(loaded):
    format = Format(TOOL_SYNTAXES["none"], REASONING_SYNTAXES["think"])
    parser = partial(OutputParser, format, {}, opened=True, new_id=str)
    async with running(GenerationPlan(PROMPT, SAMPLING, (0,), parser, include_reasoning=False), loaded) as deltas:
        found = [delta async for delta in deltas]
    assert [delta.reasoning for delta in found] == [""]
    assert found[-1].reasoning_tokens == len("Hello, how are you?")
