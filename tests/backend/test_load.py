"""How much context a model gets: what is asked for, what it allows, what memory holds."""

import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.attention.reference import CHUNK
from backend.engine.state import cache_bytes
from backend.load import MEMORY_SHARE, LoadOptions, choose_context
from backend.models import families, hub

CONFIG = families.read_config(hub.resolve("tiny"))
FLOAT = jnp.dtype(jnp.float32)
PLENTY = 2**40


def test_plenty_of_memory_gives_all_that_the_model_allows():
    assert choose_context(LoadOptions(), CONFIG, FLOAT, PLENTY) == CONFIG.context


@given(asked=st.integers(1, 5000))
def test_no_more_is_given_than_was_asked_for_or_the_model_allows(asked):
    assert choose_context(LoadOptions(context=asked), CONFIG, FLOAT, PLENTY) == min(asked, CONFIG.context)


@given(rows=st.integers(1, 64), memory=st.integers(2**23, 2**28))
def test_what_is_chosen_fits_the_memory(rows, memory):
    options = LoadOptions(rows=rows)
    try:
        context = choose_context(options, CONFIG, FLOAT, memory)
    except ValueError:
        assert cache_bytes(CONFIG, rows, CHUNK, FLOAT) + 2**22 > MEMORY_SHARE * memory
    else:
        assert CHUNK <= context <= CONFIG.context
        assert cache_bytes(CONFIG, rows, context, FLOAT) <= MEMORY_SHARE * memory


def test_what_was_asked_for_and_does_not_fit_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="--max-context-length"):
        choose_context(LoadOptions(context=1000), CONFIG, FLOAT, 2**24)


def test_weights_that_do_not_fit_are_an_error():
    with pytest.raises(ValueError, match="smaller model"):
        choose_context(LoadOptions(rows=1), CONFIG, FLOAT, 2**20)
