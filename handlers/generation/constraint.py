"""The grammar that enforces the form of a request's answers, and what is said where there can be none."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from backend.grammar import (
    DEFAULT_LIMITS,
    CompilerBusy,
    CompilerUnavailable,
    Constraint,
    ContextFree,
    Grammar,
    GrammarError,
    JsonSchema,
    Regex,
    Term,
    behind,
    structural_constraint,
)
from handlers.formats.enforce import OutputGrammar, Tool
from handlers.generation.check import AnswerCheck
from handlers.generation.ends import characters_lost, check_control_tokens
from handlers.generation.output import GrammarForm, JSONObjectForm, JSONSchemaForm, OutputPlan, RegexForm, ToolUse
from handlers.http.errors import APIError, invalid, too_many
from handlers.loaded import Compiler

logger = logging.getLogger(__name__)
FORM = "response_format"
"""What a grammar calls the form of the answer, whatever the request does: equal terms have one grammar."""


@dataclass(frozen=True)
class OutputConstraint:
    """The grammar that a request's answers must match, compiled or being compiled.

    param: the parameter that an error names if it is not about the schema of one tool. tools: those whose schemas are
    in the grammar.
    relaxed: paths of what the request asks and the grammar leaves out: schemas of tools that need not be called, and
    other parameters that have no effect for that. schema, schema_place: the JSON Schema of the content, where it has
    one, and what the grammar calls it. hint: what an error says besides. params: what the grammar calls a part of the
    request -> its path there.
    """

    grammar: Grammar
    param: str
    tools: tuple[Tool, ...] = ()
    relaxed: tuple[str, ...] = ()
    schema: Any = None
    schema_place: str = ""
    hint: str = ""
    params: Mapping[str, str] = field(default_factory=dict)

    async def ready(self) -> None:
        """Waits until the grammar is compiled; raises APIError 422 where it cannot be, 503 where nothing can."""
        try:
            await _compiled(self.grammar)
        except GrammarError as error:
            place = _place(error, self.tools)
            param = self.param if place is None else _told(place, self.params)
            raise invalid(f"{_said(error, self.params)}{self.hint}", param) from error

    @property
    def unenforced(self) -> tuple[str, ...]:
        """Paths of what the request asks and the grammar, which is compiled, does not enforce."""
        notes = self.grammar.tables.result().notes
        named = [_told(pointer, self.params) for pointer in (*notes.ignored, *notes.deferred)]
        return (*self.relaxed, *behind(self.param, named))

    def check(self) -> AnswerCheck | None:
        """What the grammar, which is compiled, leaves to be checked of a complete answer, None for nothing."""
        deferred = self.grammar.tables.result().notes.deferred
        if not deferred:
            return None
        places = {pointer.partition("#")[0] for pointer in deferred}
        return AnswerCheck(
            form=orjson.dumps(self.schema) if self.schema_place in places else None,
            tools={
                tool.told or tool.name: orjson.dumps(tool.parameters) for tool in self.tools if tool.place in places
            },
            keywords=frozenset(pointer.rpartition("/")[2] for pointer in deferred),
        )


@dataclass(frozen=True)
class ConstraintSpec:
    """What one request asks the grammar compiler for.

    constraint: what is compiled. optional: the tools whose schemas may be left out if they cannot be enforced, because
    nothing must be called.
    relaxed: paths of what is left out already.
    """

    constraint: Constraint
    optional: tuple[Tool, ...] = ()
    relaxed: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConstraintBuilder:
    """Makes the constraint on the answers of one request.

    output: what the request asks of its answers. compiler: makes grammars. client: to whose share of the compilers they
    count, None for nobody's. Schemas are written as JSON here, once, for the process that compiles.
    """

    output: OutputPlan
    compiler: Compiler
    client: str | None = None

    async def build(self) -> OutputConstraint | None:
        """The constraint, whose grammar may still be compiled; None where any text will do.

        Raises APIError 422 where a schema is too large or what must be called cannot be enforced, 429 where too many
        are being compiled. A task that ends without an answer does not wait for its grammars.
        """
        spec = await asyncio.to_thread(self.spec)
        while spec is not None:
            lost = characters_lost(self.output)
            hint = f"; tokens of {self.output.end_param} that write {lost!r} end the answer" if lost else ""
            grammar = self._compile(replace(spec.constraint, without=lost))
            schema = self.output.form.schema if isinstance(self.output.form, JSONSchemaForm) else None
            found = OutputConstraint(
                *(grammar, self._param, self.output.tool_use.tools, spec.relaxed, schema, self._form_place, hint),
                self._params,
            )
            if not spec.optional:
                return found
            try:
                await _compiled(grammar)
                return found
            except GrammarError as error:
                spec = await asyncio.to_thread(self._relax, spec, error)
        return None

    def spec(self) -> ConstraintSpec | None:
        """What to compile for all that is asked, None for any text; raises APIError 422 if that is too large."""
        if self.output.calls:
            return self._of_calls(self.output.tool_use)
        return self._of_form() or self._of_budget()

    def _of_budget(self) -> ConstraintSpec | None:
        """Any text, of which it must be known what is reasoning if that is limited."""
        budget = self.output.budget
        return None if budget is None else self._structural(self._output_grammar.any_text(), budget.param)

    # Calls

    def _of_calls(self, use: ToolUse, relaxed: tuple[str, ...] = ()) -> ConstraintSpec | None:
        if use.required:
            asked = [tool for tool in use.tools if use.only in (None, tool.name)]
            term = self._output_grammar.calls_only(asked, use.parallel and use.only is None)
            return self._structural(term, use.param)
        if not self.output.enforces_calls:
            return self._of_budget()
        grammar = self._output_grammar
        if self.output.form is None:
            term = grammar.text_with_calls(use.tools, use.parallel)
        else:
            term = grammar.calls_or(use.tools, use.parallel, self._answer())
        spec = self._structural(term, use.param)
        return replace(spec, optional=use.tools, relaxed=relaxed)

    def _relax(self, spec: ConstraintSpec, error: GrammarError) -> ConstraintSpec | None:
        """The same without the schema that the error is about, or without all where it is about them together.

        Where that was tried already, calls are left to the model. Raises APIError 422 for what must be enforced.
        """
        use, form, place = self.output.tool_use, self.output.form, _place(error, spec.optional)
        said = str(_said(error, self._params))
        if form is not None and error.pointer.partition("#")[0] == FORM:
            raise invalid(said, form.param) from error
        concerned = [tool for tool in spec.optional if place in (None, tool.place)]
        if any(tool.strict for tool in concerned):
            raise invalid(said, use.param if place is None else _told(place, self._params)) from error
        relaxed = tuple(dict.fromkeys([*spec.relaxed, *(self._params[tool.place] for tool in concerned)]))
        if relaxed == spec.relaxed and form is not None:
            raise invalid(said, form.param) from error
        if relaxed == spec.relaxed:
            text = self._structural(self._output_grammar.any_text(), use.param)
            ineffective = [*([] if use.parallel else [use.parallel_param]), *filter(None, [use.subset_param])]
            return replace(text, relaxed=(*(self._params[tool.place] for tool in spec.optional), *ineffective))
        tools = tuple(relaxed_tool(tool) if tool in concerned else tool for tool in spec.optional)
        return self._of_calls(replace(use, tools=tools), relaxed)

    # Forms

    def _of_form(self) -> ConstraintSpec | None:
        """What the form of the answer asks for, behind the reasoning where the model may reason."""
        if self.output.form is None:
            return None
        if self.output.may_reason:
            return self._structural(self._output_grammar.after_reasoning(self._answer()), self._param)
        match self.output.form:
            case GrammarForm():
                return self._structural(self._answer(), self._param)
            case JSONSchemaForm(schema=schema, strict=strict):
                with _encoding(self._param):
                    constraint = Constraint("json_schema", orjson.dumps(schema).decode(), strict=strict)
            case JSONObjectForm():
                constraint = Constraint("json_object")
            case RegexForm(pattern=regex):
                constraint = Constraint("regex", regex)
        return ConstraintSpec(_checked(constraint, self._param))

    def _answer(self) -> Term:
        """The form of the answer, where it is a part of a whole."""
        form, place = self.output.form, self._form_place
        match form:
            case JSONSchemaForm(schema=schema, strict=strict):
                return JsonSchema(schema, place, strict=strict)
            case RegexForm(pattern=regex):
                return Regex(regex)
            case GrammarForm(grammar=grammar, syntax=syntax, max_recursion=levels):
                return ContextFree(grammar, FORM, syntax, levels)
            case _:
                return JsonSchema({"type": "object"}, place)

    @property
    def _form_place(self) -> str:
        """What the grammar calls the schema of the form: nothing but where there are schemas of tools too."""
        return FORM if self.output.form is not None and self.output.calls else ""

    @property
    def _params(self) -> dict[str, str]:
        """What the grammar calls a part of the request -> its path there."""
        params = {tool.place: tool.param or tool.place for tool in self.output.tool_use.tools}
        return params if self.output.form is None else {**params, FORM: self.output.form.param}

    @property
    def _output_grammar(self) -> OutputGrammar:
        output = self.output
        limited = output.budget is not None
        return OutputGrammar(output.format, output.spell, output.opened, output.closed, limited)

    @property
    def _param(self) -> str:
        """What errors name that are not about the schema of one tool."""
        if self.output.calls:
            return self.output.tool_use.param
        asked = self.output.form or self.output.budget
        return self.output.tool_use.param if asked is None else asked.param

    def _structural(self, term: Term, param: str) -> ConstraintSpec:
        """param: what errors name."""
        check_control_tokens(term, self.output)
        with _encoding(param):
            constraint = structural_constraint(term)
        return ConstraintSpec(_checked(constraint, param))

    def _compile(self, constraint: Constraint) -> Grammar:
        try:
            grammar = self.compiler.compile(constraint, self.client)
        except CompilerBusy as error:
            message = "the server is compiling as many schemas as it can, of all clients or of this one"
            raise too_many(message, "compiler_busy", error.retry_after) from error
        _released_with_its_task(grammar)
        return grammar


async def _compiled(grammar: Grammar) -> None:
    """Waits for the tables; whoever stops waiting releases them. Raises GrammarError, APIError 503."""
    try:
        await asyncio.wrap_future(grammar.tables)
    except CompilerUnavailable as error:
        logger.error("no grammar can be compiled: %s", error)
        message = "the server cannot compile schemas now; try again in a few seconds"
        raise APIError(503, message, code="compiler_unavailable", headers={"Retry-After": "5"}) from error
    except asyncio.CancelledError:
        grammar.release()
        raise


def _released_with_its_task(grammar: Grammar) -> None:
    """Between being asked for and waited for there is more to be done, which may fail or be cancelled."""

    def release(task: asyncio.Task[Any]) -> None:
        if task.cancelled() or task.exception() is not None:
            grammar.release()

    task = asyncio.current_task()
    if task is not None:
        task.add_done_callback(release)


def relaxed_tool(tool: Tool) -> Tool:
    """The tool with any values as its arguments."""
    return replace(tool, parameters=any_arguments(tool), texts=())


def any_arguments(tool: Tool) -> dict[str, Any]:
    """A JSON schema of objects with the tool's argument names and any values, which every syntax of calls can write."""
    known = tool.parameters.get("properties") if isinstance(tool.parameters, dict) else None
    names = known if isinstance(known, dict) else {}
    return {"type": "object", "properties": {name: {} for name in names}, "additionalProperties": True}


