import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.media.data_url import read_data_url
from handlers.media.limits import Budget, MediaError


def read(url, most=1 << 20):
    return read_data_url(url, Budget(most))


@given(st.binary(max_size=200))
def test_bytes_come_back_however_they_are_written(data):
    plain = base64.b64encode(data).decode()
    url_safe = base64.urlsafe_b64encode(data).decode()
    for text in (plain, plain.rstrip("="), url_safe, quote(plain, safe=""), f" {plain}\n"):
        assert read(f"data:image/png;base64,{text}") == (data, "image/png")
    assert read(f"data:image/png,{quote(data, safe='')}") == (data, "image/png")


@pytest.mark.parametrize(
    ("url", "media_type"),
    [
        ("data:,x", None),
        ("data:;base64,eA==", None),
        ("DATA:image/PNG;charset=x;BASE64,eA==", "image/PNG"),
        ("data:audio/ogg; codecs=opus ;base64,eA==", "audio/ogg"),
        ("data: image/png ,x", "image/png"),
    ],
)
def test_the_type_is_what_stands_before_its_parameters(url, media_type):
    assert read(url) == (b"x", media_type)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data:", "without a comma"),
        ("data:image/png;base64", "without a comma"),
        ("data:image/png;base64,eA=A", "no base64"),
        ("data:image/png;base64,e", "no base64"),
        ("data:image/png;base64,é", "no base64"),
        ("data:image/png;base64,\ud800", "no base64"),
        ("data:image/png;base64,eA%3", "a percent sign and no two hexadecimal digits behind it"),
        ("data:image/png,%zz", "a percent sign and no two hexadecimal digits behind it, at 0"),
        ("data:image/png,é", "characters that no URL has"),
        ("data:image/png,\ud800", "characters that no URL has"),
    ],
)
def test_what_is_malformed_is_refused(url, message):
    with pytest.raises(MediaError, match=message):
        read(url)


@pytest.mark.parametrize("url", ["data:x;base64," + "A" * 4000, "data:,xxxx" + "x" * 1000, "data:," + "%41" * 1001])
def test_no_more_is_decoded_than_the_budget_has(url):
    with pytest.raises(MediaError, match="more than 1,000 bytes together"):
        read(url, 1000)
    budget = Budget(1000)
    read_data_url("data:," + "x" * 600, budget)
    with pytest.raises(MediaError, match="more than 1,000 bytes together"):
        read_data_url("data:," + "x" * 401, budget)
