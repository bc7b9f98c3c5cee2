import ipaddress

import pytest

from handlers.media.addresses import is_public, literal

_REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 169.254.169.254
169.254.170.2 168.63.129.16 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1
192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1
2001::1 2001:0:7f00:1::1 2001:2::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1 2002:a9fe:a9fe::1 3fff::1
5f00::1 fc00::1 fd00::1 fd00:ec2::254 fd12:3456:789a::1 fe80::1 fec0::1 ff02::1 ff0e::1
"""
_TAKEN = """
1.1.1.1 8.8.8.8 93.184.216.34 172.15.0.1 172.32.0.1 192.167.0.1 100.63.0.1 100.128.0.1 223.255.255.255
2001:4860:4860::8888 2606:2800:220:1:248:1893:25c8:1946 2a00:1450:4001::1 2400:cb00::1
"""
REFUSED, TAKEN = _REFUSED.split(), _TAKEN.split()


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_of_networks_that_are_not_public_are_refused(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", TAKEN)
def test_addresses_of_the_public_internet_are_taken(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", [a for a in REFUSED if a not in ("192.88.99.1", "168.63.129.16")])
def test_nothing_is_taken_that_the_library_knows_for_private_or_multicast(address):
    found = ipaddress.ip_address(address)
    assert not (is_public(found) and (found.is_private or found.is_multicast or found.is_link_local))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        *[(host, "127.0.0.1") for host in ("127.0.0.1", "127.1", "0x7f.1", "0X7F.0.0.1", "0177.0.0.1", "2130706433")],
        *[(host, "127.0.0.1") for host in ("0x7f000001", "017700000001", "127.0.1", "127.0.0.1.")],
        *[("0", "0.0.0.0"), ("169.254.43518", "169.254.169.254"), ("[::1]", "::1"), ("::7f00:1", "::7f00:1")],
        *[
            (host, None)
            for host in ("example.org", "127.0.0.1.example.org", "1.2.3.4.5", "0x7g.1", "256.1.1.1.", "a.1")
        ],
    ],
)
def test_hosts_that_are_addresses_are_read_as_connecting_reads_them(host, address):
    assert literal(host) == (None if address is None else ipaddress.ip_address(address))
