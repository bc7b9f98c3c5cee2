"""A grammar that may recur in any way -> one whose recursion is a repetition or stands in brackets, or a refusal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.syntax import Alternation, Chars, Node, Repeat
from backend.grammar.chars.syntax import Sequence as InSequence
from backend.grammar.context_free.automata import automaton_of, deterministic
from backend.grammar.context_free.brackets import Pair, bracketed, choices, spliced
from backend.grammar.context_free.components import components, recursive
from backend.grammar.context_free.definitions import Definition, Grammar, letter, references, referred
from backend.grammar.context_free.regular import regular_languages
from backend.grammar.errors import GrammarError
from backend.grammar.limits import Limits

Avoided = frozenset[tuple[int | None, int | None]]
"""Opening (or closing) characters that can be read in two ways, each with None for the other of its pair."""


@dataclass(frozen=True)
class Resolved:
    """A grammar without recursion but through containers.

    languages: of the definitions that are not schemas, as far as the start leads to them, by number; letters refer.
    undecided: whether other pairs of brackets could do as well.
    """

    grammar: Grammar
    languages: dict[int, CharDfa]
    undecided: bool


def resolve(grammar: Grammar, limits: Limits, unrolled: int = 0, avoided: Avoided = frozenset()) -> Resolved:
    """See `context_free.build`. Raises GrammarError, which names the rule, for recursion that no automaton follows."""
    edges = _edges(grammar)
    ordered = components(edges, [grammar.start])
    circular = {member for component in ordered if recursive(component, edges) for member in component}
    original = spliced(grammar, [member for component in ordered for member in component], circular)
    pairs: dict[Pair, None] = {}
    undecided = False
    while True:
        found = bracketed(original, tuple(pairs), circular)
        languages, failing = _languages(found, limits)
        if not failing:
            return Resolved(found, languages, undecided)
        more: dict[Pair, None] = {}
        for component in failing:
            for several in choices(found, component):
                possible = [pair for pair in several if not _is_avoided(pair, avoided)]
                undecided = undecided or len(several) > 1
                more.update(dict.fromkeys(possible[:1]))
        if more.keys() <= pairs.keys():
            if not unrolled:
                raise GrammarError(_why(found, failing[0]))
            for component in failing:
                found = _unroll(found, component, unrolled)
            return Resolved(found, _languages(found, limits)[0], undecided)
        pairs |= more


def _is_avoided(pair: Pair, avoided: Avoided) -> bool:
    return (pair[0], None) in avoided or (None, pair[1]) in avoided


def _edges(grammar: Grammar) -> list[list[int]]:
    return [list(dict.fromkeys(references(definition.body))) for definition in grammar.definitions]


def _outside_containers(grammar: Grammar) -> tuple[list[list[int]], list[int]]:
    """Where definitions lead but into containers; the start, and the containers to which it leads."""
    edges = _edges(grammar)
    inside = {number for number, own in enumerate(grammar.definitions) if own.brackets is not None}
    known = [member for found in components(edges, [grammar.start]) for member in found]
    plain = [[to for to in after if to not in inside] for after in edges]
    return plain, [grammar.start, *(number for number in known if number in inside)]


def _languages(grammar: Grammar, limits: Limits) -> tuple[dict[int, CharDfa], list[list[int]]]:
    """The languages of definitions, and the components that have none."""
    edges, starts = _outside_containers(grammar)
    languages: dict[int, CharDfa] = {}
    failing: list[list[int]] = []
    for component in components(edges, starts):
        if not recursive(component, edges):
            definition = grammar.definitions[component[0]]
            if not definition.is_schema:
                languages[component[0]] = deterministic(automaton_of(definition, limits), definition, limits)
        elif (regular := regular_languages(grammar, component, languages, limits)) is not None:
            languages |= regular
        else:
            failing.append(component)
    return languages, failing


def _why(grammar: Grammar, component: Sequence[int]) -> str:
    first = min((grammar.definitions[member] for member in component), key=lambda own: own.line)
    names = sorted({grammar.definitions[member].name for member in component} - {first.name})
    through = f" by way of {', '.join(names)}" if names else ""
    return (
        f"{first.called} contains itself{through} in a way that no automaton with a stack of brackets follows; "
        "let it repeat on one side only, or write the inner one between an opening and a closing ASCII character that "
        "can be nothing else there, such as '(' and ')'; or allow so many levels of it with max_recursion"
    )


def _unroll(grammar: Grammar, component: Sequence[int], times: int) -> Grammar:
    """The strings for which members of the component lead back to it at most so often, one inside the other."""
    found = Grammar(list(grammar.definitions), grammar.start)
    inner: dict[int, Node] = {member: Chars(()) for member in component}
    for _ in range(times):
        bodies = {member: _replaced(grammar.definitions[member].body, inner) for member in component}
        inner = {member: letter(found.add(_with_body(grammar, member, body))) for member, body in bodies.items()}
    for number, definition in enumerate(list(found.definitions[: len(grammar.definitions)])):
        found.definitions[number] = replace(definition, body=_replaced(definition.body, inner))
    return found


def _with_body(grammar: Grammar, member: int, body: Node) -> Definition:
    return replace(grammar.definitions[member], body=body)


def _replaced(node: Node, inner: dict[int, Node]) -> Node:
    """`node` with other trees for some of its references."""
    match node:
        case Chars(ranges):
            number = referred(ranges)
            return node if number is None else inner.get(number, node)
        case InSequence(parts):
            return InSequence(_all_replaced(parts, inner))
        case Alternation(parts):
            return Alternation(_all_replaced(parts, inner))
        case Repeat(part, low, high):
            return Repeat(_replaced(part, inner), low, high)
    return node


def _all_replaced(parts: Iterable[Node], inner: dict[int, Node]) -> tuple[Node, ...]:
    return tuple(_replaced(part, inner) for part in parts)
