"""What the parts of a device's figures leave behind, gathered; and what they are made from."""

import json
import os
from pathlib import Path

from backend.grammar import Constraint
from backend.grammar.compile import compile_constraint
from benchmarks.device.collect import collect
from benchmarks.device.decoding import follows, spellings


def test_a_part_that_hung_costs_only_its_own_figures(tmp_path: Path) -> None:
    for place, (name, status) in enumerate({"kernels": 0, "decode": 124, "another": 0}.items()):
        (tmp_path / f"{name}.status").write_text(f"{status}\n")
        os.utime(tmp_path / f"{name}.status", (place, place))
    (tmp_path / "kernels.json").write_text(json.dumps({"device": "a chip", "figures": [1]}))
    (tmp_path / "another.json").write_text(json.dumps({"device": "a chip", "figures": []}))
    found = collect(tmp_path)
    assert list(found) == ["kernels", "decode", "another"] and found["decode"] == {"exit status": 124}
    assert found["kernels"] == {"exit status": 0, "device": "a chip", "figures": [1]}


def test_the_vocabulary_has_every_byte_and_no_token_twice() -> None:
    tokens = spellings(2000)
    assert len(set(tokens)) == len(tokens) == 2000 and spellings(2000) == tokens
    assert {bytes([byte]) for byte in range(256)} <= set(tokens)


def test_a_text_follows_a_grammar_as_far_as_it_is_a_beginning_of_its_texts() -> None:
    tables = compile_constraint(Constraint("json_schema", '{"type": "array", "items": {"enum": [1, 23]}}'))
    assert all(follows(tables, text) for text in (b"", b"[", b"[1,2", b"[23]"))
    assert not any(follows(tables, text) for text in (b"[2]", b"[1,4", b"[1]]"))
