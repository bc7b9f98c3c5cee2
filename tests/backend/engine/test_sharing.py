"""Pages that several use: prompts seen before, conversations that go on, choices of one request."""

import random

import pytest

from tests.backend.engine.conftest import VOCAB, request, tokens
from tests.backend.engine.scenarios import FREE, Scenario, alone, exact, run_all, running, settled, varied, watched

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
        most[n] = max(used[1:])  # at the first dispatch the others have not taken the prompt from the first choice yet
    assert 20 <= most[1] <= 24
    assert most[4] <= most[1] + 3 * 5  # the page in which the prompt ends, those of 12 tokens, and one ahead
