"""Checks of this machine: libraries, codecs, engine, evidence store, disk and limits."""

from __future__ import annotations

import importlib
import os
import resource
import shutil
import statistics
import time
from collections.abc import Iterable
from typing import Final

from av.codec import Codec
from av.codec.codec import UnknownCodecError
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from engines.bundle import Bundle
from engines.errors import EngineError, EngineUnavailable
from engines.opening import open_engine
from engines.registry import bundle_from_reference
from workers.errors import EvidenceUnavailable
from workers.moderation.evidence import EvidenceStore
from workers.operations.findings import Finding, Standing
from workers.redaction import redacted
from workers.settings import EngineSettings, EvidenceSettings

DECODERS: Final = {
    "h264": "h264",
    "hevc": "hevc",
    "libdav1d": "av1",
    "vp9": "vp9",
    "mjpeg": "jpeg",
    "png": "png",
    "webp": "webp",
}
"""FFmpeg's decoder -> the name people know; FFmpeg's own `av1` needs a GPU."""
OPEN_FILES: Final = 4096
DISK_BYTES: Final = 2 << 30
FRAMES_TIMED: Final = 30
WORTH_IT: Final = 1.3
"""How much slower than the fastest precision the chosen one may be without a note."""
INSTALL: Final = "pip install --force-reinstall flagpost"


def machine_findings(engine: EngineSettings, evidence: EvidenceSettings) -> list[Finding]:
    """Everything that needs no broker."""
    return [
        _checksums(),
        _decoders(DECODERS),
        *_engine(engine),
        *_evidence(evidence),
        _open_files(),
    ]


def _checksums() -> Finding:
    try:
        crc32c = importlib.import_module("crc32c")
    except ImportError:
        return Finding(
            "crc32c",
            Standing.WRONG,
            "missing: kafka-python then moves 30 messages a second instead of 600",
            "pip install 'kafka-python[crc32c]'",
        )
    how = "in hardware" if crc32c.hardware_based else "in software (C)"
    return Finding("crc32c", Standing.GOOD, f"computed {how}")


def _decoders(wanted: dict[str, str]) -> Finding:
    missing = [name for decoder, name in wanted.items() if not _has(decoder)]
    if missing:
        fact = f"no decoder for {', '.join(missing)}: such streams become dead letters"
        return Finding("decoders", Standing.WRONG, fact, "pip install --force-reinstall av")
    return Finding("decoders", Standing.GOOD, ", ".join(wanted.values()))


def _has(decoder: str) -> bool:
    try:
        Codec(decoder, "r")
    except UnknownCodecError:
        return False
    return True


def _engine(settings: EngineSettings) -> Iterable[Finding]:
    """Opens the configured engine, which also runs its golden frames; times its precisions."""
    subject = f"engine {settings.backend} {settings.precision}"
    try:
        bundle = bundle_from_reference(settings.bundle, settings.cache)
        open_engine(bundle, settings.backend, settings.precision, settings.device).close()
    except EngineError as error:
        mend = "set FLAGPOST_ENGINE_BUNDLE, _BACKEND, _PRECISION or _DEVICE"
        yield Finding(subject, Standing.WRONG, str(error), mend)
        return
    model = bundle.card.model
    fact = f"{model.name} {model.version} on {settings.device} checks out"
    yield Finding(subject, Standing.GOOD, fact)
    yield _precisions(settings, bundle)


def _precisions(settings: EngineSettings, bundle: Bundle) -> Finding:
    """What one frame costs in each precision that the bundle and this machine have, measured."""
    times: dict[str, float] = {}
    for precision in sorted(bundle.card.tolerance):
        try:
            times[precision] = _frame_s(settings, bundle, precision)
        except EngineUnavailable:
            continue  # this machine or backend does not have it
    fastest = min(times, key=lambda precision: times[precision])
    costs = ", ".join(f"{name} {1000 * time_s:.1f} ms" for name, time_s in times.items())
    fact = f"{costs} a frame on one core"
    if times[settings.precision] < WORTH_IT * times[fastest]:
        return Finding("precisions", Standing.GOOD, fact)
    return Finding("precisions", Standing.NOTE, fact, f"FLAGPOST_ENGINE_PRECISION={fastest}")


def _frame_s(settings: EngineSettings, bundle: Bundle, precision: str) -> float:
    """Median seconds of one frame on one thread, after the warm-up of the self-check."""
    engine = open_engine(bundle, settings.backend, precision, settings.device)
    times: list[float] = []
    for _ in range(FRAMES_TIMED):
        slot = engine.slot()
        started_s = time.perf_counter()
        engine.submit(slot, 1)
        engine.collect(slot)
        times.append(time.perf_counter() - started_s)
    engine.close()
    return statistics.median(times)


def _evidence(settings: EvidenceSettings) -> Iterable[Finding]:
    subject = f"evidence {redacted(settings.url)}"
    try:
        EvidenceStore(settings.url).check()
    except (EvidenceUnavailable, ImportError, ValueError) as error:
        yield Finding(subject, Standing.WRONG, redacted(str(error)), "set FLAGPOST_EVIDENCE_URL")
        return
    yield Finding(subject, Standing.GOOD, "takes, gives back and removes")
    files, root = url_to_fs(settings.url)
    if isinstance(files, LocalFileSystem):
        yield _disk(root)


def _disk(directory: str) -> Finding:
    free = shutil.disk_usage(directory).free
    fact = f"{free / (1 << 30):.1f} GiB free at {directory}"
    if free >= DISK_BYTES:
        return Finding("disk", Standing.GOOD, fact)
    return Finding(
        "disk",
        Standing.WRONG,
        f"{fact}, expected at least {DISK_BYTES >> 30}: flags would lose their pictures",
        f"make room, or set FLAGPOST_EVIDENCE_URL (du -sh {directory}/*)",
    )


def _open_files() -> Finding:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    cores = len(os.sched_getaffinity(0))
    fact = f"{limit} open files, {cores} cores"
    if limit >= OPEN_FILES:
        return Finding("limits", Standing.GOOD, fact)
    text = f"{fact}; many streams by reference need {OPEN_FILES} files"
    return Finding("limits", Standing.NOTE, text, f"ulimit -n {OPEN_FILES}")
