"""The reader of optimised programs, on one that is written down, and on what XLA makes here."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.aot import hlo

PROGRAM = """\
HloModule jit_f, is_scheduled=true

%region (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %add = f32[] add(%a, %b)
}

%branch (p: bf16[8,4]) -> bf16[8,4] {
  %p = bf16[8,4]{1,0} parameter(0)
  ROOT %copy.3 = bf16[8,4]{0,1} copy(%p)
}

%condition (c: (s32[], bf16[8,4])) -> pred[] {
  %c = (s32[], bf16[8,4]{1,0}) parameter(0)
  ROOT %less = pred[] constant(true)
}

%body (c: (s32[], bf16[8,4])) -> (s32[], bf16[8,4]) {
  %c = (s32[], bf16[8,4]{1,0}) parameter(0)
  %x = bf16[8,4]{1,0} get-tuple-element(%c), index=1
  %i = s32[] get-tuple-element(%c), index=0
  %dot = bf16[8,4] fusion(%x), calls=%region, metadata={op_name="f/dot_general"}, config={"estimated_cycles":"70"}
  %all-reduce.1 = bf16[8,4]{1,0} all-reduce-start(%dot), to_apply=%region, backend_config={"estimated_cycles":"20"}
  %conditional = bf16[8,4]{1,0} conditional(%i, %dot, %dot), branch_computations={%branch, %branch}
  ROOT %tuple = (s32[], bf16[8,4]{1,0}) tuple(%i, %conditional)
}

ENTRY %main (x: bf16[8,4], y: f64[]) -> bf16[8,4] {
  %x = bf16[8,4]{1,0} parameter(0)
  %y = f64[] parameter(1)
  %call = () custom-call(%x), custom_call_target="xla_ffi_python_cpu_callback"
  %copy-start.1 = (bf16[8,4]{1,0}, bf16[8,4]{1,0}, u32[]{:S(2)}) copy-start(%x)
  %copy-start.2 = (bf16[9,9]{1,0:T(8,128)(2,1)S(1)}, bf16[9,9]{1,0:T(8,128)(2,1)}, u32[]{:S(2)}) copy-start(%z)
  %zero = s32[] constant(0)
  %tuple = (s32[], bf16[8,4]{1,0}) tuple(%zero, %x)
  %while = (s32[], bf16[8,4]{1,0}) while(%tuple), condition=%condition, body=%body
  ROOT %out = bf16[8,4]{1,0} get-tuple-element(%while), index=1
}
"""


@pytest.fixture(scope="module")
def module() -> hlo.Module:
    return hlo.read(PROGRAM)


def test_what_runs_is_found_through_loops_and_branches_but_not_in_fusions(module: hlo.Module) -> None:
    names = {instruction.name for instruction in module.reachable()}
    assert {"while", "dot", "less", "copy.3"} <= names and "add" not in names
    assert "copy.3" not in {instruction.name for instruction in module.reachable(branches=False)}
    assert module.step() == "body"


def test_figures_are_those_of_the_text(module: hlo.Module) -> None:
    assert module.wide_floats() == 2  # its shape, where it is declared and where it is made
    assert module.host_transfers() == {"xla_ffi_python_cpu_callback"}
    assert {copy.name for copy in module.copies(64)} == {"copy.3", "copy-start.1"} and module.copies(65) == []
    assert module.collectives("body") == {"all-reduce": 1}
    assert module.collectives("body", within="elsewhere") == {}
    assert [hlo.shape_bytes(each.shape) for each in module.exchanges("body")] == [64]
    assert (module.cycles("body"), module.cycles("body", "dot_general")) == (90, 70)


@given(sizes=st.lists(st.tuples(st.sampled_from(["bf16", "f32", "s8", "pred", "f8e4m3fn", "u64"]), st.integers(0, 9))))
def test_a_shape_has_the_bytes_of_its_arrays(sizes: list[tuple[str, int]]) -> None:
    bits = {"bf16": 16, "f32": 32, "s8": 8, "pred": 8, "f8e4m3fn": 8, "u64": 64}
    text = ", ".join(f"{kind}[{size},3]{{1,0}}" for kind, size in sizes)
    assert hlo.shape_bytes(f"({text})") == sum(bits[kind] // 8 * size * 3 for kind, size in sizes)


def test_a_real_program_has_its_loop_and_no_surprises() -> None:
    def count(x: jax.Array) -> jax.Array:
        return jax.lax.while_loop(lambda c: c.sum() < 100, lambda c: jnp.sin(c) + c + 1, x)

    module = hlo.read(jax.jit(count).lower(jnp.ones((8, 128))).compile().as_text())
    assert len([each for each in module.reachable() if each.op == "while"]) == 1
    assert module.wide_floats() == 0 and not module.host_transfers()


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("replica_groups=[2,4]<=[8], use_global_device_ids=true", [range(4), range(4, 8)]),
        ("replica_groups=[2,2]<=[2,2]T(1,0)", [(0, 2), (1, 3)]),
        ("replica_groups={{0,1},{2,3}}", [(0, 1), (2, 3)]),
        ("source_target_pairs={{0,3},{3,0}}", [(0, 3)]),
        ("dimensions={0,1}", []),
    ],
)
def test_devices_that_exchange_are_read_in_each_way_of_writing(written, found):
    text = f"ENTRY %main (x: f32[8]) -> f32[8] {{\n  ROOT %x = f32[8] all-reduce(%x), {written}\n}}\n"
    assert hlo.read(text).exchanging() == set(map(frozenset, found))
