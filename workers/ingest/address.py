"""What an operator may name as a source, and what FFmpeg may touch on its behalf.

Each kind of source gets the protocols and formats that it needs and no others: a playlist fetched
over HTTP can not name a file, a file can not name a server.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from workers.errors import ConfigurationRejected
from workers.redaction import redacted

_RECORDINGS: Final = (
    "mov,mp4,matroska,webm,mpegts,flv,avi,mpeg,mpegvideo,h264,hevc,obu,ivf,asf,ogg,mjpeg,mxf"
)
_RENDITIONS: Final = "hls,mpjpeg,live_flv,aac,mp3,ac3,eac3,webvtt"
_SUFFIXES: Final = (
    "mp4 m4v mov mkv webm ts mts m2ts flv avi mpg mpeg h264 264 hevc 265 obu ivf wmv ogv mjpeg mxf"
)
CLIP_SUFFIXES: Final = frozenset(f".{suffix}" for suffix in _SUFFIXES.split())
_EXPECTED: Final = (
    "a file, a directory of clips, http(s)://, rtsp(s)://, rtmp(s):// or a webcam "
    "(v4l2:/dev/video0)"
)


class SourceKind(StrEnum):
    """Where video comes from; decides how it is opened and whether it is live."""

    FILE = "file"
    DIRECTORY = "directory"
    HTTP = "http"
    RTSP = "rtsp"
    RTMP = "rtmp"
    WEBCAM = "webcam"


@dataclass(frozen=True, slots=True)
class Access:
    """What FFmpeg is allowed for one scheme: protocols, formats, further options."""

    kind: SourceKind
    protocols: str
    formats: str
    options: dict[str, str] = field(default_factory=dict)


_WEB_OPTIONS: Final = {"user_agent": "flagpost", "live_start_index": "-1"}
_FILE: Final = Access(SourceKind.FILE, "file", _RECORDINGS)
_WEBCAM: Final = Access(SourceKind.WEBCAM, "file", "video4linux2,v4l2")
_SCHEMES: Final = {
    "http": Access(
        SourceKind.HTTP,
        "http,https,tcp,tls,crypto,httpproxy",
        f"{_RECORDINGS},{_RENDITIONS}",
        _WEB_OPTIONS,
    ),
    "https": Access(
        SourceKind.HTTP,
        "https,tls,tcp,crypto,httpproxy",
        f"{_RECORDINGS},{_RENDITIONS}",
        _WEB_OPTIONS,
    ),
    "rtsp": Access(SourceKind.RTSP, "tcp", "rtsp,mpegts", {"rtsp_transport": "tcp"}),
    "rtsps": Access(SourceKind.RTSP, "tls,tcp", "rtsp,mpegts", {"rtsp_transport": "tcp"}),
    "rtmp": Access(SourceKind.RTMP, "rtmp,tcp", "flv,live_flv"),
    "rtmps": Access(SourceKind.RTMP, "rtmps,tls,tcp", "flv,live_flv"),
}


@dataclass(frozen=True, slots=True)
class SourceAddress:
    """One source as named; `location` may hold credentials and never reaches a log."""

    kind: SourceKind
    location: str = field(repr=False)

    @property
    def shown(self) -> str:
        """For logs, errors and messages."""
        return redacted(self.location)

    @property
    def is_recording(self) -> bool:
        """Known to have an end before it is opened."""
        return self.kind in (SourceKind.FILE, SourceKind.DIRECTORY)

    @property
    def access(self) -> Access:
        if self.kind is SourceKind.WEBCAM:
            return _WEBCAM
        return _SCHEMES.get(urlsplit(self.location).scheme.lower(), _FILE)

    def clips(self) -> tuple[SourceAddress, ...]:
        """The recordings behind it, in playing order; itself where it is no directory."""
        if self.kind is not SourceKind.DIRECTORY:
            return (self,)
        files = sorted(Path(self.location).iterdir(), key=lambda path: _natural(path.name))
        return tuple(SourceAddress(SourceKind.FILE, str(path)) for path in files if _is_clip(path))


def source_address(text: str) -> SourceAddress:
    """Reads a source as an operator writes it.

    Raises:
        ConfigurationRejected: Not a kind of source that is known, or a file that is not there.
    """
    if text.startswith("v4l2:"):
        return _webcam(text.removeprefix("v4l2:"))
    if text.startswith("/dev/video"):
        return _webcam(text)
    if "://" in text:
        return _network_address(text)
    return _local_address(Path(text).expanduser())


def default_stream_id(address: SourceAddress) -> str:
    """A readable name for the stream; tells apart what differs only in its hidden parts."""
    if address.kind in (SourceKind.FILE, SourceKind.DIRECTORY, SourceKind.WEBCAM):
        return _identifier(Path(address.location).stem or address.kind.value)
    parts = urlsplit(address.shown)
    name = _identifier(f"{parts.hostname or ''}{parts.path}".replace("***", "").rstrip("/.@"))
    hidden = address.shown != address.location
    digest = hashlib.blake2b(address.location.encode(), digest_size=4).hexdigest()
    return f"{name}-{digest}" if hidden else name


def _network_address(text: str) -> SourceAddress:
    try:
        parts = urlsplit(text)
        host = parts.hostname
    except ValueError as error:
        raise ConfigurationRejected(f"source {redacted(text)}: {error}") from error
    if parts.scheme.lower() == "file":
        return _local_address(Path(unquote(parts.path)))
    access = _SCHEMES.get(parts.scheme.lower())
    if access is None:
        raise ConfigurationRejected(
            f"source {redacted(text)}: got scheme {parts.scheme!r}, expected {_EXPECTED}"
        )
    if not host:
        raise ConfigurationRejected(f"source {redacted(text)}: no host, expected one after `//`")
    return SourceAddress(access.kind, text)


def _local_address(path: Path) -> SourceAddress:
    shown = redacted(str(path))
    if path.is_dir():
        address = SourceAddress(SourceKind.DIRECTORY, str(path.resolve()))
        if not address.clips():
            raise ConfigurationRejected(f"source {shown}: no clips in this directory")
        return address
    if not path.is_file():
        raise ConfigurationRejected(f"source {shown}: no such file; expected {_EXPECTED}")
    return SourceAddress(SourceKind.FILE, str(path.resolve()))


def _webcam(device: str) -> SourceAddress:
    if not Path(device).exists():
        raise ConfigurationRejected(f"source {device}: no such webcam; `ls /dev/video*` lists them")
    return SourceAddress(SourceKind.WEBCAM, device)


def _is_clip(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() in CLIP_SUFFIXES


def _natural(name: str) -> list[tuple[int, str]]:
    """`clip2` before `clip10`."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _identifier(text: str) -> str:
    return re.sub(r"[^\w.:@/+=~-]+", "-", text).strip("-")[:180] or "stream"
