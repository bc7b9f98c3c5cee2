"""How large the engine gets: what is asked for, what the model allows, what memory holds."""

import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.attention.quantization import KV_DTYPES
from backend.attention.reference import PAGE_TOKENS, PagedAttention
from backend.engine_plan import LoadOptions, choose_cache_dtype, choose_mesh, choose_sizes, options_of_group
from backend.models import hub
from backend.models.checkpoint import open_checkpoint
from backend.models.decoder import kv_specs
from backend.sharding import make_mesh, read_mesh

CONFIG = open_checkpoint(hub.resolve("tiny")).config
BACKEND = PagedAttention(kv_specs(CONFIG), jnp.dtype(jnp.float32))
WEIGHTS = 4_725_504
PAGE_BYTES = BACKEND.page_bytes
PLENTY = 2**40


def test_plenty_of_memory_gives_every_row_all_that_the_model_allows():
    sizes = choose_sizes(LoadOptions(rows=7), CONFIG, BACKEND, WEIGHTS, PLENTY)
    assert sizes.context == CONFIG.context
    assert sizes.pages * PAGE_TOKENS >= 7 * CONFIG.context
    assert sizes.rows == 7


@given(asked=st.integers(1, 5000))
def test_no_more_is_given_than_was_asked_for_or_the_model_allows(asked):
    sizes = choose_sizes(LoadOptions(context=asked), CONFIG, BACKEND, WEIGHTS, PLENTY)
    assert sizes.context == min(asked, CONFIG.context)


@given(rows=st.integers(1, 64), memory=st.integers(2**23, 2**28), fraction=st.floats(0.1, 1))
def test_what_is_chosen_fits_its_share_of_the_memory(rows, memory, fraction):
    options = LoadOptions(rows=rows, memory_fraction=fraction)
    try:
        sizes = choose_sizes(options, CONFIG, BACKEND, WEIGHTS, memory)
    except ValueError:
        assert fraction * memory < PAGE_BYTES + 2**23
    else:
        assert sizes.pages * PAGE_BYTES <= fraction * memory
        assert PAGE_TOKENS <= sizes.context <= min(CONFIG.context, sizes.pages * PAGE_TOKENS)


@given(tokens=st.integers(1, 100_000))
def test_the_cache_holds_the_tokens_asked_for(tokens):
    sizes = choose_sizes(LoadOptions(kv_cache_tokens=tokens), CONFIG, BACKEND, WEIGHTS, PLENTY)
    assert tokens <= sizes.pages * PAGE_TOKENS < tokens + PAGE_TOKENS
    assert sizes.context == min(CONFIG.context, sizes.pages * PAGE_TOKENS)


def test_a_context_beyond_the_models_needs_no_more_than_the_models():
    sizes = choose_sizes(LoadOptions(rows=1, context=10**9), CONFIG, BACKEND, WEIGHTS, 2**26, (1, PAGE_BYTES))
    assert sizes.context == CONFIG.context


@pytest.mark.parametrize("asked", [{"context": 1000}, {"kv_cache_tokens": 1_000_000}])
def test_what_was_asked_for_and_does_not_fit_is_an_error_that_says_what_to_do(asked):
    with pytest.raises(ValueError, match="--max-context-length"):
        choose_sizes(LoadOptions(**asked), CONFIG, BACKEND, WEIGHTS, 2**23)


