"""One process of an engine over several, see test_hosts.py: PORT PROCESSES PROCESS.

The first prints what it answers alone and with the others, and then why it cannot answer any more.
"""

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
from jax.sharding import Mesh

from backend.engine.adapters import AdapterLibrary
from backend.engine.engine import Engine
from backend.engine.hosts import Leader, LeadingRunner, agree, follow
from backend.engine.model_runner import ModelRunner
from backend.engine_plan import LoadOptions
from backend.load import join_hosts
from backend.models.decoder import Decoder
from backend.sharding import make_mesh
from tests.backend.engine.conftest import TOKENS, paged, request
from tests.backend.engine.split import SIZES, answers, make_decoder, spread
from tests.backend.models.adapters.writing import write_adapter

KV_HEADS = 4
WITH_ADAPTERS = replace(SIZES, adapter_buckets=(1,), adapter_rank=8, deterministic=True)


def library(runner: ModelRunner, mesh: Mesh | None = None) -> AdapterLibrary:
    """Of a runner's adapters."""
    assert runner.adapters is not None
    return AdapterLibrary(runner.adapters.base, runner.adapters.stacks, WITH_ADAPTERS.adapter_rank, 1 << 20, mesh)


def asked(decoder: Decoder, engine: Engine) -> list[object]:
    """What is answered without an adapter, and with each of two that share a slot and that this process alone has."""
    found = answers(engine)
    with tempfile.TemporaryDirectory() as folder:
        for seed in (1, 2):
            name = f"adapter {seed}"
            engine.load_adapter(name, write_adapter(Path(folder) / name, decoder, 4, ("q_proj", "up_proj"), seed=seed))
            events = engine.generate(replace(request([3, 1, 4], max_tokens=8), adapter=name))
            found.append([[e.choice, e.token, e.logprob, e.finish_reason] for e in events])
    assert found[-1] != found[-2]
    return found


def main(port: str, processes: int, process: int) -> None:
    hosts = join_hosts(f"127.0.0.1:{port}", processes, process)
    whole = make_decoder(KV_HEADS)
    mesh = make_mesh(jax.devices(), [KV_HEADS])
    sizes = agree(hosts, WITH_ADAPTERS if process == 0 else None)
    parts = (spread(whole, mesh), sizes, paged(whole), TOKENS)
    if not isinstance(hosts, Leader):
        follow(ModelRunner(*parts, mesh=mesh), hosts)
        return
    with jax.default_device(jax.local_devices()[0]):
        runner = ModelRunner(whole, WITH_ADAPTERS, paged(whole), TOKENS)
        by_itself = Engine(runner, adapters=library(runner))
        alone = asked(whole, by_itself)
        by_itself.close()
    leading = LeadingRunner(hosts, *parts, mesh=mesh)
    engine = Engine(leading, adapters=library(leading, mesh), leader=hosts)
    together = asked(whole, engine)
    print(json.dumps({"alone": alone, "together": together, "devices": len(jax.devices())}), flush=True)
    while engine.failure is None:
        time.sleep(0.1)
    print(engine.failure, flush=True)


if __name__ == "__main__":
    assert LoadOptions and np  # loaded before the processes meet, so that they meet at about the same time
    main(sys.argv[1], *map(int, sys.argv[2:]))
    os._exit(0)  # as the server ends: an orderly end waits for minutes for a process that has gone
