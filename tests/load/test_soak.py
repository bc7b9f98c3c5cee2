"""Many clients for minutes against a real server, which is attacked meanwhile: every answer is what its request gets
alone, and nothing leaks."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import jax
import pytest
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from backend.grammar.service.compiler import MOST_PENDING
from tests.conformance.chat import PATH, said
from tests.load.catalogue import Body, catalogue
from tests.load.report import MEBIBYTE, Report, late
from tests.load.scenarios import Said, SimulatedClient, check_status
from tests.load.server import Server, serving

pytestmark = pytest.mark.slow

WARM_SECONDS = 30
ATTACK_SECONDS = 180  # that the last attacks may take longer
QUEUE = 240  # so that 200 clients fill it at times
QUIET_PART = 0.2  # of the time, before it is attacked
LATER = 2.0  # 99 of 100 answers take so many times as long at most while it is


@pytest.fixture(scope="session")
def soaked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The score of the whole run."""
    option, folder = request.config.getoption, tmp_path_factory.mktemp("soak")
    report = Report(exact=not option("--rounding"))
    flags = ["--max-queue", str(QUEUE), "--log-level", "warning"] + ["--deterministic"] * report.exact
    flags += ["--compilation-cache", jax.config.jax_compilation_cache_dir]
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bars, serving(folder, *flags) as server:
            known = answers(server, catalogue(option("--bodies")), bars)
            soak(server, report, known, option("--clients"), 60 * option("--minutes"), option("--attackers"), bars)
        report.show(console)
    return report


def answers(server: Server, bodies: list[Body], bars: Progress) -> list[tuple[Body, Said]]:
    """Each body with its answer, asked one by one."""
    with httpx.Client(base_url=server.url, timeout=300) as client:
        return [
            (body, said(check_status(client.post(PATH, json=body)).json()))
            for body in bars.track(bodies, description="asked alone")
        ]


def soak(
    server: Server,
    report: Report,
    known: list[tuple[Body, Said]],
    clients: int,
    seconds: float,
    attackers: int,
    bars: Progress,
) -> None:
    """A short run before the first look at the server, because its thread pools grow with the first; then a quiet part,
    and the rest under attack."""
    with attacked(server, Report(report.exact), WARM_SECONDS, attackers):
        asyncio.run(run_clients(server, Report(report.exact), known, clients, WARM_SECONDS, bars))
    server.settle()
    report.before = settled_level(server)
    began = time.monotonic()
    if attackers:
        asyncio.run(run_clients(server, report, known, clients, QUIET_PART * seconds, bars))
        report.end_quiet_part()
        seconds *= 1 - QUIET_PART
    with attacked(server, report, seconds, attackers):
        asyncio.run(run_clients(server, report, known, clients, seconds, bars))
    report.seconds = time.monotonic() - began
    server.settle()
    report.after = settled_level(server)
    report.metrics = server.metrics()
    for body, expected in answers(server, [body for body, _ in report.unseeded], bars):
        (got,) = (said for asked, said in report.unseeded if asked is body)
        report.compare(got, expected, body)


@contextmanager
def attacked(server: Server, report: Report, seconds: float, attackers: int) -> Iterator[None]:
    """Meanwhile a process attacks the server for so many seconds; `report` gets what was answered."""
    if not attackers:
        yield
        return
    command = [sys.executable, "-m", "tests.attack", server.url, str(seconds), str(attackers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        yield
        told, _ = process.communicate(timeout=ATTACK_SECONDS)
    assert process.returncode == 0
    found = json.loads(told)
    report.attacks.update({(name, status): count for name, status, count in found["seen"]})
    for wrong in found["wrong"]:
        report.fail(f"the answer to an attack: {wrong}")


def settled_level(server: Server):
    """The counts, when they have stopped falling: connections and threads take a moment to end."""
    level, since = server.level(), time.monotonic()
    while time.monotonic() - since < 5:
        time.sleep(1)
        if (now := server.level()) != level:
            level, since = now, time.monotonic()
    return level


async def run_clients(
    server: Server, report: Report, known: list[tuple[Body, Said]], clients: int, seconds: float, bars: Progress
) -> None:
    """`clients` that ask one thing after the other for so many seconds."""
    end = time.monotonic() + seconds
    task = bars.add_task(f"{clients} clients", total=round(seconds))

    async def client(seed: int) -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=300) as http:
            simulated = SimulatedClient(http, report, known, seed)
            while time.monotonic() < end:
                await simulated.run_one()

    async def watch() -> None:
        while (left := end - time.monotonic()) > 0:
            report.resident.append(server.resident())
            bars.update(task, completed=round(seconds - left))
            await asyncio.sleep(1)

    await asyncio.gather(watch(), *(client(seed) for seed in range(clients)))


def test_every_answer_is_the_one_that_its_request_gets_alone(soaked: Report) -> None:
    """Also every refusal, every status, and every stream whole: see `SimulatedClient`."""
    assert soaked.failures == []
    assert soaked.tipped * 10_000 <= max(soaked.compared, 10_000)


def test_clients_came_in_every_way_and_many_answers_were_compared(soaked: Report) -> None:
    assert len({way for way, _ in soaked.outcomes}) == 9
    assert soaked.compared > 1000 and {"right", "hung up"} <= {outcome for _, outcome in soaked.outcomes}


def test_attacks_make_nobody_wait_for_long(soaked: Report) -> None:
    if soaked.attacks:
        assert late(soaked.latencies) < LATER * late(soaked.quiet_latencies)
        assert late(soaked.first_tokens) < LATER * late(soaked.quiet_first_tokens)


def test_nothing_runs_or_holds_pages_when_all_have_gone(soaked: Report) -> None:
    assert soaked.metrics["jaxchat_pages_used"] == 0
    assert soaked.metrics["jaxchat_rows_running"] == soaked.metrics["jaxchat_choices_waiting"] == 0
    assert soaked.metrics["friendli_current_requests"] == 0


def test_nothing_was_compiled_under_load(soaked: Report) -> None:
    assert soaked.metrics["jaxchat_compilations_total"] == 0


def test_threads_tasks_and_descriptors_are_as_many_as_before(soaked: Report) -> None:
    """Of threads there may be more: those that wait for grammars are made as they are needed, and stay."""
    assert replace(soaked.after, threads=soaked.before.threads) == soaked.before
    assert soaked.after.threads <= soaked.before.threads + MOST_PENDING


def test_memory_does_not_grow(soaked: Report) -> None:
    begun, end = soaked.growth()
    assert end - begun < max(0.03 * begun, 20 * MEBIBYTE)
