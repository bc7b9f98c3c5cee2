"""The errors of this folder: a constraint that cannot be honoured exactly, and a compiler that fails at one."""


class GrammarError(ValueError):
    """A constraint is refused.

    message: what is refused and, where useful, what to do instead.
    pointer: JSON pointer of the place in the schema, such as "#/properties/a"; empty where there is none.
    """

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message, pointer)
        self.message = message
        self.pointer = pointer

    def __str__(self) -> str:
        return f"{self.message} at {self.pointer}" if self.pointer else self.message

    def at(self, pointer: str) -> "GrammarError":
        """The same refusal with its place in the schema; an innermost place, once known, is kept."""
        return self if self.pointer else type(self)(self.message, pointer)


class TooManyAlternatives(GrammarError):
    """Keywords combine into more alternatives than there may be; without one of them the rest may be exact."""


class CompilerFault(Exception):
    """The compiler failed at a constraint, which is a fault of ours: its cause is some other exception.

    pointer: JSON pointer of the place in the schema that was compiled; empty where there is none.
    """

    def __init__(self, pointer: str = "") -> None:
        super().__init__(pointer)
        self.pointer = pointer

    def __str__(self) -> str:
        return f"the compiler failed at {self.pointer or 'a constraint'}"


NOT_FAULTS = (GrammarError, CompilerFault, RecursionError, MemoryError)
"""What is no fault of the compiler, or is known as one already."""
