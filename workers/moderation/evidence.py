"""The evidence store: pictures and clips of incidents, outside Redis, behind fsspec.

A local directory by default, any object store by URL. Writes happen on a few threads, so that a
slow store never holds up the streams that raised nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import fsspec
from fsspec.implementations.local import LocalFileSystem

from schemas.flags import Clip, Evidence, Flag, Picture
from schemas.frames import capture_time
from workers.errors import EvidenceUnavailable


@dataclass(frozen=True, slots=True)
class TakenPicture:
    """A JPEG of one look: Unix seconds of capture, score, bytes."""

    at_s: float
    score: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class CutClip:
    """Remuxed video: MP4 bytes and its true bounds in Unix seconds."""

    starts_s: float
    ends_s: float
    video: bytes


class EvidenceStore:
    """Keys below one root. A write is whole or not there at all."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._files, self._root = fsspec.core.url_to_fs(url)
        self._is_local = isinstance(self._files, LocalFileSystem)

    def check(self) -> None:
        """Writes, reads and removes a probe.

        Raises:
            EvidenceUnavailable: The store does not take it; says why.
        """
        self.put("probe", b"flagpost")
        if self.get("probe") != b"flagpost":
            raise EvidenceUnavailable(f"evidence store {self.url}: a probe came back changed")
        self._files.rm_file(self._path("probe"))

    def put(self, key: str, data: bytes) -> str:
        """Stores `data` under `key` and returns its SHA-256.

        Raises:
            EvidenceUnavailable: The store does not take it.
        """
        path = self._path(key)
        try:
            self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            if self._is_local:
                self._put_local(path, data)
            else:
                self._files.pipe_file(path, data)
        except OSError as error:
            raise EvidenceUnavailable(f"evidence store {self.url}: {error}") from error
        return hashlib.sha256(data).hexdigest()

    def get(self, key: str) -> bytes:
        """Reads what `put` stored; raises EvidenceUnavailable where it cannot."""
        try:
            data: bytes = self._files.cat_file(self._path(key))
        except OSError as error:
            raise EvidenceUnavailable(f"evidence {key}: {error}") from error
        return data

    def _path(self, key: str) -> str:
        if key.startswith("/") or ".." in key.split("/"):
            raise ValueError(f"evidence key {key!r}: expected a path below the store's root")
        return f"{self._root}/{key}"

    def _put_local(self, path: str, data: bytes) -> None:
        """Renames a finished file into place: a full disk must not leave half a picture."""
        partial = f"{path}.{os.getpid()}.part"
        try:
            with open(partial, "wb") as file:
                file.write(data)
            os.replace(partial, path)
        except OSError:
            if os.path.exists(partial):
                os.unlink(partial)
            raise


class EvidenceWriter:
    """Stores the evidence of a flag in the background."""

    def __init__(self, store: EvidenceStore, done: Callable[[], None], threads: int = 2) -> None:
        """`done` is called on a writer's thread after each write, to wake the loop."""
        self._store = store
        self._done = done
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="evidence")

    def write(
        self, flag: Flag, pictures: list[TakenPicture], clip: CutClip | None, missing: str | None
    ) -> Future[Evidence]:
        """Stores pictures and clip; the future holds what the flag must say.

        A store that refuses leaves `missing` set: a flag without pictures beats no flag.
        """
        future = self._pool.submit(self._stored, flag, pictures, clip, missing)
        future.add_done_callback(lambda _: self._done())
        return future

    def close(self) -> None:
        self._pool.shutdown(wait=True)

    def _stored(
        self, flag: Flag, pictures: list[TakenPicture], clip: CutClip | None, missing: str | None
    ) -> Evidence:
        # Days first, so that retention can drop whole folders.
        folder = f"{flag.opened_at:%Y/%m/%d}/{flag.flag_id}"
        kept: list[Picture] = []
        kept_clip: Clip | None = None
        try:
            for number, picture in enumerate(pictures):
                key = f"{folder}/{number:02}.jpg"
                digest = self._store.put(key, picture.jpeg)
                kept.append(
                    Picture(
                        key=key,
                        at=capture_time(picture.at_s),
                        score=picture.score,
                        sha256=digest,
                    )
                )
            if clip is not None:
                key = f"{folder}/clip.mp4"
                kept_clip = Clip(
                    key=key,
                    starts_at=capture_time(clip.starts_s),
                    ends_at=capture_time(clip.ends_s),
                    sha256=self._store.put(key, clip.video),
                )
        except EvidenceUnavailable as error:
            missing = str(error)
        return Evidence(pictures=tuple(kept), clip=kept_clip, missing=missing)
