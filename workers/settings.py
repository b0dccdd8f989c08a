"""Settings of every process: read once at its start, from the environment or one file.

Names in the environment are `FLAGPOST_` + group + field, such as `FLAGPOST_KAFKA_BOOTSTRAP`. The
file (`--config FILE`, or `FLAGPOST_CONFIG`) holds the same lines, `NAME=value`, of all groups; the
environment wins. An unknown name in the file or a value that does not fit stops the start; unknown
names in the environment are told by `flagpost worker` and `flagpost doctor`, for other software
puts names there, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Final, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workers.errors import ConfigurationRejected

MIB = 1 << 20


def _split(text: object) -> object:
    return tuple(filter(None, text.split(","))) if isinstance(text, str) else text


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class KafkaSettings(BaseSettings):
    """How to reach Kafka, and the topics' names."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_KAFKA_", frozen=True, extra="ignore")

    bootstrap: str = "127.0.0.1:9092"
    client: Literal["kafka-python", "librdkafka"] = "kafka-python"
    frames_topic: str = "flagpost.frames"
    dead_letters_topic: str = "flagpost.dead-letters"
    truth_topic: str = "flagpost.truth"
    group: str = "flagpost"
    instance_id: str | None = None
    """Stable name of this worker: a restart keeps its partitions (static membership)."""
    session_timeout: timedelta = timedelta(seconds=10)
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_cafile: Path | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    max_message_bytes: int = Field(default=8 * MIB, ge=MIB)
    """Largest message that topics and clients take; `flagpost topics create` sets it."""
    bootstrap_timeout: timedelta = timedelta(seconds=12)


class RedisSettings(BaseSettings):
    """How to reach Redis, and the queue's name."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_REDIS_", frozen=True, extra="ignore")

    url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """redis:// or rediss:// with user and password where the server has them."""
    queue: str = Field(default="violence", pattern=r"^[\w.-]+$")
    timeout: timedelta = timedelta(seconds=2)
    min_replicas: int = Field(default=0, ge=0)
    """Replicas that must hold a flag before its offset is committed (WAIT)."""


