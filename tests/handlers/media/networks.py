"""A network of the tests: names, addresses, and what is answered at them."""

import asyncio
from collections import defaultdict

import httpcore

PUBLIC, OTHER_PUBLIC = "93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"


def response(body=b"", status=200, **headers):
    """The bytes of an HTTP response; `headers` with _ for -."""
    given = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in given.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode() + body


def redirect(location, status=302):
    return response(status=status, location=location)


class Stream(httpcore.AsyncNetworkStream):
    """What a server says, piece by piece; `sent` is what it was told, `names` those asked for in TLS."""

    def __init__(self, pieces, network):
        self.pieces, self.network = iter(pieces), network

    async def read(self, max_bytes, **_options):
        piece = next(self.pieces, b"")
        if piece is None:
            await asyncio.sleep(3600)
        self.network.read += len(piece)
        return piece

    async def write(self, buffer, **_options):
        self.network.sent += buffer

    async def aclose(self):
        self.network.closed += 1

    async def start_tls(self, ssl_context, server_hostname=None, **_options):
        self.network.tls_names.append(server_hostname)
        return self

    def get_extra_info(self, info):
        return None


class Network(httpcore.AsyncNetworkBackend):
    """names: each look-up of a name has the next of its answers, the last one for ever. answers: per connection."""

    def __init__(self, names=(), answers=(), unreachable=()):
        self.names = {name: [list(answer) for answer in found] for name, found in dict(names).items()}
        self.answers, self.unreachable = iter(answers), set(unreachable)
        self.look_ups, self.connections, self.tls_names = defaultdict(int), [], []
        self.sent, self.read, self.closed = b"", 0, 0

    async def resolve(self, host, port):
        if host not in self.names:
            raise OSError("no such host")
        at = min(self.look_ups[host], len(self.names[host]) - 1)
        self.look_ups[host] += 1
        return self.names[host][at]

    async def connect_tcp(self, host, port, *_options):
        self.connections.append((host, port))
        if host in self.unreachable:
            raise httpcore.ConnectError("refused")
        answer = next(self.answers)
        return Stream([answer] if isinstance(answer, bytes) else answer, self)
