"""The process that compiles: constraints come in on standard input, tables go out on standard output.

`python -m backend.grammar.service.worker MODULE:FUNCTION BYTES` runs one; worker_pool.py starts it, protocol.py says
what passes between them.
"""

import gc
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from backend.grammar.alphabet import Alphabet
from backend.grammar.automaton.tables import AutomatonTables
from backend.grammar.constraint import Constraint
from backend.grammar.errors import CompilerFault, GrammarError
from backend.grammar.service import protocol

KEPT_SHARE = 4
"""A worker whose caches hold more than one part in so many of its memory ends after its answer; a new one follows."""

WARM_UP = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 40},
        "code": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
        "kind": {"enum": ["a", "b", 1, None]},
        "count": {"type": "integer", "minimum": 0, "maximum": 150},
        "price": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
        "tags": {"type": "array", "items": {"type": ["string", "boolean"]}, "minItems": 1, "maxItems": 9},
        "any": {"anyOf": [{"type": "object"}, {"$ref": "#"}]},
        "not": {"type": "string", "not": {"const": ""}},
    }
    | {name: {"type": "string", "format": name} for name in ("date-time", "date", "time", "email", "uri", "uuid")},
    "required": ["name"],
}
"""What many schemas need is made once, with this one, and found again in the caches of the process."""

Compile = Callable[[Constraint, Alphabet], AutomatonTables]


def main(target: str, memory: int) -> None:
    """Serves until standard input ends. memory: bytes that a compilation may use beyond what the process needs."""
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what is printed goes to the log, not between the frames
    compile_ = resolve(target)
    first = protocol.read_frame(requests)
    if first is None:
        return
    alphabet = protocol.decode_alphabet(first)
    serve(compile_, alphabet, protocol.encode(Constraint("json_schema", json.dumps(WARM_UP))))
    gc.freeze()
    gc.disable()
    needed = address_space()
    limit_address_space(needed + memory)
    protocol.write_frame(answers, protocol.READY)
    while (request := protocol.read_frame(requests)) is not None:
        answer = serve(compile_, alphabet, request)
        last = answer[:1] == protocol.MEMORY or address_space() - needed > memory // KEPT_SHARE
        protocol.write_frame(answers, (protocol.LAST if last else protocol.MORE) + answer)
        if last:
            return
        gc.collect()  # after the answer, not while somebody waits for it


def serve(compile_: Compile, alphabet: Alphabet, request: bytes) -> bytes:
    """The answer to one request; never raises."""
    try:
        return protocol.TABLES + compile_(protocol.decode(request), alphabet).to_bytes()
    except GrammarError as error:
        return protocol.REFUSED + json.dumps([error.message, error.pointer]).encode()
    except RecursionError:
        return protocol.REFUSED + json.dumps(["the schema or pattern is nested too deeply", ""]).encode()
    except MemoryError:
        return protocol.MEMORY
    except Exception as error:
        pointer = error.pointer if isinstance(error, CompilerFault) else ""
        return protocol.FAULT + json.dumps([pointer, traceback.format_exc()]).encode()


def resolve(target: str) -> Compile:
    """The function that "package.module:name" means."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def address_space() -> int:
    """Bytes of this process's address space; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    with Path("/proc/self/statm").open("rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def limit_address_space(size: int) -> None:
    """An allocation beyond `size` bytes is a MemoryError from now on. Linux only: elsewhere nothing enforces it."""
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
