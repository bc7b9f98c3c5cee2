"""Values of JSON text are counted before they are made, exactly where there are many, whatever strings hold."""

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http import json_size
from handlers.http.json_size import JSONSize, is_within, sizes
from handlers.http.validation import MOST_COMMAS, MOST_CONTAINERS, PER_TOKEN, no_collection

NONE = JSONSize(0, 0)
TEXTS = st.text(st.sampled_from('{}[],:"\\ab é'), max_size=12)
VALUES = st.recursive(
    TEXTS | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=30,
)


def counted(value):
    """Containers and commas of a value, by walking over it."""
    if not isinstance(value, list | dict):
        return NONE
    parts = [counted(part) for part in (value.values() if isinstance(value, dict) else value)]
    commas = max(0, len(value) - 1) + sum(part.commas for part in parts)
    return JSONSize(1 + sum(part.containers for part in parts), commas)


def together(sizes):
    sizes = list(sizes)
    return JSONSize(sum(each.containers for each in sizes), sum(each.commas for each in sizes))


@given(value=VALUES, chunk=st.integers(1, 40), indent=st.none() | st.integers(0, 3))
def test_what_stands_in_strings_is_not_counted_and_all_else_is(value, chunk, indent):
    text = json.dumps(value, indent=indent, ensure_ascii=False).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_size, "CHUNK_BYTES", chunk)
        assert together(sizes(text)) == counted(value)


@given(value=VALUES, containers=st.integers(0, 8), commas=st.integers(0, 8))
def test_a_limit_is_met_by_what_is_there_and_not_by_what_is_written(value, containers, commas):
    size = counted(value)
    within = size.containers <= containers and size.commas <= commas
    assert is_within(json.dumps(value).encode(), JSONSize(containers, commas)) == within


@given(text=st.binary(max_size=60) | st.text(st.sampled_from('{}[],:"\\')).map(str.encode))
def test_what_is_no_json_is_counted_too(text):
    assert together(sizes(text)).containers <= text.count(b"{") + text.count(b"[")


@pytest.mark.parametrize(
    ("member", "status"), [("[],", 422), ('{"a":1},', 422), ("0,", 422), ('"",', 422), ('"[{,",', 200)]
)
def test_a_body_of_very_many_values_is_refused_before_any_is_made(app, member, status):
    count = {"[],": MOST_CONTAINERS, '{"a":1},': MOST_CONTAINERS, '"[{,",': MOST_CONTAINERS}.get(member, MOST_COMMAS)
    text = '{"messages": [{"role": "user", "content": "Hi"}], "unheard": [' + member * (count + 9) + "0]}"
    response = app.client.post("/v1/chat/completions", content=text, headers={"content-type": "application/json"})
    assert response.status_code == status, response.text
    if status == 422:
        assert str(MOST_CONTAINERS) in response.json()["message"] and str(MOST_COMMAS) in response.json()["message"]


def test_as_many_values_as_the_context_may_want_are_let_in(fakes):
    class Large(fakes.Engine):
        context_length = MOST_COMMAS

    with fakes.connected(Large(), max_body_bytes=1 << 24) as app:
        for count, status in ((MOST_COMMAS + 9, 200), (PER_TOKEN * MOST_COMMAS + 9, 422)):
            response = app.client.post("/v1/detokenize", json={"tokens": [72], "unheard": [0] * count})
            assert response.status_code == status, response.text


def test_no_garbage_is_looked_for_meanwhile_and_it_is_afterwards():
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError), no_collection():
        raise ValueError
    assert gc.isenabled()
