"""Which addresses URLs of requests may lead to: those of the public internet, and no others.

Not `ipaddress.is_global`, whose answer depends on the version of Python.
"""

import ipaddress
import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# IANA's registry of special-purpose addresses, multicast, what is reserved, and the one of a cloud's metadata that lies
# among public ones (Azure's); those of other clouds are link-local, shared or unique-local.
_IPV4_REFUSED = [
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
]
# Outside of global unicast lie loopback, mapped IPv4, NAT64, unique-local, link-local and multicast addresses; within
# it are those that carry an IPv4 address (Teredo, 6to4), benchmarks and documentation.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_IPV6_REFUSED = [
    IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]
_NUMBERS = re.compile(r"(0[xX][0-9a-fA-F]*|[0-9]+)(\.(0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


def is_public(address: Address) -> bool:
    """Whether an address may be connected to."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _IPV4_REFUSED)
    inside = address in _GLOBAL_UNICAST and address.scope_id is None
    return inside and not any(address in network for network in _IPV6_REFUSED)


def literal(host: str) -> Address | None:
    """The address that a URL's host is by itself, also in forms such as 0x7f.1 and 2130706433; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip("."))) if _NUMBERS.fullmatch(host) else None
    except OSError:
        return None
