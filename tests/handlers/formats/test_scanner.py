"""A scanner reads pieces as if they were one text, and can go back to what is still needed."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from handlers.formats.scanner import Malformed, TextScanner

CLASS = re.compile("[ab]+")
TEXT = st.text(alphabet="ab<|>", max_size=20)
READS = st.lists(
    st.sampled_from([("literal", "ab"), ("literal", "<|"), ("until", "<|>"), ("run", CLASS), ("next",), ("back",)]),
    max_size=12,
)


def perform(reads, pieces):
    """(what each read gave and where it stopped; all of the text from where the last step back went)"""
    scanner, found = TextScanner(), []

    def reading():
        start = 0
        for name, *arguments in reads:
            if name == "back":
                found.append(scanner.slice(start, scanner.pos))
                scanner.seek(start)
                continue
            start = scanner.pos
            scanner.forget(start)
            try:
                found.append(((yield from getattr(scanner, name)(*arguments)), scanner.pos))
            except Malformed:
                found.append(scanner.pos)

    running = reading()
    next(running, None)
    for piece in pieces:
        scanner.feed(piece)
        next(running, None)
    scanner.ended = True
    next(running, None)
    assert next(running, "done") == "done"
    return found


@given(text=TEXT, reads=READS, cuts=st.sets(st.integers(0, 20)))
def test_the_pieces_do_not_matter(text, reads, cuts):
    bounds = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(bounds)]
    assert perform(reads, pieces) == perform(reads, [text]) == perform(reads, [*text, ""])


@given(before=TEXT, marker=st.sampled_from(["<|>", "a<a", "||"]), behind=TEXT)
def test_until_finds_the_first(before, marker, behind):
    text = before + marker + behind
    expected = text.index(marker)
    assert perform([("until", marker)], text) == [(text[:expected], expected + len(marker))]
