"""Groups of rows, each with pages of its own: the scheduler over a device that remembers what is in which page."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.engine.chunks import rows_of
from backend.engine.config import EngineConfig
from backend.engine.request_state import RequestState
from backend.engine.scheduler import Scheduler
from tests.backend.engine.conftest import request

SIZES = EngineConfig(
    40, pages=14, page_tokens=4, row_buckets=(1, 2, 3), prefill_shapes=((1, 8), (2, 8), (1, 16)), max_steps=4
)


def following(tokens: list[int]) -> int:
    """The token that is drawn behind some."""
    return (sum(tokens) * 7 + len(tokens)) % 11


class PagesRunner:
    """In place of a model: pages hold tokens, and what is drawn depends on all of a row's that are in its pages.

    most: rows of the largest batch a group had.
    """

    def __init__(self, config: EngineConfig) -> None:
        self.config, self.most, self.prefilled = config, 0, []
        self.memory = np.full((config.groups * config.pages, config.page_tokens), -1)
        self.rows = [None] * (config.groups * config.rows)
        self.arena = SimpleNamespace(release=lambda key: None)

    def init_state(self):
        return self

    def row_state(self, asked, choice, output, placed):
        return [*asked.prompt.tokens, *output], asked.sampling.max_tokens - len(output)

    def admit(self, state, row, start):
        self.rows[row] = start
        return self

    def move_row(self, state, source, target):
        assert source // self.config.rows == target // self.config.rows
        self.rows[target] = self.rows[source]
        return self

    def copy_page(self, state, source, target):
        assert source // self.config.pages == target // self.config.pages
        self.memory[target] = self.memory[source]
        return self

    def prefill(self, state, shape, chunks):
        at = rows_of(self.config, shape, chunks)
        assert len(at) == len(chunks) and all(len(chunk.tokens) <= shape[1] for chunk in chunks)
        self.prefilled.append(sorted(row // shape[0] for row in at))
        for chunk in chunks:
            for position, token in enumerate(chunk.tokens, chunk.start):
                self.memory[self._place(chunk.pages, position)] = token
        return self, None

    def decode(self, state, page_table, active, steps, stop_on_finish, slots):
        of_group = active.size // self.config.groups
        self.most = max(self.most, of_group)
        tokens, counts = np.zeros((active.size, steps), int), np.zeros(active.size, int)
        done, no = np.zeros(active.size, bool), np.zeros(active.size, bool)
        for place in np.flatnonzero(active):
            group = place // of_group
            row = group * self.config.rows + place % of_group
            pages = page_table[place]
            held, left = self.rows[row]
            for _ in range(min(left, steps)):
                assert pages[(len(held) - 1) // self.config.page_tokens] // self.config.pages == group
                self.memory[self._place(pages, len(held) - 1)] = held[-1]
                held = [*held, following([self.memory[self._place(pages, at)] for at in range(len(held))])]
                tokens[place, counts[place]] = held[-1]
                counts[place] += 1
            self.rows[row], done[place] = (held, left - counts[place]), left <= steps
        return self, SimpleNamespace(tokens=tokens, count=counts, done=done, complete=no, failed=no,
                                     steps=np.full(self.config.groups, steps))  # fmt: skip

    def _place(self, pages, position):
        return pages[position // self.config.page_tokens], position % self.config.page_tokens


def run(config, asked, rounds=3):
    """The runner, and the tokens of each choice of each request, submitted so many rounds apart."""
    runner = PagesRunner(config)
    scheduler, drawn = Scheduler(runner), []
    for one in asked:
        drawn.append({choice: [] for choice in range(len(one.seeds))})
        state = RequestState(one, lambda events, into=drawn[-1]: [into[e.choice].append(e.token) for e in events], None)
        scheduler.add(state)
        for _ in range(rounds):
            scheduler.step()
    for _ in range(2_000):
        if not scheduler.step() and not scheduler.running:
            break
    assert (scheduler.running, scheduler.waiting, scheduler.pages_used) == (0, 0, 0)
    return runner, drawn, scheduler


def expected(one):
    """What every choice of a request draws."""
    tokens = list(one.prompt.tokens)
    for _ in range(one.sampling.max_tokens):
        tokens.append(following(tokens))
    return tokens[len(one.prompt) :]


tails = st.lists(st.integers(0, 5), min_size=1, max_size=14)
prompts = st.builds(lambda head, tail: [head] * (4 * head) + tail, st.integers(0, 3), tails)
"""Some of which begin alike."""


@settings(max_examples=120, deadline=None)
@given(
    asked=st.lists(st.tuples(prompts, st.integers(1, 4), st.integers(1, 12)), min_size=1, max_size=10),
    groups=st.integers(1, 4),
    rounds=st.integers(0, 4),
    deterministic=st.booleans(),
)
def test_whatever_group_a_choice_is_in_its_pages_hold_what_is_its_own(asked, groups, rounds, deterministic):
    exact = {"deterministic": True, "prefill_shapes": ((1, 8),)} if deterministic else {}
    requests = [request(prompt, tuple(range(choices)), max_tokens=most) for prompt, choices, most in asked]
    _, drawn, _ = run(replace(SIZES, groups=groups, **exact), requests, rounds)
    for one, choices in zip(requests, drawn, strict=True):
        assert all(tokens == expected(one) for tokens in choices.values())


def test_requests_are_spread_out_so_that_no_group_computes_more_rows_than_needed():
    asked = [request([number] * 9, max_tokens=12) for number in range(6)]
    runner, *_ = run(replace(SIZES, groups=3), asked, rounds=0)
    assert runner.most == 2
    assert runner.prefilled == [[0, 0, 1, 1, 2, 2]]  # one call for the prompts of all groups


def test_a_prompt_goes_where_its_beginning_is_and_choices_where_their_siblings_are():
    config = replace(SIZES, groups=2)
    alike = [request([1] * 20 + [number], max_tokens=2) for number in range(3)]
    *_, scheduler = run(config, alike, rounds=40)
    assert scheduler.totals.cached_tokens == 2 * 20
    *_, scheduler = run(config, [request([1] * 20, (0, 1, 2), max_tokens=2)], rounds=40)
    assert [cache.num_evictable > 0 for cache in scheduler._rows.caches] == [True, False]
