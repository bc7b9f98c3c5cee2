"""Built once while there is room; bounded by size, not by number."""

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.memory import remembered


def test_what_was_built_is_not_built_again_until_it_is_dropped():
    built = []

    def build(length: int) -> CharDfa:
        built.append(length)
        return CharDfa.lengths(length, length)

    recall = remembered(build, capacity=CharDfa.lengths(50, 50).size * 2)
    assert recall(50) is recall(50)
    recall(10)
    assert built == [50, 10]
    recall(49)
    assert recall(10) == CharDfa.lengths(10, 10)
    assert built == [50, 10, 49]
    assert recall(50) == CharDfa.lengths(50, 50)
    assert built == [50, 10, 49, 50]


def test_a_language_larger_than_the_memory_is_returned_but_not_kept():
    recall = remembered(lambda length: CharDfa.lengths(length, length), capacity=10)
    assert recall(50) == CharDfa.lengths(50, 50)
    assert recall(1) is recall(1)
