"""Sets of code points as sorted, disjoint, non-adjacent inclusive ranges; only Unicode scalar values are members."""

from collections.abc import Iterable

Ranges = tuple[tuple[int, int], ...]

LAST = 0x10FFFF
SCALARS: Ranges = ((0, 0xD7FF), (0xE000, LAST))


def union(*sets: Iterable[tuple[int, int]]) -> Ranges:
    """Every code point of any of `sets`, whose ranges may overlap and come in any order."""
    out: list[tuple[int, int]] = []
    for low, high in sorted(pair for ranges in sets for pair in ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)


def intersection(left: Ranges, right: Ranges) -> Ranges:
    """Every code point of both sets."""
    pairs = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return union(pair for pair in pairs if pair[0] <= pair[1])


def complement(ranges: Ranges) -> Ranges:
    """Every scalar value that is not in `ranges`."""
    gaps, position = [], 0
    for low, high in ranges:
        if position < low:
            gaps.append((position, low - 1))
        position = high + 1
    if position <= LAST:
        gaps.append((position, LAST))
    return intersection(tuple(gaps), SCALARS)


def difference(left: Ranges, right: Ranges) -> Ranges:
    """Every scalar value of `left` that is not in `right`."""
    return intersection(left, complement(right))


ASCII: Ranges = ((0, 127),)
DIGIT: Ranges = ((48, 57),)
WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
SPACE: Ranges = ((9, 13), (32, 32))
LINE_END: Ranges = ((10, 10), (13, 13), (0x2028, 0x2029))
NOT_LINE_END = complement(LINE_END)

ECMA_SPACE = union(
    SPACE,
    [(0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F)],
    [(0x3000, 0x3000), (0xFEFF, 0xFEFF)],
)
"""White space and line ends of ECMA-262 (12.2 and 12.3), which are `\\s` there."""
