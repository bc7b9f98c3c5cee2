"""The compilers that are compared, each in a process of its own that does one schema at a time."""

import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import TimeoutError as Late
from dataclasses import dataclass
from typing import Any, Protocol

from pebble import ProcessExpired, ProcessPool

from tests.backend.grammar.vocabularies import Vocabulary, vocabulary

SIDES = ("jaxchat", "llguidance", "xgrammar")
WARM_UP = json.dumps({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}})


class Refused(Exception):
    """The side does not support the schema."""


class Side(Protocol):
    """Compiles JSON Schemas for one vocabulary; objects are open where the standard says so."""

    def compile(self, schema: str) -> Any:
        """What the schema becomes. Raises Refused."""

    def accepts(self, compiled: Any, text: str) -> bool:
        """Whether the text is a whole word of the language."""

    def size(self, compiled: Any) -> int:
        """Bytes that it takes by the side's own account, 0 where it gives none."""


@dataclass(frozen=True)
class Outcome:
    """One schema on one side. seconds: wall time of the compilation, None where it took longer than allowed.

    refused: why, where it was refused. good, bad: conforming and violating instances that were accepted.
    """

    seconds: float | None
    refused: str = ""
    good: int = 0
    bad: int = 0
    size: int = 0


class Jaxchat:
    """Ours. The vocabulary has no part in it."""

    def __init__(self, _: Vocabulary) -> None:
        from backend.grammar import Constraint, GrammarError
        from backend.grammar.automaton.run import Runner
        from backend.grammar.compile import compile_constraint

        self._compile, self._constraint, self._error, self._runner = (
            compile_constraint,
            Constraint,
            GrammarError,
            Runner,
        )

    def compile(self, schema: str) -> Any:
        try:
            return self._compile(self._constraint("json_schema", schema, open_objects=True))
        except self._error as error:
            raise Refused(str(error)) from error

    def accepts(self, compiled: Any, text: str) -> bool:
        return self._runner(compiled).accepts(text.encode("utf-8", "surrogatepass"))

    def size(self, compiled: Any) -> int:
        return compiled.nbytes


@dataclass
class Wrapped:
    """A vocabulary as llguidance wants it: bytes to ids."""

    vocabulary: Vocabulary

    def __post_init__(self) -> None:
        self.eos_token_id, self.bos_token_id = self.vocabulary.end, None
        self.tokens, self.special_token_ids = list(self.vocabulary.tokens), self.vocabulary.special

    def __call__(self, text: bytes) -> list[int]:
        return self.vocabulary.encode(text.decode())


class LLGuidance:
    """llguidance: lazy, so that a part of its work is done while tokens are drawn."""

    def __init__(self, words: Vocabulary) -> None:
        import llguidance

        self._library = llguidance
        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(Wrapped(words)))

    def compile(self, schema: str) -> Any:
        if not isinstance(json.loads(schema), dict):
            raise Refused("a schema that is no object")
        matcher = self._library.LLMatcher(
            self.tokenizer, self._library.LLMatcher.grammar_from_json_schema(schema), log_level=0
        )
        if matcher.is_error():
            raise Refused(matcher.get_error())
        return matcher

    def accepts(self, compiled: Any, text: str) -> bool:
        matcher = compiled.deep_copy()
        ids = self.tokenizer.tokenize_str(text)
        return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()

    def size(self, compiled: Any) -> int:
        return 0


class XGrammar:
    """xgrammar with all cores, any whitespace, and objects as open as the schema says."""

    def __init__(self, words: Vocabulary) -> None:
        import xgrammar

        self._library = xgrammar
        info = xgrammar.TokenizerInfo(list(words.tokens), vocab_size=len(words.tokens), stop_token_ids=[words.end])
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=multiprocessing.cpu_count(), cache_enabled=False)

    def compile(self, schema: str) -> Any:
        try:
            return self._compiler.compile_json_schema(schema, strict_mode=False)
        except RuntimeError as error:
            raise Refused(str(error)) from error

    def accepts(self, compiled: Any, text: str) -> bool:
        matcher = self._library.GrammarMatcher(compiled)
        return matcher.accept_string(text) and matcher.is_completed()

    def size(self, compiled: Any) -> int:
        return compiled.memory_size_bytes


MAKERS: dict[str, Callable[[Vocabulary], Side]] = {"jaxchat": Jaxchat, "llguidance": LLGuidance, "xgrammar": XGrammar}


class Worker:
    """One side in its own process, which is replaced where a schema takes longer than `limit` seconds."""

    def __init__(self, name: str, vocabulary_name: str, limit: float) -> None:
        self._limit = limit
        self._pool = ProcessPool(
            1, initializer=_start, initargs=(name, vocabulary_name), context=multiprocessing.get_context("spawn")
        )
        self._pool.schedule(_compile, args=(WARM_UP, (), ())).result()

    def compile(self, schema: str, conforming: tuple[Any, ...], violating: tuple[Any, ...]) -> Outcome:
        """Compile, and try the instances."""
        try:
            return self._pool.schedule(_compile, args=(schema, conforming, violating), timeout=self._limit).result()
        except Late:
            return Outcome(None)
        except ProcessExpired as expired:
            return Outcome(None, f"the process ended with {expired.exitcode}")

    def close(self) -> None:
        """End the process."""
        self._pool.stop()
        self._pool.join()


_side: Side


def _start(name: str, vocabulary_name: str) -> None:
    global _side
    _side = MAKERS[name](vocabulary(vocabulary_name))


def _compile(schema: str, conforming: tuple[Any, ...], violating: tuple[Any, ...]) -> Outcome:
    began = time.perf_counter()
    try:
        compiled = _side.compile(schema)
    except Refused as refused:
        return Outcome(time.perf_counter() - began, str(refused))
    seconds = time.perf_counter() - began
    good, bad = (
        sum(_side.accepts(compiled, json.dumps(value, ensure_ascii=False, separators=(",", ":"))) for value in values)
        for values in (conforming, violating)
    )
    return Outcome(seconds, "", good, bad, _side.size(compiled))
