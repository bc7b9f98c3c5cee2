"""Whoever stops waiting for a grammar says so, wherever it is on its way."""

import asyncio

import pytest

from backend.grammar import ConstText
from handlers.formats.enforce import Tool
from handlers.formats.families import TOOL_SYNTAXES
from handlers.formats.syntax import Format
from handlers.generation.constraint import ConstraintBuilder
from handlers.generation.output import JSONObjectForm, OutputPlan, ToolUse

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
