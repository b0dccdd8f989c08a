"""Bundles: a directory with `bundle.json`, model files and golden frames, read digest by digest.

Bytes are read once, hashed, and those same bytes are used: a file that changes between the check
and the load is never run.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from engines.decision import IncidentRule
from engines.engine import Frames
from engines.errors import EngineRejected
from schemas.bundles import BundleCard, GoldenFrame, ModelFile, bundle_card_from_json
from schemas.errors import DocumentRejected

CARD_FILE: Final = "bundle.json"
SHIPPED: Final = Path(__file__).parent / "bundles"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle directory whose card is valid; files are checked when they are read."""

    directory: Path
    card: BundleCard
    digest: str
    """SHA-256 of the card, which names the digests of everything else."""

    @property
    def rule(self) -> IncidentRule:
        """The decision rule at the bundle's operating point."""
        return IncidentRule(**self.card.decision.model_dump())

    def model_file(self, precision: str, format_name: str = "onnx") -> ModelFile:
        """The file for a precision.

        bf16 has no file of its own: the fp32 file runs in it where the device can.

        Raises:
            EngineRejected: The bundle holds none.
        """
        wanted = "fp32" if precision == "bf16" else precision
        for file in self.card.files:
            if file.precision == wanted and file.format == format_name:
                return file
        held = ", ".join(f"{file.precision} {file.format}" for file in self.card.files)
        raise EngineRejected(
            f"bundle {self.card.model.name}: got no {wanted} {format_name} file, it holds {held}; "
            "choose one of these with FLAGPOST_ENGINE_PRECISION"
        )

    def path(self, name: str) -> Path:
        """Where a file of the card lies; raises EngineRejected where that is outside the bundle."""
        path = (self.directory / name).resolve()
        if not path.is_relative_to(self.directory.resolve()):
            raise EngineRejected(f"bundle file {name!r}: lies outside the bundle")
        return path

    def read(self, name: str, sha256: str) -> bytes:
        """The bytes of a file, if they are the ones the card names.

        Raises:
            EngineRejected: The file is missing, outside the bundle or altered.
        """
        path = self.path(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise EngineRejected(f"bundle file {path}: {error.strerror}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise EngineRejected(
                f"bundle file {path}: SHA-256 is {found}, the card says {sha256}; "
                "fetch the bundle again and do not use this copy"
            )
        return data

    def golden_frame(self, golden: GoldenFrame) -> Frames:
        """uint8 [height, width, 3] RGB of a golden frame."""
        data = self.read(golden.file, golden.sha256)
        try:
            with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
                pixels: Frames = np.asarray(picture.convert("RGB"))
        except (OSError, SyntaxError) as error:  # Pillow says SyntaxError for a broken PNG
            raise EngineRejected(f"golden frame {golden.file}: no PNG: {error}") from error
        expected = (self.card.input.height, self.card.input.width, 3)
        if pixels.shape != expected:
            raise EngineRejected(
                f"golden frame {golden.file}: got shape {pixels.shape}, expected {expected}"
            )
        return pixels

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every file that the card names, models first."""
        card = self.card
        return (*(file.file for file in card.files), *(golden.file for golden in card.golden))

    def contents(self) -> dict[str, bytes]:
        """The bytes of every file by name, the card last, each checked as it is read.

        Raises:
            EngineRejected: A file is missing or altered.
        """
        found = {file.file: self.read(file.file, file.sha256) for file in self.card.files}
        found |= {golden.file: self.read(golden.file, golden.sha256) for golden in self.card.golden}
        return found | {CARD_FILE: self.read(CARD_FILE, self.digest)}

    def verify(self) -> None:
        """Reads every file of the bundle against its digest; raises EngineRejected."""
        for file in self.card.files:
            self.read(file.file, file.sha256)
        for golden in self.card.golden:
            self.golden_frame(golden)


def bundle_from_directory(directory: Path) -> Bundle:
    """Opens a bundle.

    Raises:
        EngineRejected: There is no card, or it is not valid.
    """
    path = directory / CARD_FILE
    try:
        text = path.read_bytes()
    except OSError as error:
        raise EngineRejected(f"bundle {directory}: no readable {CARD_FILE}") from error
    try:
        card = bundle_card_from_json(text)
    except DocumentRejected as error:
        raise EngineRejected(f"bundle {directory}: {error}") from error
    return Bundle(directory, card, hashlib.sha256(text).hexdigest())


def shipped_bundles() -> list[str]:
    """Names of the bundles that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD_FILE}"))


def bundle_named(name: str) -> Bundle:
    """Opens a shipped bundle by name, or any bundle by its directory.

    Raises:
        EngineRejected: There is none; names the shipped ones.
    """
    if name in shipped_bundles():
        return bundle_from_directory(SHIPPED / name)
    directory = Path(name)
    if directory.is_dir():
        return bundle_from_directory(directory)
    raise EngineRejected(
        f"bundle {name!r}: neither a directory nor one of {', '.join(shipped_bundles()) or 'none'}"
    )
