"""The registry: bundles by name and version, and channels that point at one of them.

A directory or any fsspec URL:

    bundles/NAME/VERSION/...     written once, card last, never changed
    channels/CHANNEL.json        {"name", "version", "digest"}; switched by one write

A worker names it as `URL#stable` and gets a local copy whose digests were checked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from engines.bundle import CARD_FILE, Bundle, bundle_from_directory, bundle_named
from engines.errors import EngineRejected, EngineUnavailable

CHANNELS: Final = ("stable", "candidate")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,80}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a channel points at: a bundle and the SHA-256 of its card."""

    name: str
    version: str
    digest: str


class Registry:
    """Bundles and channels below one root.

    Raises:
        EngineUnavailable: By every method: the registry does not answer, or refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._files, root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise EngineUnavailable(
                f"registry {url}: {error}; expected a directory or a URL that fsspec can open"
            ) from error
        self._root = root.rstrip("/")

    def publish(self, bundle: Bundle) -> Pointer:
        """Copies a bundle in, its card last, so that a half copy is never seen as a bundle.

        Raises:
            EngineRejected: A file is not what the card says, or the version is there already
                with other content.
        """
        bundle.verify()
        contents = bundle.contents()
        model = bundle.card.model
        pointer = Pointer(model.name, model.version, bundle.digest)
        place = self._place(pointer)
        if self._exists(f"{place}/{CARD_FILE}"):
            if self._digest(pointer) != bundle.digest:
                raise EngineRejected(
                    f"registry {self.url}: {model.name} {model.version} is there with other "
                    "content; a version never changes, choose a new one"
                )
            return pointer
        for name, data in contents.items():
            self._write(f"{place}/{name}", data)
        return pointer

    def point(self, channel: str, pointer: Pointer) -> None:
        """Switches a channel by one write.

        Raises:
            EngineRejected: The channel's name is not one, or the bundle is not there.
        """
        if not self._exists(f"{self._place(pointer)}/{CARD_FILE}"):
            raise EngineRejected(
                f"registry {self.url}: no bundle {pointer.name} {pointer.version}; publish it first"
            )
        self._write(self._channel(channel), json.dumps(asdict(pointer)).encode())

    def channel(self, channel: str) -> Pointer:
        """What a channel points at; raises EngineRejected where it points nowhere."""
        try:
            values = json.loads(self._read(self._channel(channel)))
            pointer = Pointer(str(values["name"]), str(values["version"]), str(values["digest"]))
        except EngineUnavailable as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            raise EngineRejected(
                f"registry {self.url}: channel {channel!r} points nowhere; "
                "`flagpost bundles channel`"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise EngineRejected(
                f"registry {self.url}: channel {channel!r}: no pointer: {error!r}"
            ) from error
        if not _DIGEST.fullmatch(pointer.digest):
            raise EngineRejected(
                f"registry {self.url}: channel {channel!r}: got digest {pointer.digest[:80]!r}, "
                "expected a SHA-256"
            )
        return pointer

    def bundles(self) -> list[Pointer]:
        """Every bundle, by name and version."""
        with self._answers():
            cards = self._files.glob(f"{self._root}/bundles/*/*/{CARD_FILE}")
        found: list[Pointer] = []
        for path in sorted(cards):
            *_, name, version, _ = path.split("/")
            found.append(Pointer(name, version, self._digest(Pointer(name, version, ""))))
        return found

    def fetch(self, pointer: Pointer, cache: Path) -> Bundle:
        """A local, verified copy; fetched once, renamed into place when whole.

        Raises:
            EngineRejected: What lies there is not what the pointer or the card says.
        """
        self._place(pointer)  # refuses names that would lead out of the cache
        target = cache / f"{pointer.name}-{pointer.version}-{pointer.digest[:16]}"
        if not target.exists():
            self._fill(pointer, target)
        bundle = bundle_from_directory(target)
        if bundle.digest != pointer.digest:
            raise EngineRejected(f"cached bundle {target}: its card was altered; delete the copy")
        bundle.verify()
        return bundle

    def _fill(self, pointer: Pointer, target: Path) -> None:
        """Fetches into the cache; of two processes that do so at once, either copy will do."""
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=target.parent))
        try:
            self._copy_out(pointer, partial)
            os.replace(partial, target)
        except OSError as error:
            if not target.exists():
                raise EngineUnavailable(f"registry {self.url}: {error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _copy_out(self, pointer: Pointer, target: Path) -> None:
        place = self._place(pointer)
        (target / CARD_FILE).write_bytes(self._read(f"{place}/{CARD_FILE}"))
        bundle = bundle_from_directory(target)
        if bundle.digest != pointer.digest:
            raise EngineRejected(
                f"registry {self.url}: the card of {pointer.name} {pointer.version} is not the one "
                "that the channel points at"
            )
        for name in bundle.file_names:
            path = bundle.path(name)  # a hostile card may name ../../.ssh/config
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._read(f"{place}/{name}"))
        bundle.verify()

    def _digest(self, pointer: Pointer) -> str:
        return hashlib.sha256(self._read(f"{self._place(pointer)}/{CARD_FILE}")).hexdigest()

    def _place(self, pointer: Pointer) -> str:
        for part in (pointer.name, pointer.version):
            _check_name(part)
        return f"bundles/{pointer.name}/{pointer.version}"

    def _channel(self, channel: str) -> str:
        if channel not in CHANNELS:
            raise EngineRejected(f"channel: got {channel!r}, expected {' or '.join(CHANNELS)}")
        return f"channels/{channel}.json"

    def _exists(self, path: str) -> bool:
        with self._answers():
            return bool(self._files.exists(f"{self._root}/{path}"))

    def _read(self, path: str) -> bytes:
        with self._answers():
            data: bytes = self._files.cat_file(f"{self._root}/{path}")
        return data

    def _write(self, path: str, data: bytes) -> None:
        """Whole or not at all: object stores write so, a directory needs the rename."""
        full = f"{self._root}/{path}"
        with self._answers():
            self._files.makedirs(full.rsplit("/", 1)[0], exist_ok=True)
            if isinstance(self._files, LocalFileSystem):
                _replace(Path(full), data)
            else:
                self._files.pipe_file(full, data)

    @contextmanager
    def _answers(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise EngineUnavailable(f"registry {self.url}: {error}") from error


def bundle_from_channel(reference: str, cache: Path) -> Bundle:
    """Opens `REGISTRY_URL#channel`.

    Raises:
        EngineRejected: The channel points nowhere, or at something else than it says.
        EngineUnavailable: The registry does not answer.
    """
    url, _, channel = reference.rpartition("#")
    registry = Registry(url)
    return registry.fetch(registry.channel(channel), cache)


def bundle_from_reference(reference: str, cache: Path) -> Bundle:
    """Opens a shipped bundle by name, a directory, or `REGISTRY_URL#channel`.

    Raises:
        EngineRejected: There is none, or it is not what it says.
        EngineUnavailable: The registry does not answer.
    """
    if "#" in reference:
        return bundle_from_channel(reference, cache)
    return bundle_named(reference)


def _replace(path: Path, data: bytes) -> None:
    """Writes under a name of its own first: two publishers at once must not share one."""
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(partial, 0o644)  # a temporary file is its owner's alone; a registry is read by all
        os.replace(partial, path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise EngineRejected(f"bundle name {name!r}: expected letters, digits, dots and dashes")
