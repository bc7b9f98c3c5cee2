"""URLs of requests lead to public addresses, and nowhere else, whatever they and the names in them say."""

import asyncio
import socket
import threading

import pytest

from handlers.media.fetch import EVERYWHERE, Fetcher, FetchPolicy, environment_proxies
from handlers.media.limits import Budget, MediaError, MediaLimits
from tests.handlers.media.networks import OTHER_PUBLIC, PUBLIC, Network, redirect, response

NAMES = {
    "example.org": [[PUBLIC]],
    "both.example": [[PUBLIC, OTHER_PUBLIC]],
    "localhost": [["127.0.0.1", "::1"]],
    "ip6-localhost": [["::1"]],
    "intranet": [["10.1.2.3"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "mixed.example": [[PUBLIC, "192.168.0.1"]],
    "mixed6.example": [[PUBLIC, "fd00::1"]],
    "link.example": [["fe80::1%eth0"]],
    "mapped.example": [["::ffff:10.0.0.1"]],
    "nat64.example": [["64:ff9b::a00:1"]],
    "sixtofour.example": [["2002:a00:1::"]],
    "nothing.example": [[]],
    "garbage.example": [["no address"]],
    "127.0.0.1.nip.example": [["127.0.0.1"]],
    "rebinding.example": [[PUBLIC], ["127.0.0.1"]],
}
_HOSTILE = r"""
http://127.0.0.1/ http://127.0.0.1:8000/ http://127.1/ http://0x7f.1/ http://0x7f000001/ http://2130706433/
http://0177.0.0.1/ http://017700000001/ http://0/ http://0.0.0.0/ http://localhost/ http://LOCALHOST/
http://localhost./ http://ip6-localhost/ http://127.0.0.1.nip.example/ http://[::1]/ http://[::]/
http://[0:0:0:0:0:0:0:1]/ http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://[::127.0.0.1]/
http://[64:ff9b::7f00:1]/ http://[2002:7f00:1::]/ http://[fe80::1]/ http://[fe80::1%25eth0]/ http://[fd00:ec2::254]/
http://[ff02::1]/ http://10.0.0.1/ http://172.16.0.1/ http://192.168.1.1/ http://169.254.169.254/latest/meta-data/
http://169.254.43518/ http://2852039166/ http://100.100.100.200/ http://168.63.129.16/ http://metadata.google.internal/
http://intranet/ http://mixed.example/ http://mixed6.example/ http://link.example/ http://mapped.example/
http://nat64.example/ http://sixtofour.example/ http://nothing.example/ http://garbage.example/ http://unknown.example/
http://example.org@127.0.0.1/ http://127.0.0.1@example.org/ http://example.org:80@127.0.0.1/ http://a:b@example.org/
http://example.org\@127.0.0.1/ http://127.0.0.1\@example.org/ http://127.0.0.1#@example.org/
http://127.0.0.1?@example.org/ http://127.0.0.1%2f@example.org/ http://%31%32%37.0.0.1/ http://127。0。0。1/
http://１２７.0.0.1/ http://ⓛocalhost/ http:\\127.0.0.1\ http:///127.0.0.1/ http://:80/ http://example.org:22/
http://example.org:25/ http://example.org:0/ http://example.org:99999/ http://exam%70le.org/ http://[example.org]/
http://[::1 http:127.0.0.1 //127.0.0.1/ 127.0.0.1 /etc/passwd ../x javascript:alert(1) gopher://127.0.0.1:70/_x
ftp://example.org/x dict://127.0.0.1:11211/ ldap://127.0.0.1/ jar:http://example.org!/ blob:http://example.org/1
unix:///var/run/docker.sock ws://example.org/ httpss://example.org/ about:blank x:y file:///etc/passwd data:,x
"""
HOSTILE = [
    *_HOSTILE.split(),
    *("", " http://127.0.0.1/", "http://127.0.0.1 /", "http://exam\tple.org/", "http://a\r\nb/", "http://\0/"),
    *("http://" + "a" * 9000, "http://\ud800/"),
]


def fetcher_of(network, policy=EVERYWHERE, **limits):
    return Fetcher(policy, MediaLimits(**limits), resolve=network.resolve, connect=network)


def fetch(network, url, policy=EVERYWHERE, most=1 << 20, **limits):
    fetcher = fetcher_of(network, policy, **limits)
    try:
        return asyncio.run(fetcher.fetch(url, Budget(most)))
    finally:
        fetcher.close()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (it becomes true in another thread)
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def hostile_network():
    network = Network(NAMES, iter(lambda: response(b"a secret"), None))
    fetcher = fetcher_of(network)
    yield network, fetcher
    fetcher.close()


def test_there_are_enough():
    assert len(set(HOSTILE)) >= 80


@pytest.mark.parametrize("url", HOSTILE)
def test_a_url_that_leads_to_what_is_not_public_is_refused_before_anything_is_connected_to(hostile_network, url):
    network, fetcher = hostile_network
    with pytest.raises(MediaError):
        asyncio.run(fetcher.fetch(url, Budget(1000)))
    assert not network.connections


@pytest.mark.parametrize("url", HOSTILE)
@pytest.mark.parametrize("status", [302])
def test_and_so_is_a_redirect_to_it(url, status):
    target = (
        url.encode("utf-8", "surrogatepass").decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")
    )
    network = Network(NAMES, [response(status=status, location=target), *[response(b"a secret")] * 5])
    try:
        body = fetch(network, "https://example.org/a/b")
    except MediaError:
        body = None
    assert {host for host, _ in network.connections} == {PUBLIC}
    # What is no URL by itself may be a path on the host that has redirected: that one is public.
    assert body is None or not url.startswith(("http:", "//", "gopher:", "ftp:"))


def test_a_name_is_looked_up_once_and_the_connection_goes_to_that_address():
    network = Network(NAMES, [response(b"bytes")])
    assert fetch(network, "https://rebinding.example:8443/x?y#z") == b"bytes"
    assert network.connections == [(PUBLIC, 8443)] and network.look_ups == {"rebinding.example": 1}
    assert network.tls_names == ["rebinding.example"]
    assert network.sent.startswith(b"GET /x?y HTTP/1.1\r\n") and b"\r\nHost: rebinding.example:8443\r\n" in network.sent


def test_a_name_that_changes_its_answer_between_two_look_ups_is_refused_at_the_second():
    network = Network(NAMES, [redirect("http://rebinding.example/again"), response(b"a secret")])
    with pytest.raises(MediaError, match="rebinding.example, which is no host of the public internet"):
        fetch(network, "http://rebinding.example/")
    assert network.connections == [(PUBLIC, 80)]


def test_no_error_tells_an_address_or_whether_a_private_name_exists():
    errors = set()
    for name in ("intranet", "unknown.example"):
        with pytest.raises(MediaError) as caught:
            fetch(Network(NAMES), f"http://{name}/")
        errors.add(str(caught.value).replace(name, "NAME"))
    assert len(errors) == 1 and "10.1" not in errors.pop()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_three_redirects_are_followed_relative_ones_too(status):
    answers = [redirect("/b", status), redirect("//both.example/c", status), redirect("d?e", status), response(b"x")]
    network = Network(NAMES, answers)
    assert fetch(network, "http://example.org/a") == b"x"
    assert [line for line in network.sent.split(b"\r\n") if line.startswith((b"GET", b"Host"))] == [
        b"GET /a HTTP/1.1", b"Host: example.org", b"GET /b HTTP/1.1", b"Host: example.org",
        b"GET /c HTTP/1.1", b"Host: both.example", b"GET /d?e HTTP/1.1", b"Host: both.example",
    ]  # fmt: skip


def test_a_fourth_is_not():
    network = Network(NAMES, iter(lambda: redirect("/again"), None))
    with pytest.raises(MediaError, match="redirected more than 3 times"):
        fetch(network, "http://example.org/")
    assert len(network.connections) == 4 == network.closed


def test_where_one_address_does_not_answer_the_next_one_is_asked():
    network = Network(NAMES, [response(b"x")], unreachable=[PUBLIC])
    assert fetch(network, "http://both.example/") == b"x"
    assert network.connections == [(PUBLIC, 80), (OTHER_PUBLIC, 80)]
    with pytest.raises(MediaError, match="could not be fetched from example.org: refused"):
        fetch(Network(NAMES, unreachable=[PUBLIC]), "http://example.org/")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (response(b"x" * 2000), "more than 1,000 bytes"),
        (response(content_length=str(10**15)), "more than 1,000 bytes"),
        (iter([response(content_length=None), *[b"x" * 100] * 100]), "more than 1,000 bytes"),
        (response(b"x", content_encoding="gzip"), "encoding 'gzip', which was not asked for"),
        (response(b"x", 404), "answered with the status 404"),
        (response(b"x", 302), "answered with the status 302"),
        (response(b"x", content_length="5"), "could not be fetched from example.org"),
        (b"SSH-2.0-x\r\n", "could not be fetched from example.org"),
        (b"", "could not be fetched from example.org"),
        (iter([b"HTTP/1.1 200 OK\r\n", *[b"a: b\r\n" * 1000] * 1000]), "could not be fetched from example.org"),
    ],
)
def test_what_is_answered_is_limited_before_it_is_held(answer, message):
    network = Network(NAMES, [answer])
    with pytest.raises(MediaError, match=message):
        fetch(network, "http://example.org/", most=1000)
    assert network.read < 300_000 and network.closed


