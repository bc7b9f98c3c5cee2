"""One process of an engine over several, see test_hosts.py: PORT PROCESSES PROCESS.

The first prints what it answers alone and with the others, and then why it cannot answer any more.
"""

import json
import os
import sys
import time

import jax
import numpy as np

from backend.engine.engine import Engine
from backend.engine.hosts import Leader, LeadingRunner, agree, follow
from backend.engine.model_runner import ModelRunner
from backend.load import LoadOptions, join_hosts
from backend.sharding import make_mesh
from tests.backend.engine.conftest import TOKENS, paged
from tests.backend.engine.split import SIZES, answers, answers_of, make_decoder, spread

KV_HEADS = 4


def main(port: str, processes: int, process: int) -> None:
    hosts = join_hosts(f"127.0.0.1:{port}", processes, process)
    whole = make_decoder(KV_HEADS)
    mesh = make_mesh(jax.devices(), [KV_HEADS])
    sizes = agree(hosts, SIZES if process == 0 else None)
    parts = (spread(whole, mesh), sizes, paged(whole), TOKENS)
    if not isinstance(hosts, Leader):
        follow(ModelRunner(*parts, mesh=mesh), hosts)
        return
    with jax.default_device(jax.local_devices()[0]):
        alone = answers_of(ModelRunner(whole, SIZES, paged(whole), TOKENS))
    engine = Engine(LeadingRunner(hosts, *parts, mesh=mesh), leader=hosts)
    print(json.dumps({"alone": alone, "together": answers(engine), "devices": len(jax.devices())}), flush=True)
    while engine.failure is None:
        time.sleep(0.1)
    print(engine.failure, flush=True)


if __name__ == "__main__":
    assert LoadOptions and np  # loaded before the processes meet, so that they meet at about the same time
    main(sys.argv[1], *map(int, sys.argv[2:]))
    os._exit(0)  # as the server ends: an orderly end waits for minutes for a process that has gone