@given(
    rows=st.integers(1, 64),
    usual=st.integers(0, 2**24),
    more=st.integers(0, 2**24),
    memory=st.integers(2**24, 2**28),
    context=st.none() | st.integers(1, 1024),
)
def test_a_processors_cache_takes_what_is_usual_unless_one_context_needs_more(rows, usual, more, memory, context):
    """A context that was asked for is had in any case."""
    most, options = usual + more, LoadOptions(rows=rows, context=context)
    bounded = choose_sizes(options, CONFIG, BACKEND, WEIGHTS, PLENTY, (usual, max(most, PAGE_BYTES)))
    free = choose_sizes(options, CONFIG, BACKEND, WEIGHTS, memory)
    both = choose_sizes(options, CONFIG, BACKEND, WEIGHTS, memory, (usual, max(most, PAGE_BYTES)))
    size, one = bounded.pages * PAGE_BYTES, -(-(context or CONFIG.context) // PAGE_TOKENS) * PAGE_BYTES
    assert size <= max(usual, one)
    assert context or size <= max(most, PAGE_BYTES)
    assert size >= min(usual, rows * one) - PAGE_BYTES
    assert bounded.context >= (context or min(CONFIG.context, most // PAGE_BYTES * PAGE_TOKENS))
    assert both.pages == min(bounded.pages, free.pages)


def test_a_cache_that_was_asked_for_is_not_bounded_by_what_is_usual():
    sizes = choose_sizes(LoadOptions(kv_cache_tokens=50_000), CONFIG, BACKEND, WEIGHTS, PLENTY, (1, PAGE_BYTES))
    assert sizes.pages * PAGE_TOKENS >= 50_000


def test_a_context_beyond_the_cache_asked_for_is_an_error():
    with pytest.raises(ValueError, match="raise --kv-cache-tokens"):
        choose_sizes(LoadOptions(context=500, kv_cache_tokens=100), CONFIG, BACKEND, WEIGHTS, PLENTY)


@pytest.mark.parametrize("computed", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["auto", *KV_DTYPES])
def test_the_cache_is_of_the_type_that_was_asked_for_or_of_what_is_computed(name, computed):
    """But not of a wider one."""
    options, activations = LoadOptions(kv_cache_dtype=name), jnp.dtype(computed)
    if (name, computed) == ("float32", "bfloat16"):
        with pytest.raises(ValueError, match="--kv-cache-dtype float32: .*bfloat16"):
            choose_cache_dtype(options, activations)
    else:
        assert choose_cache_dtype(options, activations) == (activations if name == "auto" else KV_DTYPES[name])


def test_a_type_that_no_cache_has_is_an_error_that_lists_those_there_are():
    with pytest.raises(ValueError, match="--kv-cache-dtype int3: .*float8_e4m3"):
        choose_cache_dtype(LoadOptions(kv_cache_dtype="int3"), jnp.dtype(jnp.float32))


def test_fewer_bits_hold_more_tokens_in_the_same_memory():
    """Eight bits with a scale of 32 for each head's 32 numbers, of a page with as many positions."""
    small, wide = (PagedAttention(kv_specs(CONFIG), KV_DTYPES[name]) for name in ("int8", "float32"))
    assert small.page_bytes * 4 * 32 == wide.page_bytes * (32 + 4)


def test_weights_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match="smaller model"):
        choose_sizes(LoadOptions(rows=1), CONFIG, BACKEND, WEIGHTS, 2**20)


@pytest.mark.parametrize(
    ("text", "found"),
    [("data=2,model=4", (2, 4)), ("model=4, data=2", (2, 4)), ("model=8", (1, 8)), ("data=3", (3, 1))],
)
def test_a_mesh_is_groups_of_rows_and_the_devices_of_each(text, found):
    assert read_mesh(text) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("expert=2", "no model that is served has experts"),
        ("model=4,expert=2", "no model that is served has experts"),
        *((text, "write data=N, model=N") for text in ("", "4", "model", "model=0", "model=-1", "model=4,model=2")),
        *((text, "write data=N, model=N") for text in ("tensor=4", "model=4;data=2", "model=1e1", "data=2,,model=4")),
    ],
)
def test_another_mesh_is_refused_and_told_what_to_write(text, reason):
    with pytest.raises(ValueError, match=f"--mesh {text}: {reason}"):
        read_mesh(text)


def test_a_mesh_takes_devices_that_are_there():
    with pytest.raises(ValueError, match="--mesh data=1000,model=1000: that takes 1000000 devices, and there are"):
        choose_mesh(LoadOptions(mesh="data=1000,model=1000"), BACKEND.layers)
    assert choose_mesh(LoadOptions(mesh="model=1"), BACKEND.layers) is None


def test_kv_heads_are_split_as_far_as_they_go_and_copied_beyond():
    shapes = [dict(make_mesh([object()] * 12, heads, groups=3).shape) for heads in ([8, 2], [4], [1], [3])]
    assert [tuple(shape.values()) for shape in shapes] == [(3, 2, 2), (3, 4, 1), (3, 1, 4), (3, 1, 4)]


def test_groups_share_rows_and_cache_out():
    options = options_of_group(LoadOptions(rows=12, kv_cache_tokens=1000), 3)
    assert (options.rows, options.kv_cache_tokens) == (4, 334)
    with pytest.raises(ValueError, match="--max-batch-size 10: .* take a multiple of 3"):
        options_of_group(LoadOptions(rows=10), 3)
