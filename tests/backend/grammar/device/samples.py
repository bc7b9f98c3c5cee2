"""What these tests share: a small vocabulary, grammars of every kind, and rows walked on device and host."""

import random
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.encoding import Ranges
from backend.grammar.automaton.graph import Graph, Rule
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.run import Configuration, Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.chars.parse import pattern
from backend.grammar.device import state, step
from backend.grammar.device.arena import Arena, ArenaFull
from backend.grammar.device.mask_cache import TokenMaskCache, empty_cache
from backend.grammar.device.state import DEPTH, GrammarState
from backend.grammar.device.vocabulary import Vocabulary, build_vocabulary
from backend.grammar.schema.writing import layout

END = 0
SPECIAL = 3


def small_vocabulary(seed: int = 0) -> list[bytes]:
    """Special tokens, all bytes, pieces of JSON, several brackets at once, parts of characters, long runs, doubles."""
    rng = random.Random(seed)
    pieces = [
        b'"',
        b'":',
        b'", "',
        b'", ',
        b'{"',
        b'"}',
        b'"}]',
        b"[[",
        b"[[[",
        b"]]",
        b"}}",
        b"]}]}",
        b"},{",
        b"[]",
        b"[{",
        b"{}",
    ]
    pieces += [
        b'"a',
        b'a"',
        b'"a":',
        b'"a":[',
        b'{"a":',
        b"null",
        b"tru",
        b"e}",
        b"true]",
        b"ll",
        b'\\"',
        b"\\n",
        b"\\u00",
    ]
    pieces += [
        "é".encode(),
        "é".encode()[:1] + b"",
        "日本".encode(),
        "日本".encode()[1:],
        b"a\xe6\x97",
        b"\xa5b",
        "🐢".encode()[2:],
    ]
    pieces += [b"a" * n for n in (2, 3, 5, 8, 16, 17, 23, 40)] + [b'"' + b"b" * 20 + b'"', b" " * 19, b"ab" * 9 + b"]"]
    pieces += [bytes(rng.choices(b'ab"[]{},:1 \n', k=rng.randint(2, 6))) for _ in range(200)]
    tokens = [bytes([i]) for i in range(256)] + pieces + [b'"a', b"[["]
    rng.shuffle(tokens)
    return [b""] * SPECIAL + tokens + [b""]


def tables_of(graph: Graph, root: Rule) -> AutomatonTables:
    """The tables of a graph, checked."""
    tables = assemble(PushdownAutomaton(graph, root))
    tables.check()
    return tables


def random_grammar(rng: random.Random) -> AutomatonTables:
    """A few values of each other's kinds: recursive containers, counted strings, literals, choices."""
    graph = Graph()
    containers = [graph.container(brackets, laid_out=True) for brackets in (b"[]", b"{}", b"[]")]
    for container in containers:
        _fill_container(graph, container, containers, rng)
    root = graph.rule()
    _value(graph, root.start, root.end, containers, rng)
    return tables_of(graph, root)


def _fill_container(graph: Graph, container: Rule, containers: list[Rule], rng: random.Random) -> None:
    first, after = layout.opening(graph, container, True), graph.node()
    if rng.random() < 0.7:
        layout.end_empty(graph, container)
    if container.open == ord("{"):
        before, first = first, graph.node()
        graph.epsilon(layout.introduction(graph, graph.literal(before, b'"a"'), b":", True), first)
    _value(graph, first, after, containers, rng)
    closing = layout.closing(graph, container, True)
    graph.epsilon(after, closing)
    if rng.random() < 0.7:
        limit, last = rng.choice([0, 1, 4, 30]), graph.node()
        again = layout.separator(graph, after, b",", True, limit=limit, reached=last if limit else None)
        graph.epsilon(again, first)
        _value(graph, last, closing, containers, rng)


WORDS = [pattern(text) for text in (r"^[^\s\d]*$", "^(a|b{2}|é{3})*$", r'^[a-z"]+( [A-Zé]{2,3})*$')]
"""Languages whose texts are bounded in samples: any beginning, ways of some length to the end, and escapes."""


def _value(graph: Graph, a: int, b: int, containers: list[Rule], rng: random.Random) -> None:
    for _ in range(rng.randint(1, 3)):
        kind = rng.randrange(5)
        if kind == 0:
            graph.literal(a, rng.choice([b"null", b"true", b"1", b'"a"', b'"b["']), b)
        elif kind == 1:
            least = rng.choice([0, 0, 1, 3, 20])
            most = rng.choice([None, least + 4, least + 7, least + 60, least + 500])
            graph.string(a, rng.choice([None, *WORDS]), b, least, most)
        elif kind == 2:
            graph.string(a, None, b)
        else:
            graph.enter(a, rng.choice(containers), b)
    graph.literal(a, b"0", b)


def nested_lists(before_the_end: bytes = b"") -> AutomatonTables:
    """Lists of lists to any depth; what a list ends with."""
    graph = Graph()
    root, array, item, last = graph.rule(), graph.container(b"[]"), graph.node(), graph.node()
    graph.enter(root.start, array, root.end)
    graph.epsilon(array.start, last)
    graph.enter(array.start, array, item)
    graph.literal(item, b",", array.start)
    graph.epsilon(item, last)
    graph.literal(last, before_the_end, array.end)
    return tables_of(graph, root)


