"""What the bench measures: all the streams asked for, each from its own prompt, the warm ones only."""

import asyncio

import pytest

from handlers.cli import bench
from handlers.cli.bench import OUTPUT_TOKENS, PROMPT_TOKENS, ROUNDS, measure
from handlers.cli.settings import BenchSettings
from handlers.loaded import LoadedModel


@pytest.fixture
def endless(fakes):
    """An engine whose answers end at max_tokens only."""

    class Endless(fakes.Generation):
        def _reply(self, choice):
            return []

    class Engine(fakes.Engine):
        generation = Endless

    return Engine(delay=0.0001)


@pytest.mark.parametrize("rows", [1, 3])
def test_every_round_has_its_streams_and_no_two_prompts_are_alike(endless, rows):
    speed = asyncio.run(measure(endless, rows))
    requests = [generation.request for generation in endless.generations]
    assert len(requests) == rows * (ROUNDS + 1) == len({request.prompt.tokens for request in requests})
    assert {len(request.prompt) for request in requests} == {PROMPT_TOKENS}
    assert all(generation.drawn == OUTPUT_TOKENS for generation in endless.generations)
    assert speed.tokens_per_second > 0 and 0 < speed.first_token < 10


def test_a_small_context_is_no_obstacle(endless):
    endless.context_length = 20
    asyncio.run(measure(endless, 1))
    request = endless.generations[0].request
    assert len(request.prompt) + request.sampling.max_tokens <= 20


def test_it_prints_one_line_and_asks_for_as_many_rows_as_it_measures(endless, fakes, monkeypatch, capsys):
    seen, ended = [], []
    parts = LoadedModel(endless, fakes.Tokenizer(), fakes.Compiler())
    monkeypatch.setattr("handlers.cli.local.load", lambda settings: seen.append(settings) or parts)
    monkeypatch.setattr(bench, "exit_at_once", ended.append)
    bench.bench(BenchSettings(model="owner/name", rows=2))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("owner/name: ") and " tokens/s (2 streams), first token after " in line
    assert seen[0].max_batch_size == 2 and ended == [0] and endless.closed
