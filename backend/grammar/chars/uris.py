"""URIs and IRIs (RFC 3986, RFC 3987), their references and templates (RFC 6570), as regular expressions."""

_OCTET = r"(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
IPV4 = rf"({_OCTET}\.){{3}}{_OCTET}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _after_elision(groups: int) -> str:
    """At most so many groups of an IPv6 address, behind its "::"; an IPv4 address stands for two."""
    if groups < 2:
        return rf"({_GROUP})?" if groups else ""
    return rf"({_GROUP}(:{_GROUP}){{0,{groups - 1}}}|({_GROUP}:){{0,{groups - 2}}}{IPV4})?"


def _after_groups(read: int) -> str:
    """What completes an IPv6 address of which so many groups, and no "::", have been read."""
    if read == 8:
        return ""
    dotted = f"|{IPV4}" if read == 6 else ""
    return rf":(:{_after_elision(7 - read)}|{_GROUP}{_after_groups(read + 1)}{dotted})"


IPV6 = rf"({_GROUP}{_after_groups(1)}|::{_after_elision(7)})"

_PERCENT = "%[0-9A-Fa-f]{2}"
_PLAIN = r"A-Za-z0-9\-._~!$&'()*+,;="
_BEYOND_ASCII = r"\u{A0}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFEF}"


class _Identifier:
    """The parts of an identifier whose characters are _PLAIN and `more`."""

    def __init__(self, more: str) -> None:
        plain = _PLAIN + more
        segment = rf"([{plain}:@]|{_PERCENT})"
        host = rf"(([{plain}]|{_PERCENT})*|\[({IPV6}|v[0-9A-Fa-f]+\.[{_PLAIN}:]+)\])"
        authority = rf"(([{plain}:]|{_PERCENT})*@)?{host}(:\d*)?"
        rooted = rf"//{authority}(/{segment}*)*|/({segment}+(/{segment}*)*)?"
        first = rf"([{plain}@]|{_PERCENT})"
        self.tail = rf"(\?({segment}|[/?])*)?(#({segment}|[/?])*)?"
        self.paths = rf"(/{segment}*)+"
        self.absolute = rf"[A-Za-z][A-Za-z0-9+\-.]*:({rooted}|({segment}+(/{segment}*)*)?){self.tail}"
        self.reference = rf"({self.absolute})|({rooted}|({first}+(/{segment}*)*)?){self.tail}"


_URI, _IRI = _Identifier(""), _Identifier(_BEYOND_ASCII)
URI, URI_REFERENCE = _URI.absolute, _URI.reference
IRI, IRI_REFERENCE = _IRI.absolute, _IRI.reference
_LABEL = "[A-Za-z0-9]+(-[A-Za-z0-9]+)*"
URL = rf"(https?|ftp)://({_LABEL}\.)+[A-Za-z]{{2,63}}(:[1-9]\d{{1,3}})?({_URI.paths}{_URI.tail})?"
"""A URI of these schemes that names a host of a domain."""

_VARIABLE = rf"\w(\.?(\w|{_PERCENT}))*(:[1-9]\d{{0,2}}|\*)?"
_TEMPLATE_TEXT = rf"[!#$&()*+,\-./0-9:;=?@A-Z\[\]_a-z~{_BEYOND_ASCII}\u{{10000}}-\u{{1FFFD}}]|{_PERCENT}"
URI_TEMPLATE = rf"({_TEMPLATE_TEXT}|\{{[+#./;?&]?{_VARIABLE}(,{_VARIABLE})*\}})*"
