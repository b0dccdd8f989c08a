"""The Kafka cluster as an operator sees it: version, topics and the limits that matter here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    ClusterAuthorizationFailedError,
    IncompatibleBrokerVersion,
    KafkaError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from workers.errors import BrokerUnavailable, ConfigurationRejected
from workers.kafka_access import client_config, last_client_error
from workers.settings import KafkaSettings

LIMIT: Final = "max.message.bytes"
RETENTION: Final = "retention.ms"
IN_SYNC: Final = "min.insync.replicas"
FOREVER: Final = -1


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """What a topic should be; an existing one is never made smaller."""

    name: str
    partitions: int
    replicas: int
    retention: timedelta
    max_message_bytes: int
    has_frames: bool = False

    def configs(self) -> dict[str, str]:
        """Topic settings as Kafka names them."""
        configs = {
            LIMIT: str(self.max_message_bytes),
            RETENTION: str(self.retention // timedelta(milliseconds=1)),
        }
        if self.replicas > 2:
            configs[IN_SYNC] = "2"  # with acks=all, one dead broker loses and stops nothing
        return configs


@dataclass(frozen=True, slots=True)
class TopicState:
    """What a topic is; a setting is None where the broker does not tell."""

    name: str
    partitions: int
    replicas: int
    max_message_bytes: int | None
    retention_ms: int | None

    def lacking(self, plan: TopicPlan) -> dict[str, str]:
        """Settings of the plan that are larger than the topic's own."""
        planned = plan.configs()
        lacking: dict[str, str] = {}
        if self.max_message_bytes is not None and self.max_message_bytes < plan.max_message_bytes:
            lacking[LIMIT] = planned[LIMIT]
        retention_ms = self.retention_ms
        if retention_ms not in (None, FOREVER) and retention_ms < int(planned[RETENTION]):
            lacking[RETENTION] = planned[RETENTION]
        return lacking


class Cluster:
    """An administrator's connection; use it in a `with` statement."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connects; raises BrokerUnavailable where nothing answers."""
        self._settings = settings
        try:
            self._admin = KafkaAdminClient(**client_config(settings))
        except KafkaError as error:
            raise BrokerUnavailable(last_client_error(settings, error)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admin.close()

    @property
    def version(self) -> str:
        """Version whose protocol the broker speaks, such as `4.3`."""
        return ".".join(map(str, self._admin._manager.broker_version))

    def brokers(self) -> int:
        with self._mapped("cluster"):
            return len(self._admin.describe_cluster()["brokers"])

    def has_topic(self, name: str) -> bool:
        """Whether there is one; needs no right but to see it, which every producer has."""
        with self._mapped(f"topic {name}"):
            return name in self._admin.list_topics()

    def topic(self, name: str) -> TopicState | None:
        """A topic as it is; None where there is none."""
        if not self.has_topic(name):
            return None
        with self._mapped(f"topic {name}"):
            partitions = self._admin.describe_topics([name])[0]["partitions"]
            resource = ConfigResource(ConfigResourceType.TOPIC, name, None)
            found = self._admin.describe_configs([resource], config_filter="all")
        configs: dict[str, dict[str, str]] = found.get("topic", {}).get(name, {})
        return TopicState(
            name,
            len(partitions),
            min((len(partition["replica_nodes"]) for partition in partitions), default=0),
            _number(configs, LIMIT),
            _number(configs, RETENTION),
        )

    def create(self, plan: TopicPlan) -> bool:
        """Creates a topic; False where it is there already."""
        wanted = {
            "num_partitions": plan.partitions,
            "replication_factor": plan.replicas,
            "configs": plan.configs(),
        }
        with self._mapped(f"topic {plan.name}"):
            try:
                self._admin.create_topics({plan.name: wanted}, wait_for_metadata=True)
            except TopicAlreadyExistsError:
                return False
        return True

    def raise_settings(self, name: str, configs: Mapping[str, str]) -> None:
        """Sets some settings of a topic and leaves the others as they are."""
        resource = ConfigResource(ConfigResourceType.TOPIC, name, dict(configs))
        with self._mapped(f"topic {name}"):
            self._admin.alter_configs([resource])

    def add_partitions(self, name: str, partitions: int) -> None:
        with self._mapped(f"topic {name}"):
            self._admin.create_partitions({name: partitions})

    @contextmanager
    def _mapped(self, subject: str) -> Iterator[None]:
        """Kafka's errors as ours."""
        try:
            yield
        except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError) as error:
            raise ConfigurationRejected(
                f"{subject}: the broker does not allow this to user "
                f"{self._settings.username!r}; grant it, or use another FLAGPOST_KAFKA_USERNAME"
            ) from error
        except IncompatibleBrokerVersion as error:
            raise ConfigurationRejected(
                f"{subject}: this broker cannot do that ({self.version}); use its own tools"
            ) from error
        except KafkaError as error:
            raise BrokerUnavailable(f"{subject}: {error}; see `flagpost doctor`") from error


def require_topics(settings: KafkaSettings, names: Mapping[str, str]) -> None:
    """Finds out before anything is produced: a producer waits a minute for a missing topic.

    Args:
        settings: How to reach Kafka.
        names: Topics, each with the command that makes it.

    Raises:
        BrokerUnavailable: Nothing answers.
        ConfigurationRejected: One is missing.
    """
    with Cluster(settings) as cluster:
        for name, command in names.items():
            if not cluster.has_topic(name):
                raise ConfigurationRejected(f"topic {name}: missing; `{command}`")


def _number(configs: Mapping[str, Mapping[str, str]], name: str) -> int | None:
    value = configs.get(name, {}).get("value")
    return int(value) if value is not None else None
