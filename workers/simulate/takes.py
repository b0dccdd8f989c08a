"""Takes on disk: `<take>.ts` and its sidecar `<take>.json`, which is written last."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from workers.simulate.errors import PoolRejected
from workers.simulate.scenes import Split
from workers.simulate.truth import Incident, Rule, Span


class Take(BaseModel):
    """What is known of one take; times are seconds from its first frame."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: Literal["flagpost.take/1"] = Field(default="flagpost.take/1", alias="schema")
    take: str
    file: str
    wad: str
    map: str
    scenario: str | None
    split: Split
    seed: int
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fps: float = Field(gt=0)
    duration_s: float = Field(gt=0)
    rule: Rule
    incidents: tuple[Incident, ...]
    ambiguous: tuple[Span, ...]


def write_take(pool: Path, take: Take, media: bytes) -> None:
    """Adds a take to a pool; readers see all of it or nothing."""
    _replace(pool / take.file, media)
    text = take.model_dump_json(by_alias=True, indent=1)
    _replace(pool / f"{take.take}.json", text.encode())


def read_take(sidecar: Path) -> Take:
    """Reads one sidecar.

    Raises:
        PoolRejected: It is no sidecar of a take; names the file and the field.
    """
    try:
        return Take.model_validate_json(sidecar.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        raise PoolRejected(
            f"{sidecar}: field {field or 'text'}: {first['msg']}; remove the file, or give another "
            "--pool"
        ) from error


def sidecars(pool: Path) -> list[Path]:
    """Sidecars of the complete takes of a pool, in order of name."""
    return sorted(pool.glob("*.json"))


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)