def nested_objects() -> AutomatonTables:
    """Objects of objects to any depth: after a name there must be one more."""
    graph = Graph()
    root, thing, item = graph.rule(), graph.container(b"{}"), graph.node()
    graph.enter(root.start, thing, root.end)
    graph.epsilon(thing.start, thing.end)
    first = graph.literal(thing.start, b'"a":')
    graph.enter(first, thing, item)
    graph.literal(item, b',"a":', first)
    graph.epsilon(item, thing.end)
    return tables_of(graph, root)


def lists_of_one_string(letters: Ranges) -> AutomatonTables:
    """A list of a list or a string of those letters; after the string there may be a comma, and then one more list."""
    graph = Graph()
    root, array, body, quoted = graph.rule(), graph.container(b"[]"), graph.node(), graph.node()
    graph.enter(root.start, array, root.end)
    graph.enter(array.start, array, array.end)
    graph.literal(array.start, b'"', body)
    graph.characters(body, letters, body)
    graph.literal(body, b'"', quoted)
    graph.epsilon(quoted, array.end)
    graph.enter(graph.literal(quoted, b", "), array, array.end)
    return tables_of(graph, root)


def counted(least: int, most: int | None) -> AutomatonTables:
    """One string of that many characters."""
    graph = Graph()
    root = graph.rule()
    graph.string(root.start, None, root.end, least, most)
    return tables_of(graph, root)


def brackets_as_text() -> AutomatonTables:
    """Brackets, letters and spaces in any order: no containers."""
    graph = Graph()
    root = graph.rule()
    for byte in b"[]{}ab ":
        graph.edge(root.start, byte, byte, root.start)
    graph.literal(root.start, b"null", root.end)
    return tables_of(graph, root)


class Walk:
    """Rows that draw tokens on the device and, beside it, on the host. A row without tables has no grammar.

    pool: masks that are remembered; 0 for none: then all is done by the kernels of a GPU.
    """

    def __init__(self, tokens: Sequence[bytes], rows: Sequence[AutomatonTables | None], pool: int = 300) -> None:
        self.tokens, self.vocabulary = tokens, jax.device_put(build_vocabulary(tokens))
        self.arena = Arena(1 << 17)
        self.cache: TokenMaskCache | None = new_cache(self.vocabulary, pool) if pool else None
        self.active = jnp.ones(len(rows), bool)
        self._start(rows)

    def _start(self, rows: Sequence[AutomatonTables | None]) -> None:
        self.runners = [None if tables is None else Runner(tables, DEPTH) for tables in rows]
        self.at: list[Configuration | None] = [runner and runner.start for runner in self.runners]
        is_end = np.zeros(len(self.tokens), bool)
        is_end[END] = True
        placements = [None if tables is None else self.arena.acquire(id(tables), tables) for tables in rows]
        of_rows = [state.row(placement, is_end, self.vocabulary.words) for placement in placements]
        self.rows: GrammarState = jax.tree.map(lambda *x: jnp.stack(x), *of_rows)

    def replace(self, tables: AutomatonTables) -> AutomatonTables:
        """Give all rows another grammar, in an arena from which every other one was dropped."""
        for key in [key for key, resident in self.arena._resident.items() for _ in range(resident.ref_count)]:
            self.arena.release(key)
        with pytest.raises(ArenaFull):
            self.arena._make_room(self.arena.cells.size)
        self._start([tables] * len(self.at))
        return tables

    def device_mask(self) -> np.ndarray:
        """bool [B, V]."""
        self.cache, bits = _allowed(self.arena.cells, self.vocabulary, self.cache, self.rows, self.active)
        return np.asarray(step.apply_mask(jnp.zeros((len(self.at), len(self.tokens))), bits)) == 0

    def host_mask(self) -> np.ndarray:
        """bool [B, V]: each token run byte by byte."""
        return np.asarray([self._host_row(row) for row in range(len(self.at))])

    def _host_row(self, row: int) -> list[bool]:
        runner, at = self.runners[row], self.at[row]
        if runner is None:
            return [True] * len(self.tokens)
        return [
            runner.complete(at) if id == END else token != b"" and runner.run(token, at) is not None
            for id, token in enumerate(self.tokens)
        ]

    def draw(self, tokens: Sequence[int]) -> None:
        """One token for each row; END leaves a row where it is."""
        for row, (runner, token) in enumerate(zip(self.runners, tokens, strict=True)):
            if runner is not None:
                self.at[row] = runner.run(self.tokens[token], self.at[row])
        given = self.rows, self.active, jnp.asarray(tokens, jnp.int32)
        self.rows = _advance(self.arena.cells, self.vocabulary, *given, self.cache is None)

    def finished(self) -> list[bool]:
        """Of each row, on the device."""
        return np.asarray(step.finished(self.arena.cells, self.rows)).tolist()


def new_cache(vocabulary: Vocabulary, pool: int) -> TokenMaskCache:
    """An empty cache of `pool` rows."""
    return empty_cache(pool, vocabulary.words, step.key_size(vocabulary), buckets=64)


_allowed = partial(jax.jit, donate_argnums=2)(step.allowed_tokens)
_advance = jax.jit(step.advance, static_argnums=5)
