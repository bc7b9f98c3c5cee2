"""Whoever stops waiting for a grammar says so, wherever it is on its way."""

import asyncio
from dataclasses import replace

import pytest

from backend.grammar import ConstText, ControlToken
from handlers.formats.enforce import Tool
from handlers.formats.families import REASONING_SYNTAXES, TOOL_SYNTAXES
from handlers.formats.syntax import Format
from handlers.generation.constraint import ConstraintBuilder
from handlers.generation.output import JSONObjectForm, OutputPlan, ReasoningBudget, ToolUse
from handlers.generation.plan import reasoning_limit
from handlers.http.errors import APIError

FORM = {"form": JSONObjectForm("form")}
CALLS = {"tool_use": ToolUse((Tool("f", {}, "tools.0"),))}


def builder(compiler, asked):
    format = Format(TOOL_SYNTAXES["hermes"])
    output = OutputPlan(format, spell=lambda text: (ConstText(text),), enforceable=True, **asked)
    return ConstraintBuilder(output, compiler, "client")


async def cancelled(work):
    task = asyncio.create_task(work)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("asked", [FORM, CALLS])
def test_a_task_that_is_cancelled_releases_its_grammar(fakes, asked):
    compiler = fakes.Compiler(delayed=True)

    async def work():
        constraint = await builder(compiler, asked).build()
        await constraint.ready()

    asyncio.run(cancelled(work()))
    assert compiler.released and compiler.clients == ["client"]
    compiler.go.set()


def test_a_task_that_fails_before_it_waits_releases_its_grammar(fakes):
    compiler = fakes.Compiler(delayed=True)

    async def work():
        await builder(compiler, FORM).build()
        raise ValueError("too long")

    async def run():
        with pytest.raises(ValueError, match="too long"):
            await asyncio.create_task(work())
        await asyncio.sleep(0)

    asyncio.run(run())
    assert compiler.released
    compiler.go.set()


def test_another_task_may_wait_once_the_first_is_done(fakes):
    compiler = fakes.Compiler(delayed=True)

    async def run():
        constraint = await asyncio.create_task(builder(compiler, FORM).build())
        await asyncio.sleep(0)
        assert not compiler.released
        await cancelled(constraint.ready())

    asyncio.run(run())
    assert compiler.released
    compiler.go.set()


@pytest.mark.parametrize("required", [False, True])
def test_an_end_token_that_a_form_needs_as_a_marker_is_refused(fakes, required):
    """Its calls are marked by a control token, 300."""
    markers = {"<tool_call>": (ControlToken(300),)}
    output = OutputPlan(
        Format(TOOL_SYNTAXES["hermes"]),
        spell=lambda text: markers.get(text, (ConstText(text),)),
        enforceable=True,
        tool_use=ToolUse((Tool("f", {"enum": [["ControlToken", 301]]}, "tools.0"),), required),
        end_tokens={256: b"", 301: b"", 300: b""},
        end_param="eos_token",
    )
    with pytest.raises(APIError, match=r"eos_token\.2 is token 300") as raised:
        ConstraintBuilder(output, fakes.Compiler()).spec()
    assert (raised.value.status, raised.value.param) == (422, "eos_token.2")
    assert ConstraintBuilder(replace(output, end_tokens={301: b""}), fakes.Compiler()).spec() is not None


def test_reasoning_cannot_be_limited_where_what_closes_it_ends_the_answer(fakes):
    reasoning, budget = REASONING_SYNTAXES["think"], ReasoningBudget(5, "reasoning_budget")
    output = OutputPlan(Format(reasoning=reasoning), spell=None, enforceable=True, budget=budget)
    assert reasoning_limit(output, fakes.Tokenizer()).tokens == 5
    ends = replace(output, end_tokens={ord(reasoning.close[0]): b"<"}, end_param="eos_token")
    with pytest.raises(APIError, match="takes a token that eos_token lets end the answer"):
        reasoning_limit(ends, fakes.Tokenizer())
