"""Bodies that come compressed: what is in them, under the limit of all bodies, and an error where they are broken."""

import gzip
import json
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.compression import DECODERS, TooLong, decompress
from handlers.http.errors import APIError

PATH = "/v1/chat/completions"
BODY = {"messages": [{"role": "user", "content": "Blåbærgrød 🙂"}], "seed": 0}


def raw_deflate(data):
    squeezed = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeezed.compress(data) + squeezed.flush()


ENCODERS = {
    "gzip": [gzip.compress, lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])],
    "deflate": [zlib.compress, raw_deflate],
    "br": [brotli.compress],
    "zstd": [
        zstandard.ZstdCompressor().compress,
        lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data),
    ],
}
WAYS = [(name, way) for name, ways in ENCODERS.items() for way in ways]


def test_every_decoder_is_tested():
    assert ENCODERS.keys() == DECODERS.keys()


@pytest.mark.parametrize(("name", "compress"), WAYS)
@given(data=st.binary(min_size=1, max_size=300), room=st.integers(0, 3))
def test_what_is_in_it_comes_out_and_not_a_byte_beyond_the_limit(name, compress, data, room):
    body = compress(data)
    assert decompress(body, name, len(data) + room) == data
    with pytest.raises(TooLong):
        decompress(body, name, len(data) - 1)


@pytest.mark.parametrize(("name", "compress"), WAYS)
def test_a_bomb_is_not_set_off(name, compress):
    body = compress(bytes(20_000_000))
    assert len(body) < 50_000
    with pytest.raises(TooLong):
        decompress(body, name, 1000)


@pytest.mark.parametrize(("name", "compress"), WAYS)
@given(cut=st.integers(0, 1000), junk=st.binary(max_size=40))
def test_what_is_broken_is_no_other_error_than_one_of_the_body(name, compress, cut, junk):
    body = compress(b"some text that is compressed")
    for broken in (body[: cut % len(body)], body[: cut % len(body)] + junk, junk):
        try:
            decompress(broken, name, 10_000)
        except APIError as error:
            assert error.status == 422 and name in error.message


@pytest.mark.parametrize(("name", "compress"), WAYS)
def test_a_compressed_request_is_answered_as_any(app, name, compress):
    headers = {"content-type": "application/json", "content-encoding": name}
    response = app.client.post(PATH, content=compress(json.dumps(BODY).encode()), headers=headers)
    assert response.status_code == 200
    assert response.json()["choices"] == app.client.post(PATH, json=BODY).json()["choices"]


@pytest.mark.parametrize("encoding", ["identity", "", "x-gzip", "GZIP"])
def test_other_names_of_known_encodings(app, encoding):
    raw = json.dumps(BODY).encode()
    body = gzip.compress(raw) if "gzip" in encoding.lower() else raw
    headers = {"content-type": "application/json", "content-encoding": encoding}
    assert app.client.post(PATH, content=body, headers=headers).status_code == 200


@pytest.mark.parametrize("encoding", ["compress", "gzip, gzip", "utf-8", "*"])
def test_an_encoding_that_is_not_known_is_415_with_those_that_are(app, encoding):
    headers = {"content-type": "application/json", "content-encoding": encoding}
    response = app.client.post(PATH, content=b"{}", headers=headers)
    assert response.status_code == 415 and response.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert encoding in response.json()["message"]


@pytest.mark.parametrize(("name", "compress"), WAYS)
def test_the_limit_of_a_body_is_that_of_what_is_in_it(fakes, name, compress):
    headers = {"content-type": "application/json", "content-encoding": name}
    with fakes.connected(max_body_bytes=1000) as app:
        for size, status in ((100, 200), (5000, 413)):
            body = compress(json.dumps({**BODY, "user": "x" * size}).encode())
            assert len(body) < 1000
            assert app.client.post(PATH, content=body, headers=headers).status_code == status
