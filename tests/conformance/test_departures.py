"""A client that leaves takes its rows and its places in line with it."""

import json
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conformance.chat import HELLO, PATH, QUEUE, ROWS, ending, read_error, wait_until

LONG = {"messages": HELLO, "max_tokens": 900, "eos_token": []}  # about a second alone


def leave_in_line(client, stack, **parameters):
    """Sends a long request on a connection of its own, which closes with the stack; returns the connection."""
    raw = json.dumps(LONG | parameters).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    address = (client.base_url.host, client.base_url.port)
    connection = stack.enter_context(socket.create_connection(address, timeout=60))
    connection.sendall(head.encode() + raw)
    return connection


@pytest.fixture(autouse=True)
def nothing_remains(server):
    """After each of these tests no row, place in line or page is held, and no request is counted as running."""
    yield
    figures = server.service.engine_stats
    wait_until(lambda: figures().running == figures().waiting == figures().pages_used == 0, 20)
    wait_until(lambda: not server.service.requests, 20)


def statuses(connections, count):
    """Of the first so many that begin to answer."""
    found = []
    while len(found) < count:
        ready = select.select(connections, [], [], 20)[0]
        assert ready, "fewer have begun to answer"
        found += [int(connection.recv(4096).split()[1]) for connection in ready]
        connections = [connection for connection in connections if connection not in ready]
    return sorted(found)


@pytest.mark.parametrize("stream", [True, False])
def test_a_full_queue_is_429_until_its_clients_leave(chat, client, stream):
    """All places that one client may have are taken for many seconds; the second round finds any that leaked."""
    fitting = QUEUE * 3 // 4 // ROWS
    for _ in range(2):
        with ExitStack() as stack:
            more = 8  # on a slow machine the first has ended by the time that the last is there
            connections = [leave_in_line(client, stack, n=ROWS, stream=stream) for _ in range(fitting + more)]
            if stream:
                begun = statuses(connections, fitting + more)
                assert begun[:fitting] == [200] * fitting and begun[-1] == 429
            else:
                assert statuses(connections, 1)[0] == 429
            refusal = chat.post(max_tokens=1, n=ROWS)
            assert refusal.status_code == 429 and int(refusal.headers["retry-after"]) >= 1
            assert read_error(refusal)["code"] == "queue_full"
        wait_until(lambda: chat.post(max_tokens=1).status_code == 200, 20)
        assert ending(chat.whole(max_tokens=3, eos_token=[])) == (3, "length")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("pattern", [None, "(a|b)*c{700}"])
def test_those_who_leave_the_line_do_so_while_others_run(client, server, stream, pattern):
    """With a pattern they may also leave while it is being compiled: at any moment of it, over the rounds."""
    figures = server.service.engine_stats
    body = {} if pattern is None else {"response_format": {"type": "regex", "schema": pattern}, "eos_token": None}
    for pause in (0, 0.01, 0.05, 0.2):
        with ExitStack() as running, ExitStack() as waiting:
            leave_in_line(client, running, n=ROWS, stream=True)
            wait_until(lambda: figures().running == ROWS, 20)
            for _ in range(5):
                leave_in_line(client, waiting, stream=stream, **body)
            time.sleep(pause)
            waiting.close()
            wait_until(lambda: figures().waiting == 0 and len(server.service.requests) <= 1, 5)


def test_streams_that_are_left_midway_free_their_rows(chat, client):
    with ExitStack() as stack:
        for _ in range(2 * ROWS):
            response = stack.enter_context(client.stream("POST", PATH, json={**LONG, "stream": True}))
            assert response.status_code == 200
            next(response.iter_lines())
            response.close()
    assert ending(chat.whole(max_tokens=3, eos_token=[])) == (3, "length")


def test_those_who_stay_are_not_disturbed_by_those_who_leave(chat, client):
    body = {"seed": 3, "temperature": 1, "max_tokens": 60, "eos_token": []}
    alone = chat.whole(**body)
    with ThreadPoolExecutor(2) as pool, ExitStack() as stack:
        staying = [pool.submit(chat.whole, **body) for _ in range(2)]
        for _ in range(3 * ROWS):
            leave_in_line(client, stack, stream=True)
        stack.close()
        answers = [future.result() for future in staying]
    assert [answer["choices"] for answer in answers] == [alone["choices"]] * 2
