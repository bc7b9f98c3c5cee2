"""A grammar over bytes as a recursive transition network: what the front ends write and the automaton is made from.

Nodes are integers. A rule is a piece of network that may be called from several places; a container is a rule whose
strings stand between two brackets, and the only kind that may recur. Everything may be nondeterministic.
"""

from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from backend.grammar.alphabet import COMPLETE, Alphabet
from backend.grammar.automaton.counting import Counting
from backend.grammar.automaton.encoding import ByteTree, encode_ranges
from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.lengths import has_length
from backend.grammar.chars.ranges import SCALARS, Ranges
from backend.grammar.errors import GrammarError

QUOTE = ord('"')
RESET = -1
MAX_NODES = 400_000
WATCHES = "a node that counts to a limit watches for it"
NAMED = 4
"""Characters that an error names."""


class Edge(NamedTuple):
    """Bytes low..high lead to `target`.

    limit: 0 for an ordinary edge. RESET: the count of characters starts at 0. Positive: the byte begins a character,
    which is counted, and where the count becomes `limit` the edge leads to `reached` instead.
    """

    low: int
    high: int
    target: int
    limit: int = 0
    reached: int = -1


class Separator(NamedTuple):
    """A byte between two items, or between a name and its value, after which the layout says what is next.

    targets: where the layout is compact, spaced, flat, indented. limit: -1 where no item is counted; 0 where it is, but
    the count does not matter; positive: where the count becomes `limit`, `reached` are the targets instead.
    """

    byte: int
    targets: tuple[int, int, int, int]
    limit: int = -1
    reached: tuple[int, int, int, int] = (-1, -1, -1, -1)

    @property
    def leads_to(self) -> tuple[int, ...]:
        """All nodes to which it may lead."""
        return self.targets + self.reached if self.limit > 0 else self.targets


class Indentation(NamedTuple):
    """A line break (`resets`) or a space of the indentation of an item, or of the closing bracket if `closing`.

    `reached` is where it ends, `same` where more spaces must follow.
    """

    byte: int
    closing: bool
    resets: bool
    same: int
    reached: int

    @property
    def leads_to(self) -> tuple[int, ...]:
        """All nodes to which it may lead."""
        return self.same, self.reached


class Loosening(NamedTuple):
    """A byte that makes the layout the next one."""

    byte: int
    target: int

    @property
    def leads_to(self) -> tuple[int, ...]:
        """All nodes to which it may lead."""
        return (self.target,)


LayoutEdge = Separator | Indentation | Loosening


@dataclass(frozen=True)
class Rule:
    """A piece of network from `start` to `end`. open, close: the brackets of a container, None for a plain rule.

    place: what it was made from, as a JSON pointer. name: what errors call a container, "" for those of JSON.
    Of a container: opened, indented: where it starts if nothing of the layout is decided yet, and if it is indented;
    flat_end: where it ends unless it is indented.
    """

    index: int
    start: int
    end: int
    open: int | None = None
    close: int | None = None
    place: str = ""
    name: str = ""
    opened: int = -1
    indented: int = -1
    flat_end: int = -1

    @property
    def starts(self) -> tuple[int, int, int]:
        """The first nodes where the layout is open, flat, indented."""
        return self.opened, self.start, self.indented


