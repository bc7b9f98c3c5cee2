"""What one constraint may cost: every limit is checked before the memory or the time is spent."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on one compilation; going over one raises GrammarError, which names it.

    schema_bytes: size of the schema as JSON text. nesting: depth of the schema's JSON.
    alternatives: shapes that anyOf, oneOf, allOf and not combine into, per place.
    properties, enum_values, literal_chars: counts over the whole schema.
    pattern_nfa_states, pattern_dfa_states, product_states: automata of characters, per regex or combination.
    pattern_chars: length of a regex. pattern_nesting: depth of groups. pattern_work, pattern_arcs: NFA moves followed
    and ranges of characters found while a regex is made deterministic.
    integer_digits, fraction_digits: of a number that is written, unless the schema has more; 0 for any number.
    states, threads, frames: of the byte automaton; threads is nodes per state.
    table_bytes: size of the int32 tables. seconds, memory_bytes: wall time and resident memory of one compilation.
    """

    schema_bytes: int = 1 << 20
    nesting: int = 60
    alternatives: int = 500
    properties: int = 5_000
    enum_values: int = 5_000
    literal_chars: int = 320_000
    pattern_nfa_states: int = 60_000
    pattern_dfa_states: int = 20_000
    pattern_chars: int = 1 << 16
    pattern_nesting: int = 50
    pattern_work: int = 1_500_000
    pattern_arcs: int = 500_000
    product_states: int = 20_000
    integer_digits: int = 19
    fraction_digits: int = 17
    states: int = 330_000
    threads: int = 20_000
    frames: int = 32_768
    table_bytes: int = 95 << 20
    seconds: float = 10.0
    memory_bytes: int = 1 << 30


DEFAULT_LIMITS = Limits()
MAX_CLOSING_TOKENS = 16
"""Tokens that the marker which ends reasoning may take: the decode state keeps so many for each row."""
