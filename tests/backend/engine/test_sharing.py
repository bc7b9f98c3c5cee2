"""Pages that several use: prompts seen before, conversations that go on, choices of one request."""

import random
from dataclasses import replace

import pytest

from tests.backend.engine.conftest import VOCAB, request, tokens
from tests.backend.engine.scenarios import (
    FREE,
    LARGEST,
    SMALLEST,
    Scenario,
    alone,
    exact,
    recorded,
    run_all,
    running,
    settled,
    varied,
    watched,
)

STEM = random.Random(0).choices(range(VOCAB), k=64)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("length", [33, 40, 64, 65, 80])
def test_a_prompt_seen_before_is_not_computed_again_and_nothing_else_changes(small, deterministic, length):
    fixed = exact(32) if deterministic else {}
    asked = request([*STEM, *STEM][:length], top_logprobs=2, max_tokens=10)
    grain = 32 if deterministic else FREE.page_tokens
    with running(varied(small, **fixed)) as engine:
        first, second = (run_all(engine, [Scenario(asked)])[0] for _ in range(2))
        stats = settled(engine)
    assert first.admission.cached_tokens == 0
    assert second.admission.cached_tokens == (length - 1) // grain * grain
    assert stats.cached_tokens == second.admission.cached_tokens and stats.prompt_tokens == 2 * length
    assert tokens(first.events) == tokens(second.events)
    if deterministic:
        assert first.events == second.events
    else:
        values = [[event.logprob for event in seen.events] for seen in (first, second)]
        assert values[0] == pytest.approx(values[1], abs=1e-4)


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_conversation_that_goes_on_finds_its_beginning(small, deterministic):
    fixed = exact(8) if deterministic else {}
    with running(varied(small, **fixed)) as engine:
        (first,) = run_all(engine, [Scenario(request(STEM[:41], max_tokens=20))])
        settled(engine)
        told = [*STEM[:41], *tokens(first.events)]
        (second,) = run_all(engine, [Scenario(request([*told, 1, 2, 3], max_tokens=5))])
        expected = 40 if deterministic else 60  # all but the last token, whose keys were never needed
        assert second.admission.cached_tokens == expected
    assert tokens(second.events) == tokens(alone(varied(small, **fixed), request([*told, 1, 2, 3], max_tokens=5))[0])


@pytest.mark.parametrize("deterministic", [False, True])
def test_choices_of_one_request_share_the_pages_of_its_prompt(small, deterministic):
    fixed = exact(8) if deterministic else {}
    prompt = [*STEM, *STEM][:80]
    most = {}
    for n in (1, 4):
        used: list[int] = []

        with watched(varied(small, **fixed), lambda stats, used=used: used.append(stats.pages_used)) as engine:
            run_all(engine, [Scenario(request(prompt, tuple(range(n)), max_tokens=12))])
            settled(engine)
        most[n] = max(used)
    assert 20 <= most[1] <= 24
    assert most[4] <= most[1] + 3 * 5  # the page in which the prompt ends, those of 12 tokens, and one ahead


ENDINGS = {"length": {"max_tokens": 1}, "stop": {"max_tokens": 9, "end_tokens": tuple(range(VOCAB))}}


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("length", [1, 33, 40, 80])
@pytest.mark.parametrize(("rows", "pages"), [((1, 4), LARGEST), ((1,), LARGEST), ((1,), SMALLEST)])
def test_the_prompt_is_computed_once_for_all_choices_also_where_each_ends_at_once(
    small, deterministic, ending, length, rows, pages
):
    """Whether all have a row before the first has ended or wait for its."""
    fixed = (exact(8) if deterministic else {}) | {"row_buckets": rows, "pages": pages}
    asked = request([*STEM, *STEM][:length], (1, 2, 3, 4), temperature=1.0, **ENDINGS[ending])
    prefills = {}
    for n in (1, 4):
        noting, calls = recorded(varied(small, **fixed))
        with running(noting) as engine:
            (seen,) = run_all(engine, [Scenario(replace(asked, seeds=asked.seeds[:n]))])
            settled(engine)
        prefills[n] = [call.shape for call in calls if call.prefilled]
    assert prefills[4] == prefills[1]
    assert len(seen.events) == 4
    for choice, expected in enumerate(alone(varied(small, **fixed), asked)):
        assert tokens(seen.events, choice) == tokens(expected)


def test_the_prompt_is_computed_once_where_clients_stop_every_choice(small):
    """A stop string ends a choice from outside; the one that waits goes on from there."""
    noting, calls = recorded(varied(small, row_buckets=(1,)))
    asked = request(STEM[:43], (1, 2), max_tokens=40)
    with running(noting) as engine:
        (seen,) = run_all(engine, [Scenario(asked, cancel_after=3)])
        settled(engine)
    assert len(tokens(seen.events, 1)) == 40
    assert sum(call.prefilled > 0 for call in calls) == 2, "32 tokens and 10"