class EvidenceSettings(BaseSettings):
    """Where pictures and clips go."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_EVIDENCE_", frozen=True, extra="ignore")

    url: str = "evidence"
    """A directory, or an object store by URL (s3://..., gs://...; needs its fsspec driver)."""
    pre_roll: timedelta = timedelta(seconds=6)
    pictures: int = Field(default=6, ge=1, le=20)


class EngineSettings(BaseSettings):
    """Which model runs, and on what."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_ENGINE_", frozen=True, extra="ignore")

    bundle: str = "gameplay-s0"
    """A shipped bundle's name, a directory, or `REGISTRY_URL#channel`."""
    backend: Literal["openvino", "onnxruntime", "tensorrt"] = "openvino"
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    device: str = "cpu"
    cache: Path = Path(".cache") / "bundles"
    """Where bundles of a registry are kept."""


class WorkerSettings(BaseSettings):
    """The moderation worker."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_WORKER_", frozen=True, extra="ignore")

    children: int | None = Field(default=None, ge=1, le=256)
    """Decoder processes; one per core where nothing is said."""
    composition: Literal["per-child", "batched"] = "per-child"
    """`per-child`: each child decodes and infers (CPU). `batched`: one engine, batches (GPU)."""
    memory: int = Field(default=256 * MIB, ge=16 * MIB)
    """Bytes of encoded media held at once, pre-roll included."""
    segment_time_limit: timedelta = timedelta(seconds=5)
    max_pixels: int = Field(default=3840 * 2160, ge=64 * 64)
    looks_per_second: float | None = Field(default=None, gt=0, le=60)
    """Frames scored per second of stream; the bundle's own where nothing is said."""
    max_batch: int = Field(default=16, ge=1, le=256)
    batch_deadline: timedelta = timedelta(milliseconds=20)
    max_per_stream_in_batch: int = Field(default=4, ge=1)
    drain_deadline: timedelta = timedelta(seconds=10)
    max_consecutive_dead_letters: int = Field(default=50, ge=1)
    dataref_prefixes: Names = ()
    """Addresses that media may be fetched from, comma-separated; empty: none."""
    journal: Path | None = None
    """File that keeps every flag for `flagpost queue recover`."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9108, ge=0, le=65535)
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class IngestSettings(BaseSettings):
    """`flagpost ingest`."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_INGEST_", frozen=True, extra="ignore")

    segment_duration: timedelta = timedelta(seconds=2)
    read_timeout: timedelta = timedelta(seconds=10)
    backoff_min: timedelta = timedelta(milliseconds=500)
    backoff_max: timedelta = timedelta(seconds=30)
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class ConsoleSettings(BaseSettings):
    """The review console: where it listens, who may sign in, how long things last."""

    model_config = SettingsConfigDict(env_prefix="FLAGPOST_CONSOLE_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    port: int = Field(default=8480, ge=0, le=65535)
    """0 takes a free one and says which."""
    workers: int = Field(default=1, ge=1, le=64)
    """Processes that answer. One uses one core: hundreds of people at a human pace."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^/\s]+$")
    """Address that browsers use, such as https://review.example.org; needed behind a proxy."""
    hosts: Names = ()
    """More host names that may stand in an address, comma-separated."""
    state: Path = Path(".cache") / "console"
    """Directory of the signing secret, the local users, the service tokens and the audit log."""
    sign_in: Literal["link", "local", "oidc", "proxy"] = "link"
    """The one way to sign in: one-time links, passwords, OpenID Connect or a trusted proxy."""
    session_idle: timedelta = timedelta(minutes=30)
    session_limit: timedelta = timedelta(hours=10)
    link_lifetime: timedelta = timedelta(minutes=15)
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_roles_claim: str = "roles"
    """Claim of the ID token that lists roles; dots go down, as in `realm_access.roles`."""
    oidc_role_prefix: str = ""
    """What stands before a role's name in that claim, such as `flagpost-`."""
    oidc_name_claim: str | None = None
    """Claim used as the reviewer's name; a stable pseudonym where nothing is said."""
    proxy_peers: Names = ()
    """Networks of proxies whose headers are believed, comma-separated; empty: none. Beside names,
    they say whom sign-ins are counted against, so list a proxy with TLS here, too."""
    proxy_name_header: str = "X-Forwarded-User"
    proxy_roles_header: str = "X-Forwarded-Groups"
    lease: timedelta = timedelta(minutes=3)
    undo_window: timedelta = timedelta(seconds=10)
    second_review_share: float = Field(default=0.0, ge=0, le=1)
    """Share of flags that two people look at, chosen by a hash of the flag's id."""
    claims_per_minute: int = Field(default=60, ge=1)
    """Claims of one person, so that nobody empties the queue."""
    sign_ins_per_minute: int = Field(default=10, ge=1)
    """Attempts for one name; five times as many from one address."""
    media_lifetime: timedelta = timedelta(seconds=60)
    """How long a signed address of a picture or clip works."""
    shift: timedelta = timedelta(hours=10)
    """Exposure is counted over this long."""
    exposure_prompt: int = Field(default=60, ge=1)
    """Pictures seen clear in a shift, after which a break is suggested."""
    exposure_cap: int = Field(default=240, ge=1)
    """Pictures seen clear in a shift, after which no more are shown."""
    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


GROUPS: Final[tuple[type[BaseSettings], ...]] = (
    KafkaSettings,
    RedisSettings,
    EvidenceSettings,
    EngineSettings,
    WorkerSettings,
    IngestSettings,
    ConsoleSettings,
)
CONFIG: Final = "FLAGPOST_CONFIG"
Settings = TypeVar("Settings", bound=BaseSettings)


def read_settings(kind: type[Settings], config: Path | None = None) -> Settings:
    """Reads one group of settings.

    Args:
        kind: The settings class.
        config: File of `NAME=value` lines; `FLAGPOST_CONFIG` where None.

    Raises:
        ConfigurationRejected: Names the variable, what it held and what was expected.
    """
    file = config or (Path(os.environ[CONFIG]) if CONFIG in os.environ else None)
    if file is not None:
        _check_names(file)
    try:
        return kind(_env_file=file)
    except ValidationError as error:
        prefix = str(kind.model_config.get("env_prefix", ""))
        first = error.errors(include_url=False, include_input=False)[0]
        name = prefix + "_".join(str(part) for part in first["loc"]).upper()
        raise ConfigurationRejected(f"{name}: {first['msg']}") from error


def unknown_names(names: Iterable[str]) -> dict[str, str]:
    """Names that are no setting of any process, each with the one that may have been meant."""
    known = [
        str(group.model_config["env_prefix"]) + field.upper()
        for group in GROUPS
        for field in group.model_fields
    ]
    return {
        name: next(iter(get_close_matches(name.upper(), known, 1)), "")
        for name in names
        if name.upper() not in {*known, CONFIG}
    }


def strange_environment() -> list[str]:
    """What the environment holds that looks like a setting and is none, in words."""
    names = [name for name in os.environ if name.upper().startswith("FLAGPOST_")]
    return [unknown_text(name, meant) for name, meant in unknown_names(names).items()]


def unknown_text(name: str, meant: str) -> str:
    """One unknown name in words."""
    return f"{name}: no such setting" + (f"; did you mean {meant}?" if meant else "")


def _check_names(file: Path) -> None:
    if not file.is_file():
        raise ConfigurationRejected(f"settings file {file}: no such file")
    names = list(dotenv_values(file))
    for name, meant in unknown_names(names).items():
        raise ConfigurationRejected(f"settings file {file}: {unknown_text(name, meant)}")