def _told(pointer: str, params: Mapping[str, str]) -> str:
    """A place in the grammar, and what stands behind it, by its path in the request."""
    place = pointer.partition("#")[0]
    known = next((own for own in params if place == own or place.startswith(f"{own}.")), None)
    return pointer if known is None else params[known] + pointer.removeprefix(known)


def _said(error: GrammarError, params: Mapping[str, str]) -> GrammarError:
    """The same in the words of the request."""
    return GrammarError(error.message, _told(error.pointer, params))


def _place(error: GrammarError, tools: tuple[Tool, ...]) -> str | None:
    """What the grammar calls the tool's schema that the error is about, None where it is about no one's."""
    place = error.pointer.partition("#")[0]
    return place if any(tool.place == place for tool in tools) else None


@contextmanager
def _encoding(param: str) -> Iterator[None]:
    """Raises APIError 422 where what `param` holds is nested too deeply to be written as JSON."""
    try:
        yield
    except (RecursionError, orjson.JSONEncodeError) as error:
        raise invalid(f"{param} is nested too deeply", param) from error


def _checked(constraint: Constraint, param: str) -> Constraint:
    size, most = len(constraint.text.encode()), DEFAULT_LIMITS.schema_bytes
    if size > most:
        raise invalid(f"{param} has {size} bytes, but may have {most}", param)
    return constraint
