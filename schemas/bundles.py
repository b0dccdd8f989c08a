"""Bundle card (`bundle.json`): everything a worker must know of a model before it loads it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from schemas.errors import DocumentRejected

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Field(pattern=r"^[\w.-]+(/[\w.-]+)*$", max_length=200)]
_STRICT = ConfigDict(frozen=True, extra="forbid")


class ModelIdentity(BaseModel):
    """Name, version and origin of the weights."""

    model_config = _STRICT

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    version: str = Field(min_length=1, max_length=60)
    architecture: str
    trained_at: AwareDatetime
    code_digest: str
    data_digest: str
    licences: tuple[str, ...]
    summary: str = Field(max_length=2000)


class InputGeometry(BaseModel):
    """What the engine is fed: uint8 [N, height, width, 3], RGB, whole frame, area-resampled."""

    model_config = _STRICT

    width: int = Field(default=224, ge=32, le=1024)
    height: int = Field(default=224, ge=32, le=1024)
    colour: Literal["rgb"] = "rgb"
    resample: Literal["area"] = "area"
    looks_per_second: float = Field(default=2.0, gt=0, le=60)
    """Sampling at which the operating point was chosen."""


class OperatingPoint(BaseModel):
    """The decision rule's constants; scores are calibrated probabilities."""

    model_config = _STRICT

    median_of: int = Field(ge=1, le=31)
    open_threshold: float = Field(gt=0, lt=1)
    close_threshold: float = Field(gt=0, lt=1)
    max_gap_s: float = Field(gt=0)
    cooldown_s: float = Field(ge=0)

    @model_validator(mode="after")
    def _hysteresis(self) -> OperatingPoint:
        if self.close_threshold > self.open_threshold:
            raise ValueError("close_threshold: expected at most open_threshold")
        return self


class ModelFile(BaseModel):
    """One file that an engine can load."""

    model_config = _STRICT

    file: FileName
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    precision: Literal["fp32", "fp16", "bf16", "int8"]
    format: Literal["onnx", "openvino", "tensorrt"] = "onnx"


class GoldenFrame(BaseModel):
    """A frame whose logit is known; checked at every load."""

    model_config = _STRICT

    file: FileName
    sha256: Sha256
    logits: dict[Literal["fp32", "fp16", "bf16", "int8"], float]
    """Expected logit by precision."""


class Interval(BaseModel):
    """A measured value with its 95 % interval."""

    model_config = _STRICT

    value: float
    low: float
    high: float


class BundleCard(BaseModel):
    """`bundle.json`. Files are named relative to the bundle and loaded only if digests match."""

    model_config = _STRICT

    schema_version: Literal["flagpost.bundle/1"] = "flagpost.bundle/1"
    model: ModelIdentity
    input: InputGeometry
    decision: OperatingPoint
    files: tuple[ModelFile, ...] = Field(min_length=1)
    golden: tuple[GoldenFrame, ...] = Field(min_length=1)
    tolerance: dict[Literal["fp32", "fp16", "bf16", "int8"], float]
    """Largest accepted |logit - golden logit| by precision, any backend."""
    metrics: dict[str, Interval] = Field(default_factory=dict)
    """Named results on unseen data, for people; no code reads them."""


def bundle_card_from_json(text: str | bytes) -> BundleCard:
    """Parses `bundle.json`.

    Raises:
        DocumentRejected: The text is no such card; names the field and what was expected.
    """
    try:
        return BundleCard.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise DocumentRejected(
            f"bundle.json: {where}: {first['msg']}, got {str(first['input'])[:80]!r}; "
            "see `flagpost schema bundle`"
        ) from error
