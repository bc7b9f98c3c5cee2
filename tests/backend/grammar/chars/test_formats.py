"""Formats: what their languages hold satisfies two independent validators, and little that satisfies them is lost."""

import calendar
import random
from datetime import date, timedelta

import jsonschema
import jsonschema_rs
import pytest

from backend.grammar.chars.dfa import CharDfa
from backend.grammar.chars.formats import EXACT, NAMES, format_language

CHECKER = jsonschema.Draft202012Validator.FORMAT_CHECKER
NEIGHBOURS = "0123456789abfzT:/.-@%[]?#Z +_{}~é"

VALID = {
    "date": ["2024-02-29", "1999-12-31", "0001-01-01", "2000-02-29", "9999-12-31"],
    "time": ["00:00:00Z", "23:59:59.123456789+05:30", "12:00:00z", "12:00:00-00:00"],
    "date-time": ["2024-02-29T23:59:59Z", "1963-06-19t08:30:06.283185z", "1990-12-31T15:59:50.123-08:00"],
    "duration": ["P4DT12H30M5S", "P4Y", "PT0S", "P1M", "PT1M", "PT36H", "P2W", "P1YT1S"],
    "email": ["joe.bloggs@example.com", "te~st@example.com", "a+b@x", "1@2.3"],
    "hostname": ["www.example.com", "EXAMPLE.x1-2", "a" * 63 + ".com", "a-b.c", "1host", "a.b.c.d.e.f.g"],
    "ipv4": ["192.168.0.1", "255.255.255.255", "0.0.0.0"],
    "ipv6": ["::", "::1", "::abcd:ef12", "1:2:3:4:5:6:7:8", "1::d6:192.168.0.1", "1:2:3:4:5:6:7::", "::ffff:1.2.3.4"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "2EB8AA08-AA98-11EA-B4AA-73B441D16380"],
    "uri": [
        "http://foo.bar/?baz=qux#quux",
        "http://foo.com/blah_(wikipedia)_blah#cite-1",
        "http://-.~_!$&'()*+,;=:%40:80%2f::::::@example.com",
        "ldap://[2001:db8::7]/c=GB?objectClass?one",
        "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
        "mailto:John.Doe@example.com",
        "tel:+1-816-555-1212",
        "a:",
    ],
    "uri-reference": ["", "/abc", "abc", "#frag", "?q", "//example.com/x", "http://x/y", "../a:b"],
    "uri-template": ["http://example.com/{term:1}/{term}", "{+x,y}", "a{?q*}", "/é"],
    "json-pointer": ["", "/", "/foo/0", "/a~1b", "/m~0n", "/é"],
    "relative-json-pointer": ["0", "1#", "10/foo", "2/highly/nested"],
}

INVALID = {
    "date": ["2023-02-29", "1900-02-29", "2024-04-31", "2024-13-01", "24-01-01", "2024-1-1", "0000-01-01"],
    "time": ["24:00:00Z", "12:00:00", "12:60:00Z", "12:00:60Z", "12:00:00+24:00"],
    "date-time": ["2024-02-30T00:00:00Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00"],
    "duration": ["P", "PT", "P1YT", "P1Y1W", "PT1H1S", "4D", "P1D2H"],
    "email": ["a", "@b", "a@", ".a@b", "a.@b", "a..b@c", "a@b..c", "a" * 65 + "@b"],
    "hostname": ["", "-a", "a-", "a_b", "a" * 64, ".a", "a.", "ab--c", ".".join(["a" * 63] * 4)],
    "ipv4": ["256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4"],
    "ipv6": ["12345::", "1::2::3", ":1", "1:2:3:4:5:6:7:8:9", "::1%eth0", "1:2:3:4:5:6:7:8::", "::1.2.3.256"],
    "uuid": ["123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"],
    "uri": ["//foo", "abc", "http://a b", "http://a/%zz", "http://[::1", "1a:b", "a://b@c@d", ":a", "a:é"],
    "uri-reference": ["1:b", "\\a", "%", "a b"],
    "uri-template": ["{", "{a", "a b", "{}", "{a:0}"],
    "json-pointer": ["a", "/~", "/~2"],
    "relative-json-pointer": ["", "01", "-1", "0##", "a"],
}


def _word(language: CharDfa, draw: random.Random) -> str:
    """A random word: a walk that ends at accepting states now and then, and turns to the shortest way out when long."""
    state, text = 0, ""
    while True:
        row = language.next[state]
        if language.accept[state] and (not row or draw.random() < 0.15 or len(text) > 200):
            return text
        low, high, state = draw.choice(row)
        text += chr(draw.randint(low, min(high, low + 200)))


def _near(text: str, draw: random.Random) -> str:
    at, char = draw.randrange(len(text) + 1), draw.choice(NEIGHBOURS)
    return draw.choice([text[:at] + char + text[at:], text[:at] + char + text[at + 1 :], text[:at] + text[at + 1 :]])


def _valid(name: str, text: str) -> bool:
    """Whether both validators accept."""
    validator = jsonschema_rs.Draft202012Validator({"format": name}, validate_formats=True)
    return CHECKER.conforms(text, name) and validator.is_valid(text)


def test_every_format_has_its_cases_and_an_oracle():
    assert set(VALID) == set(INVALID) == NAMES
    assert set(CHECKER.checkers) >= NAMES
    assert format_language("regex") is None


@pytest.mark.parametrize("name", sorted(NAMES))
def test_known_cases(name):
    language = format_language(name)
    assert [text for text in VALID[name] if not language.matches(text)] == []
    assert [text for text in INVALID[name] if language.matches(text)] == []


@pytest.mark.parametrize("name", sorted(NAMES))
def test_members_and_near_misses_agree_with_the_validators(name):
    language, draw = format_language(name), random.Random(name)
    lost = []
    for _ in range(150):
        text = _word(language, draw)
        assert language.matches(text)
        assert _valid(name, text), text
        near = _near(text, draw)
        if language.matches(near):
            assert _valid(name, near), near
        elif _valid(name, near):
            lost.append(near)
    assert len(lost) <= (0 if name in EXACT else 2), lost


def test_dates_are_the_days_of_the_calendar():
    language = format_language("date")
    for first in (date(1899, 12, 1), date(1999, 12, 1), date(2023, 1, 1)):
        days = {str(first + timedelta(days)) for days in range(900)}
        spelled = {
            f"{year}-{month:02}-{day:02}"
            for year in {int(day[:4]) for day in days}
            for month in range(14)
            for day in range(33)
        }
        start, end = min(days), max(days)
        assert {text for text in spelled if start <= text <= end and language.matches(text)} == days


def test_leap_days_are_those_of_leap_years():
    language = format_language("date")
    years = [year for year in range(1, 10_000) if language.matches(f"{year:04}-02-29")]
    assert years == [year for year in range(1, 10_000) if calendar.isleap(year)]
