"""Media by reference: fetched only from configured prefixes, with a size and a time limit.

A message must never make a worker call an address of its choosing, so a reference is compared
with the prefixes after normalisation, redirects are refused, and local paths are resolved first.
"""

from __future__ import annotations

import posixpath
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import IO, Final
from urllib.parse import unquote, urlsplit, urlunsplit

import fsspec

from workers.errors import ConfigurationRejected, DeadLettered, Retryable

TIMEOUT_S: Final = 5.0
PAUSES_S: Final = (0.3, 0.7, 1.5, 0.0)
"""Waits after each failed try of `read_patiently`."""
_WEB: Final = ("http", "https")


class ReferenceUnavailable(Retryable):
    """The place behind an allowed reference does not answer."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would lead to an address that no prefix allows."""

    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


class ReferenceReader:
    """Reads media behind `dataref`.

    Args:
        prefixes: Addresses that references may begin with, such as `https://cdn.example/live/` or
            `/srv/segments/`. Each ends with a slash.
        limit_bytes: Largest media accepted.

    Raises:
        ConfigurationRejected: A prefix does not end with a slash.
    """

    def __init__(self, prefixes: tuple[str, ...], limit_bytes: int) -> None:
        for prefix in prefixes:
            if not prefix.endswith("/"):
                raise ConfigurationRejected(
                    f"FLAGPOST_WORKER_DATAREF_PREFIXES: got {prefix!r}, expected a trailing slash: "
                    "without it `https://cdn.example` also allows `https://cdn.example.evil`"
                )
        self._prefixes = tuple(self._normalised(prefix) for prefix in prefixes)
        self._limit_bytes = limit_bytes
        self._web = urllib.request.build_opener(_NoRedirects)

    def check(self, reference: str) -> str:
        """The reference in normal form.

        Raises:
            DeadLettered: No prefix allows it.
        """
        address = self._normalised(reference)
        if not any(address.startswith(prefix) for prefix in self._prefixes):
            raise DeadLettered(
                "reference-not-allowed",
                f"ce_dataref: got {reference[:200]!r}, expected an address below one of "
                "FLAGPOST_WORKER_DATAREF_PREFIXES",
            )
        return address

    def read(self, reference: str) -> bytes:
        """Fetches the media.

        Raises:
            DeadLettered: Not allowed, not there, or too large.
            ReferenceUnavailable: The place does not answer now.
        """
        address = self.check(reference)
        try:
            with self._opened(address) as file:
                data = file.read(self._limit_bytes + 1)
        except FileNotFoundError as error:
            raise DeadLettered("reference-missing", f"{reference[:200]}: not there") from error
        except urllib.error.HTTPError as error:
            error.close()
            raise self._web_error(reference, error) from error
        except OSError as error:
            raise ReferenceUnavailable(f"{reference[:200]}: {error}") from error
        if len(data) > self._limit_bytes:
            raise DeadLettered(
                "too-large", f"{reference[:200]}: more than {self._limit_bytes} bytes of media"
            )
        return data

    def read_patiently(self, reference: str) -> bytes:
        """Like `read`, but asks a place that does not answer a few times.

        Raises:
            DeadLettered: Not allowed, not there, too large, or not answering for seconds.
        """
        for pause_s in PAUSES_S:
            try:
                return self.read(reference)
            except ReferenceUnavailable as error:
                last = error
                time.sleep(pause_s)
        raise DeadLettered("reference-unavailable", f"{last}, {len(PAUSES_S)} times")

    def _opened(self, address: str) -> IO[bytes]:
        if urlsplit(address).scheme in _WEB:
            opened: IO[bytes] = self._web.open(address, timeout=TIMEOUT_S)
        else:
            opened = fsspec.open(address, "rb").open()
        return opened

    @staticmethod
    def _web_error(reference: str, error: urllib.error.HTTPError) -> Exception:
        if error.code >= 500 or error.code == 429:
            return ReferenceUnavailable(f"{reference[:200]}: HTTP {error.code}")
        return DeadLettered("reference-missing", f"{reference[:200]}: HTTP {error.code}")

    @staticmethod
    def _normalised(reference: str) -> str:
        """Resolves `..`, escapes and links before anything is compared."""
        parts = urlsplit(reference)
        slash = "/" if reference.endswith("/") else ""
        if parts.scheme in ("", "file"):
            resolved = str(Path(unquote(parts.path)).resolve())
            return resolved.rstrip("/") + slash
        path = posixpath.normpath(unquote(parts.path) or "/")
        return urlunsplit((parts.scheme, parts.netloc, path.rstrip("/") + slash, "", ""))
