"""The one function through which URLs and credentials reach a log, an error or a screen.

It knows addresses as text only and resolves nothing, so it never fails on bad input.
"""

from __future__ import annotations

import re
from typing import Final

MASK: Final = "***"
_URL: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>[^\s'\"<>|\\]+)")
_AUTHORIZATION: Final = re.compile(
    r"(?i)\b((?:proxy-)?authorization\s*[:=]\s*)(?:(basic|bearer|digest)\s+)?[^\r\n]+"
)
_ASSIGNMENT: Final = re.compile(
    r"(?i)\b([\w-]*(?:passw(?:or)?d|passwd|secret|token|signature|api[_-]?key|streamkey)"
    r"\s*[=:]\s*)(?!//)[^\s&;,'\"]+"
)
_PORT_ONLY: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::\d{0,5})?")
_OPAQUE_SEGMENT: Final = re.compile(r"(?<=/)[A-Za-z0-9_=~+-]{32,}(?=[./?#;]|$)")
_KEY_IN_PATH: Final = frozenset({"rtmp", "rtmps", "rtmpe", "rtmpt", "rtmpte", "rtmpts"})


def redacted(text: str) -> str:
    """Masks what may open a door in a URL, or in any text that holds URLs.

    Masked: user and password, every value of the query, the fragment, path elements of 32 or more
    opaque characters (signed addresses), the stream key of RTMP, authorization headers and
    `password=...`-like assignments. Scheme, host, port and the rest of the path stay readable.
    """
    text = _AUTHORIZATION.sub(lambda found: found[1] + MASK, text)
    text = _URL.sub(lambda found: _redacted_url(found["scheme"], found["rest"]), text)
    return _ASSIGNMENT.sub(lambda found: found[1] + MASK, text)


def _redacted_url(scheme: str, rest: str) -> str:
    place, mark, query = rest.partition("?")
    place, hash_mark, _ = place.partition("#")
    place = _without_user(place)
    if scheme.lower() in _KEY_IN_PATH:
        place = _without_stream_key(place)
    place = _OPAQUE_SEGMENT.sub(MASK, place)
    tail = f"#{MASK}" if hash_mark else ""
    if mark:
        tail += "?" + _without_values(query)
    return f"{scheme}://{place}{tail}"


def _without_user(place: str) -> str:
    """Masks up to the last `@`, unless that `@` is certainly part of the path.

    A password with an unescaped `/` or `@` would otherwise leave its end readable.
    """
    if "@" not in place:
        return place
    authority, _, _ = place.partition("/")
    if "@" not in authority and _PORT_ONLY.fullmatch(authority):
        return place
    return f"{MASK}@{place.rpartition('@')[2]}"


def _without_stream_key(place: str) -> str:
    host, slash, path = place.partition("/")
    application, deeper, key = path.partition("/")
    return f"{host}{slash}{application}/{MASK}" if deeper and key else place


def _without_values(query: str) -> str:
    """`a=1&b=2` becomes `a=***&b=***`; a part without `=` may be a token itself."""
    parts = re.split(r"[&;]", query)
    names = (part.partition("=") for part in parts)
    return "&".join(f"{name}={MASK}" if equals else MASK for name, equals, _ in names)