@pytest.mark.parametrize("answer", [[None], [response(content_length="9"), b"x", None]])
def test_what_takes_too_long_is_ended(answer):
    with pytest.raises(MediaError, match="was not fetched within 0.05 s"):
        fetch(Network(NAMES, [iter(answer)]), "http://example.org/", fetch_seconds=0.05)


def test_who_does_not_wait_any_more_ends_it():
    network = Network(NAMES, [iter([None])])
    fetcher = fetcher_of(network)

    async def leave():
        task = asyncio.create_task(fetcher.fetch("http://example.org/", Budget(10)))
        await until(lambda: network.sent)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: network.closed)

    asyncio.run(leave())
    fetcher.close()


def test_many_are_fetched_at_a_time():
    network = Network(NAMES, [[None]] * 50)
    fetcher = fetcher_of(network)

    async def all_wait():
        tasks = [asyncio.create_task(fetcher.fetch("http://example.org/", Budget(10))) for _ in range(50)]
        await until(lambda: len(network.connections) == 50)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    before = {thread for thread in threading.enumerate() if thread.name.startswith("media")}
    asyncio.run(all_wait())
    fetcher.close()
    assert {thread for thread in threading.enumerate() if thread.name.startswith("media")} <= before


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("http://example.org/", True),
        ("http://EXAMPLE.org./", True),
        ("http://a.example.org/", True),
        ("http://both.example/", False),
        ("http://badexample.org/", False),
        ("http://example.org.both.example/", False),
        (f"http://{PUBLIC}/", False),
    ],
)
def test_domains_are_those_that_are_allowed_and_those_below(url, taken):
    network = Network({**NAMES, "a.example.org": [[PUBLIC]], "example.org.": [[PUBLIC]]}, [response(b"x")])
    policy = FetchPolicy(domains=frozenset({"example.org"}))
    if taken:
        assert fetch(network, url, policy) == b"x"
    else:
        with pytest.raises(MediaError, match="not among --allowed-media-domains"):
            fetch(network, url, policy)
        assert not network.connections