@dataclass
class Graph:
    """Lists by node: edges, silent moves, calls of plain rules and entries of containers (rule, node after it); and the
    edges by layout, of nodes that have any.

    alphabet: what can be written; moves that need anything else are in `lacking` instead.
    limits: for a node inside a counted string the count of characters that it watches for, else 0; INDENTATION or one
    less for a node inside the indentation of an item or a closing bracket.
    in_reasoning: the nodes at which what is being written is reasoning.
    lacking: by node, what cannot be written there (for ranges their first characters) and where it would lead.
    """

    alphabet: Alphabet = COMPLETE
    edges: list[list[Edge]] = field(default_factory=list)
    epsilons: list[list[int]] = field(default_factory=list)
    calls: list[list[tuple[Rule, int]]] = field(default_factory=list)
    enters: list[list[tuple[Rule, int]]] = field(default_factory=list)
    layouts: dict[int, list[LayoutEdge]] = field(default_factory=dict)
    limits: list[int] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    in_reasoning: set[int] = field(default_factory=set)
    lacking: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    _strings: dict[tuple[CharDfa | None, int, int | None], Rule] = field(default_factory=dict)
    _inside: dict[tuple[int, ByteTree], int] = field(default_factory=dict)

    def node(self, limit: int = 0) -> int:
        """A new node. Raises GrammarError beyond MAX_NODES."""
        if len(self.edges) >= MAX_NODES:
            raise GrammarError(f"the grammar needs more than {MAX_NODES} nodes")
        self.edges.append([])
        self.epsilons.append([])
        self.calls.append([])
        self.enters.append([])
        self.limits.append(limit)
        return len(self.edges) - 1

    def rule(self, place: str = "") -> Rule:
        """A plain rule, empty until edges are added from its start to its end."""
        return self._added(Rule(len(self.rules), self.node(), self.node(), place=place))

    def container(self, brackets: bytes, place: str = "", name: str = "", laid_out: bool = False) -> Rule:
        """A rule whose strings stand between the two `brackets`, such as b"{}". place, name: those of the rule.

        laid_out: the layout says how it starts and ends; otherwise it does so in one way.
        """
        start, end = self.node(), self.node()
        opened, indented, flat_end = (self.node(), self.node(), self.node()) if laid_out else (start, start, end)
        opening, closing = brackets
        at = len(self.rules)
        return self._added(Rule(at, start, end, opening, closing, place, name, opened, indented, flat_end))

    def _added(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def edge(self, a: int, low: int, high: int, b: int) -> None:
        """Each byte in low..high leads from a to b, whether or not it can be written."""
        self.edges[a].append(Edge(low, high, b))

    def lay_out(self, a: int, *edges: LayoutEdge) -> None:
        """Edges by layout lead on from a; those of them whose byte can be written."""
        for edge in edges:
            if self.can_write(a, bytes([edge.byte]), edge.leads_to[0]):
                self.layouts.setdefault(a, []).append(edge)

    def epsilon(self, a: int, b: int) -> None:
        """A silent move from a to b."""
        self.epsilons[a].append(b)

    def call(self, a: int, rule: Rule, b: int) -> None:
        """A string of a plain rule leads from a to b."""
        assert rule.open is None
        self.calls[a].append((rule, b))

    def enter(self, a: int, rule: Rule, b: int) -> None:
        """A string of a container, brackets included, leads from a to b."""
        assert rule.open is not None and rule.close is not None
        if self.can_write(a, bytes([rule.open, rule.close]), b):
            self.enters[a].append((rule, b))

    def can_write(self, a: int, text: bytes, b: int) -> bool:
        """Whether `text` can be written, which is to lead from a to b; that is noted where it cannot."""
        lacking = self.alphabet.lacking(text)
        if lacking:
            self.lacking.setdefault(a, []).append((lacking, b))
        return not lacking

    def literal(self, a: int, text: bytes, b: int | None = None) -> int:
        """The bytes of `text` lead from a to b (a new node if None), which is returned; nothing if they cannot be
        written."""
        last = len(text) - 1
        if last < 0:
            if b is None:
                return a
            self.epsilon(a, b)
            return b
        if not self.alphabet.complete:
            b = self.node() if b is None else b
            if not self.can_write(a, text, b):
                return b
        for byte in text[:last]:
            after = self.node()
            self.edges[a].append(Edge(byte, byte, after))
            a = after
        after = self.node() if b is None else b
        self.edges[a].append(Edge(text[last], text[last], after))
        return after

    def characters(
        self, a: int, ranges: Ranges, b: int, escape: bool = True, limit: int = 0, reached: int | None = None
    ) -> None:
        """One character of `ranges` leads from a to b: in UTF-8, escaped as JSON strings want it if `escape`; nothing
        if none of them can be written.

        limit, reached: as of an edge, for the byte that begins the character.
        """
        assert limit <= 0 or limit == self.limits[a], WATCHES
        tree = encode_ranges(ranges, escape, self.alphabet)
        if ranges and not tree.branches:
            first = "".join(map(chr, islice((code for low, high in ranges for code in range(low, high + 1)), NAMED)))
            self.lacking.setdefault(a, []).append((first, b))
        for firsts, rest in tree.branches:
            after, full = self._to(b, rest), -1 if reached is None else self._to(reached, rest)
            self.edges[a].extend([Edge(low, high, after, limit, full) for low, high in firsts])

    def character(self, a: int, code: int, b: int, limit: int = 0, reached: int | None = None) -> None:
        """The ASCII character of this code, if it can be written, leads from a to b. See `characters`."""
        assert limit <= 0 or limit == self.limits[a], WATCHES
        if self.can_write(a, bytes((code,)), b):
            self.edges[a].append(Edge(code, code, b, limit, -1 if reached is None else reached))

    def embed(
        self, a: int, language: CharDfa, b: int, escape: bool = True, least: int = 0, most: int | None = None
    ) -> None:
        """A string of `language`, of `least` to `most` characters, leads from a to b. The states do not grow with
        `least` and `most`; the first character, which is not counted, resets the count."""
        if least or most is not None:
            self._embed_counted(a, language, b, escape, least, most, resets=True)
            return
        nodes = [self.node() for _ in language.next]
        self.epsilon(a, nodes[0])
        for state, node in enumerate(nodes):
            for ranges, target in language.edges(state):
                self.characters(node, ranges, nodes[target], escape)
            if language.accept[state]:
                self.epsilon(node, b)

    def string(self, a: int, content: CharDfa | None, b: int, least: int = 0, most: int | None = None) -> None:
        """A JSON string of `least` to `most` characters leads from a to b. content: what it may say, None for anything.
        The states do not grow with `least` and `most`."""
        rule = self._strings.get((content, least, most))
        if rule is None:
            rule = self._strings[content, least, most] = self.rule()
            body, end = self.node(), self.node()
            counts = least > 0 or most is not None
            self.character(rule.start, QUOTE, body, RESET if counts else 0)
            if counts:
                self._embed_counted(body, content or CharDfa.any_string(), end, True, least, most, resets=False)
            elif content is None:
                self.characters(body, SCALARS, body)
                end = body
            else:
                self.embed(body, content, end)
            self.character(end, QUOTE, rule.end)
        self.call(a, rule, b)

    def _embed_counted(
        self, a: int, language: CharDfa, b: int, escape: bool, least: int, most: int | None, resets: bool
    ) -> None:
        """`embed` with bounds. resets: the first character resets the count; otherwise that is 0 at a."""
        places = Counting(language, least, most, lambda ranges: self._writes(ranges, escape), resets).places
        nodes = [self.node(place.limit) for place in places]
        for number, (node, place) in enumerate(zip(nodes, places, strict=True)):
            limit = RESET if resets and number == 0 else place.limit
            for ranges, same, reached in place.moves:
                full = None if reached is None or limit <= 0 else nodes[reached]
                self.characters(node, ranges, nodes[same], escape, limit, full)
            if place.accepts:
                self.epsilon(node, b)
        if nodes:
            self.epsilon(a, nodes[0])
        elif not self.alphabet.complete and has_length(language, least, most):
            edges = (edge for state in range(len(language)) for edge in language.edges(state))
            missing = {chr(ranges[0][0]) for ranges, _ in edges if not self._writes(ranges, escape)}
            self.lacking.setdefault(a, []).append(("".join(sorted(missing)), b))

    def _writes(self, ranges: Ranges, escape: bool) -> bool:
        """Whether one of these characters can be written."""
        return self.alphabet.complete or bool(encode_ranges(ranges, escape, self.alphabet).branches)

    def _to(self, b: int, rest: ByteTree) -> int:
        """The node from which the rest of a character leads to b; shared by all characters that have the same rest."""
        if not rest.branches:
            return b
        node = self._inside.get((b, rest))
        if node is None:
            node = self._inside[b, rest] = self.node(self.limits[b])
            for bytes_, after in rest.branches:
                target = self._to(b, after)
                self.edges[node].extend([Edge(low, high, target) for low, high in bytes_])
        return node
