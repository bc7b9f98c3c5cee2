"""A scan against a search in the text read so far, after every byte."""

from hypothesis import given
from hypothesis import strategies as st

from backend.grammar.automaton.assemble import assemble
from backend.grammar.automaton.graph import Graph
from backend.grammar.automaton.pushdown import PushdownAutomaton
from backend.grammar.automaton.run import Runner
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.structural.scan import write_scan

ALPHABET = st.sampled_from(b"ab<[ \n\xff")
words = st.lists(ALPHABET, max_size=4).map(bytes)
some_words = st.lists(st.lists(ALPHABET, min_size=1, max_size=4).map(bytes), max_size=3, unique=True)
DIGITS = b"0123456789"


def scan(markers: list[bytes], opening: bytes | None, stops: bool) -> AutomatonTables:
    """A scan after which a digit says which marker ended it; the opening marker is 9."""
    graph = Graph()
    root = graph.rule()
    targets = {}
    for number, marker in enumerate(markers):
        targets[marker] = graph.node()
        graph.edge(targets[marker], DIGITS[number], DIGITS[number], root.end)
    found = graph.node()
    graph.edge(found, DIGITS[9], DIGITS[9], root.end)
    write_scan(graph, root.start, targets, {} if opening is None else {opening: found}, root.end if stops else None)
    return assemble(PushdownAutomaton(graph, root))


def ended_by(text: bytes, markers: list[bytes], opening: bytes | None) -> tuple[int, int] | None:
    """Where the first marker to be complete ends, and its digit; of those that end together the longest."""
    for end in range(1, len(text) + 1):
        begun = text[:end].lstrip(b" \n\t\r")
        if opening is not None and begun == opening.lstrip(b" \n\t\r") and text[:end].endswith(opening):
            return end, DIGITS[9]
        done = [marker for marker in markers if text[:end].endswith(marker)]
        if done:
            return end, DIGITS[markers.index(max(done, key=len))]
    return None


openings = st.none() | words.filter(lambda word: word.strip() == word != b"")


@given(markers=some_words, opening=openings, text=st.lists(ALPHABET, max_size=14).map(bytes))
def test_it_ends_at_the_first_marker_and_at_no_other_place(markers, opening, text):
    runner = Runner(scan(markers, opening, stops=True))
    ended = ended_by(text, markers, opening)
    read = text if ended is None else text[: ended[0]]
    for end in range(len(read)):
        assert runner.accepts(read[:end]), "it may stop anywhere"
    if ended is None:
        assert runner.accepts(text)
    else:
        following = [digit for digit in range(256) if runner.run(read + bytes([digit]))]
        assert following == [ended[1]] and not runner.accepts(read)
        assert runner.accepts(read + bytes([ended[1]]))


@given(markers=some_words.filter(len), text=st.lists(ALPHABET, max_size=10).map(bytes))
def test_without_stops_only_a_marker_ends_it(markers, text):
    runner = Runner(scan(markers, None, stops=False))
    ended = ended_by(text, markers, None)
    assert not runner.accepts(text)
    if ended is None:
        assert runner.run(text) is not None
        assert runner.accepts(text + markers[0] + DIGITS[:1]) or ended_by(text + markers[0], markers, None) != (
            len(text) + len(markers[0]), DIGITS[0]
        )  # fmt: skip


def test_what_is_scanned_is_marked_as_reasoning_only_if_it_is():
    graph = Graph()
    root = graph.rule()
    write_scan(graph, root.start, {b"</t>": root.end}, in_reasoning=True)
    tables = assemble(PushdownAutomaton(graph, root))
    runner = Runner(tables)
    assert [bool(tables.in_reasoning[runner.run(text).state]) for text in (b"", b"</", b"a<", b"a</t>")] == [
        True
    ] * 3 + [False]
