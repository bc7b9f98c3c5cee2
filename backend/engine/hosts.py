"""One engine over the devices of several hosts: the first process decides, the others repeat what it dispatches.

Every process compiles the same programs and has its shards of weights and state. A program runs where all processes
call it with the same inputs, in the same order: so the leader tells the others of each call, and then makes it itself.
"""

import logging
import pickle
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partialmethod
from multiprocessing.connection import Client, Connection, Listener, wait
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from backend.engine.model_runner import ModelRunner
from backend.engine.state import DecodeState
from backend.models.adapters.stack import AdapterStacks

log = logging.getLogger(__name__)
SECRET_BYTES = 32
GIVE_STATE = ("init_state", "admit", "move_row", "copy_page")
"""Methods of `ModelRunner` that run a program on the state and give the next one."""
GIVE_MORE = ("decode", "prefill", "pool", "score")
"""Those that give the next state and something else."""
Lost = Callable[[str], None]


class Leader:
    """The leader's end of its connections to all other processes, its followers."""

    def __init__(self, followers: dict[Connection, int]) -> None:
        """followers: connections, with the index of the process at their other end."""
        self._followers = followers
        self._lost: Lost = log.critical
        self._closed = False
        threading.Thread(target=self._watch, name="followers", daemon=True).start()

    def tell(self, value: Any) -> None:
        """Sends a value to every follower. One that has gone is told of by `watch`."""
        message = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        for connection in self._followers:
            with suppress(OSError):
                connection.send_bytes(message)

    def watch(self, lost: Lost) -> None:
        """From now on `lost` is called, in another thread, when a follower has gone; the others are let go then."""
        self._lost = lost

    def close(self) -> None:
        """Lets the followers go: they end."""
        self._closed = True
        for connection in self._followers:
            connection.close()

    def _watch(self) -> None:
        gone = wait(list(self._followers))  # they say nothing, so what can be read is an end
        if not self._closed:
            index = self._followers[gone[0]]  # type: ignore[index]  # what is given is what was waited for
            self._lost(f"process {index} of {len(self._followers) + 1} has gone, with the devices of its host")
            self.close()


class Follower:
    """A follower's end of its connection to the leader."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def hear(self) -> Any:
        """What the leader tells next. Raises EOFError when it has let go."""
        try:
            return pickle.loads(self._connection.recv_bytes())
        except OSError as error:
            raise EOFError from error


def meet() -> Leader | Follower:
    """The connections between the processes of `jax.distributed`, which must have been initialised.

    The first one's address, port and secret go to the others through the devices' own exchange.
    """
    if jax.process_index() > 0:
        told = multihost_utils.broadcast_one_to_all(np.zeros(5 + SECRET_BYTES, np.int32))
        address, port, secret = ".".join(map(str, told[:4])), int(told[4]), bytes(told[5:].astype(np.uint8))
        connection = Client((address, port), authkey=secret)
        connection.send(jax.process_index())
        return Follower(connection)
    address, secret = socket.gethostbyname(socket.gethostname()), secrets.token_bytes(SECRET_BYTES)
    with Listener((address, 0), backlog=jax.process_count(), authkey=secret) as listener:
        parts = [*map(int, address.split(".")), listener.address[1], *secret]
        multihost_utils.broadcast_one_to_all(np.asarray(parts, np.int32))
        connections = [listener.accept() for _ in range(jax.process_count() - 1)]
    return Leader({connection: connection.recv() for connection in connections})


def agree(hosts: Leader | Follower, value: Any, names: Sequence[str] = ()) -> Any:
    """The leader's value in every process. Raises ValueError in a follower where one of these attributes differs.

    What each process finds out for itself, such as how much memory there is, may differ: the leader's counts.
    """
    if isinstance(hosts, Leader):
        hosts.tell(value)
        return value
    decided = hosts.hear()
    for name in names:
        own, its = getattr(value, name), getattr(decided, name)
        if own != its:
            flag = name.replace("_", "-")
            raise ValueError(f"--{flag} is {own} in process {jax.process_index()}, and {its} in process 0")
    return decided


class LeadingRunner(ModelRunner):
    """A `ModelRunner` whose every call is told to the followers first, under a lock: the order is one everywhere."""

    def __init__(self, leader: Leader, *args: Any, **options: Any) -> None:
        self._leader, self._order = leader, threading.Lock()
        super().__init__(*args, **options)

    def embed(self, *inputs: Any) -> Any:
        """See `ModelRunner.embed`."""
        with self._order:
            self._leader.tell(("embed", inputs))
            return super().embed(*inputs)

    @contextmanager
    def _uploading(self, base: int, image: np.ndarray) -> Iterator[None]:
        with self._order:
            self._leader.tell(("upload", (base, image)))
            yield

    @contextmanager
    def _placing(self, slot: int, one: AdapterStacks) -> Iterator[None]:
        with self._order:
            self._leader.tell(("place", (slot, one)))
            yield

    def call(self, name: str, *state_and_inputs: Any) -> Any:
        """Makes a call that takes the state, if there is one yet, and has the followers make it with theirs."""
        with self._order:
            self._leader.tell((name, state_and_inputs[1:]))
            return getattr(super(), name)(*state_and_inputs)


for _name in (*GIVE_STATE, *GIVE_MORE):
    setattr(LeadingRunner, _name, partialmethod(LeadingRunner.call, _name))


def follow(runner: ModelRunner, follower: Follower) -> None:
    """Repeats what the leader does with its runner, until it lets go."""
    state: DecodeState | None = None
    while True:
        try:
            name, inputs = follower.hear()
        except EOFError:
            log.info("the leader has let go")
            return
        match name:
            case "upload":
                runner.arena.upload(*inputs)
            case "place":
                assert runner.adapters is not None
                runner.adapters.place(*inputs)
            case "embed":
                runner.embed(*inputs)
            case "init_state":
                state = runner.init_state()
            case _:
                given = getattr(runner, name)(state, *inputs)
                state = given if name in GIVE_STATE else given[0]
