"""What may share a page: equal namespaces, tokens and contents, and nothing else."""

import random
from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.config import EngineConfig
from backend.engine.kv_cache import KVCacheManager
from backend.engine.request_state import RequestState, SequenceState
from backend.request import Prompt, Request, SamplingParams, Span

LENGTH, PLACEHOLDER = 40, 9
CONFIG = EngineConfig(64, pages=32, page_tokens=4, row_buckets=(1,), prefill_shapes=((1, 8),))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Two namespaces, three contents, placeholders that look alike, and prompts that often begin the same."""
    tokens = [*random.Random(0).choices(range(3), k=LENGTH)]
    if draw(st.booleans()):
        tokens[draw(st.integers(0, LENGTH - 1))] = 5
    spans, start = [], 0
    while start < LENGTH - 10 and draw(st.booleans()):
        start += draw(st.sampled_from([0, 2, 4]))
        length = draw(st.sampled_from([1, 4, 6]))
        spans.append(Span(start, length, draw(st.sampled_from("abc")), np.zeros((length, 2), np.float32)))
        tokens[start : start + length] = [PLACEHOLDER] * length
        start += length
    prompt = Prompt(tuple(tokens), tuple(spans))
    return Request(prompt, SamplingParams(1, ()), (0,), namespace=draw(st.sampled_from([None, "adapter"])))


def content(request: Request) -> list:
    """Per position, all that its keys and values depend on besides what comes before."""
    at = [(request.namespace, token, None, 0, 0) for token in request.prompt.tokens]
    for span in request.prompt.spans:
        for offset in range(span.length):
            at[span.start + offset] = (request.namespace, PLACEHOLDER, span.key, offset, span.length)
    return at


def common(one: Request, other: Request) -> int:
    """How many positions of their beginnings have the same content."""
    pairs = zip(content(one), content(other), strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), LENGTH)


def sequence_of(request: Request) -> SequenceState:
    return RequestState(request, lambda _: None, lambda _: None).sequences[0]


@given(first=requests(), second=requests())
def test_two_prompts_share_the_whole_pages_whose_content_is_the_same_and_no_others(
    first: Request, second: Request
) -> None:
    cache = KVCacheManager(CONFIG)
    computed, asking = sequence_of(first), sequence_of(second)
    assert cache.allocate(computed, LENGTH)
    computed.num_computed = LENGTH
    cache.insert_prefix(computed)
    cache.match_prefix(asking)
    same = min(common(first, second), LENGTH - 1)
    assert asking.num_computed == same // CONFIG.page_tokens * CONFIG.page_tokens == asking.num_cached
    assert asking.pages == computed.pages[: len(asking.pages)]


def test_a_namespace_alone_keeps_prompts_apart() -> None:
    request = Request(Prompt((1,) * LENGTH), SamplingParams(1, ()), (0,))
    cache = KVCacheManager(CONFIG)
    for namespace, cached in ((None, 0), ("adapter", 0), (None, 36), ("adapter", 36)):
        sequence = sequence_of(replace(request, namespace=namespace))
        cache.match_prefix(sequence)
        assert sequence.num_cached == cached
        assert cache.allocate(sequence, LENGTH)
        sequence.num_computed = LENGTH - 1
        cache.release(sequence)
    assert cache.num_used == 0 and cache.num_evictable == 18