def test_an_allowed_domain_does_not_make_a_private_address_public_nor_a_redirect_leave_it():
    policy = FetchPolicy(domains=frozenset({"intranet", "example.org"}))
    with pytest.raises(MediaError, match="no host of the public internet"):
        fetch(Network(NAMES), "http://intranet/", policy)
    with pytest.raises(MediaError, match="not among --allowed-media-domains"):
        fetch(Network(NAMES, [redirect("http://both.example/")]), "http://example.org/", policy)


def test_nothing_is_fetched_where_the_operator_says_so():
    network = Network(NAMES)
    with pytest.raises(MediaError, match="this server fetches nothing"):
        fetch(network, "http://example.org/", FetchPolicy(allowed=False))
    assert not network.look_ups


@pytest.mark.parametrize(
    ("environment", "refused"),
    [
        ({"http_proxy": "http://10.0.0.1:3128"}, True),
        ({"HTTP_PROXY": "http://10.0.0.1:3128"}, True),
        ({"all_proxy": "socks5://10.0.0.1"}, True),
        ({"https_proxy": "http://10.0.0.1:3128"}, False),
        ({"http_proxy": "http://10.0.0.1:3128", "no_proxy": "example.org"}, False),
        ({"http_proxy": "http://10.0.0.1:3128", "no_proxy": "*"}, False),
    ],
)
def test_a_host_behind_a_proxy_is_refused_whole(monkeypatch, environment, refused):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    network = Network(NAMES, [response(b"x")])
    if refused:
        with pytest.raises(MediaError, match="has a proxy in its environment"):
            fetch(network, "http://example.org/")
        assert not network.connections
    else:
        assert fetch(network, "http://example.org/") == b"x"
    assert environment_proxies()


def test_a_real_server_of_this_machine_sees_no_connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        fetcher = Fetcher()
        for host in ("127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(MediaError, match="no host of the public internet"):
                asyncio.run(fetcher.fetch(f"http://{host}:{listener.getsockname()[1]}/", Budget(10)))
        fetcher.close()
        with pytest.raises(TimeoutError):
            listener.accept()
