"""Evidence of a flag as the console may show it: checked against its digest, blurred, kept a while.

Blurred pictures are a few kilobytes and stay in memory, so that the next flag is there at once.
Clear ones are read anew each time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from schemas.flags import Flag
from workers.console import blur
from workers.console.signing import Level
from workers.errors import EvidenceUnavailable
from workers.moderation.evidence import EvidenceStore

BLURRED_KEPT: Final = 4096
"""At about 5 kB each."""
CLIPS_KEPT: Final = 3
PATIENCE: Final = timedelta(milliseconds=400)
"""How long a page waits for its pictures; what is late then still loads by itself."""
CLIP_NAME: Final = "clip.mp4"


class EvidenceChanged(EvidenceUnavailable):
    """What is stored is not what the worker stored."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of evidence: its name in addresses, where it lies, and what it must be."""

    name: str
    key: str
    sha256: str

    @property
    def is_clip(self) -> bool:
        return self.name == CLIP_NAME


def pieces(flag: Flag) -> Mapping[str, Piece]:
    """Every file of a flag's evidence by name: `01.jpg`, ..., `clip.mp4`."""
    found = {
        name: Piece(name, picture.key, picture.sha256)
        for picture in flag.evidence.pictures
        if (name := picture.key.rsplit("/", 1)[-1]) != CLIP_NAME
    }
    if flag.evidence.clip is not None:
        found[CLIP_NAME] = Piece(CLIP_NAME, flag.evidence.clip.key, flag.evidence.clip.sha256)
    return found


class Gallery:
    """Reads evidence for several threads at once."""

    def __init__(self, evidence: EvidenceStore) -> None:
        self._evidence = evidence
        self._kept: OrderedDict[Piece, bytes] = OrderedDict()
        self._keeping = threading.Lock()
        self._clips = lru_cache(CLIPS_KEPT)(self._read)
        self._ahead = ThreadPoolExecutor(2, thread_name_prefix="pictures")

    def read(self, piece: Piece, level: Level) -> bytes:
        """A file at one level.

        Raises:
            EvidenceUnavailable: It is gone, or the store does not answer.
            EvidenceChanged: It is not what the worker stored.
            PictureUnreadable: It is no picture.
        """
        if level is Level.BLURRED:
            return self._blurred(piece)
        if level is Level.CLIP:
            return self._clips(piece)
        data = self._read(piece)
        return blur.grey(data) if level is Level.GREY else data

    def look(self, flag: Flag) -> Mapping[str, str]:
        """Blurs a flag's pictures ahead; says of those that cannot be shown why, by name."""
        wanted = {
            name: self._ahead.submit(self._blurred, piece)
            for name, piece in pieces(flag).items()
            if not piece.is_clip and self._at_hand(piece) is None
        }
        done, _ = wait(wanted.values(), timeout=PATIENCE.total_seconds())
        return {
            name: _why(future)
            for name, future in wanted.items()
            if future in done and future.exception() is not None
        }

    def prepare(self, coming: Callable[[], Iterable[Flag]]) -> None:
        """Blurs pictures in the background, for whoever comes next; `coming` runs there, too."""
        self._ahead.submit(self._blur_all, coming)

    def close(self) -> None:
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def _blur_all(self, coming: Callable[[], Iterable[Flag]]) -> None:
        for flag in coming():
            for piece in pieces(flag).values():
                if not piece.is_clip and self._at_hand(piece) is None:
                    self._ahead.submit(self._blurred, piece)

    def _at_hand(self, piece: Piece) -> bytes | None:
        """What was blurred before: most pages need no other thread for it."""
        with self._keeping:
            if piece in self._kept:
                self._kept.move_to_end(piece)
            return self._kept.get(piece)

    def _blurred(self, piece: Piece) -> bytes:
        found = self._at_hand(piece)
        if found is None:
            found = blur.blurred(self._read(piece))
            with self._keeping:
                self._kept[piece] = found
                if len(self._kept) > BLURRED_KEPT:
                    self._kept.popitem(last=False)
        return found

    def _read(self, piece: Piece) -> bytes:
        data = self._evidence.get(piece.key)
        digest = hashlib.sha256(data).hexdigest()
        if digest != piece.sha256:
            raise EvidenceChanged(
                f"evidence {piece.key}: SHA-256 is {digest[:12]}, expected {piece.sha256[:12]}; "
                "it was changed after the worker stored it"
            )
        return data


def _why(future: Future[bytes]) -> str:
    error = future.exception()
    if isinstance(error, EvidenceChanged):
        return "changed since it was stored"
    if isinstance(error, blur.PictureUnreadable):
        return "not a picture"
    return "gone or out of reach"
