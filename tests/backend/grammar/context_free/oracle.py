"""Whether a text is of a Lark grammar's language, by Lark's Earley parser, which tries all lengths of terminals."""

from functools import cache

import lark


@cache
def parser(grammar: str) -> lark.Lark:
    """Without a lexer: `dynamic_complete`."""
    return lark.Lark(grammar, parser="earley", lexer="dynamic_complete")


def accepts(grammar: str, text: str) -> bool:
    """Whether the whole of `text` is parsed."""
    try:
        parser(grammar).parse(text)
    except (lark.exceptions.UnexpectedInput, lark.exceptions.UnexpectedEOF):
        return False
    return True
