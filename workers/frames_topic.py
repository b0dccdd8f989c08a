"""Publishing on Kafka: frame messages, truth and dead letters, with bounded memory.

The client is kafka-python, or librdkafka where the settings say so. Idempotence is off on purpose:
one record that the broker refuses as too large would make an idempotent producer fail every later
send, on all topics, for good. Workers drop doubled messages by their sequence numbers.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError

from schemas.frames import FrameMessage, Header
from workers.errors import BrokerUnavailable, ConfigurationRejected, WorkerError
from workers.kafka_access import client_config, last_client_error, librdkafka_config
from workers.settings import MIB, KafkaSettings

logger = logging.getLogger(__name__)

IN_FLIGHT_BYTES: Final = 64 * MIB
REQUESTS_IN_FLIGHT: Final = 1
"""With more, and without idempotence, a retry puts a stream's messages in another order."""
SEND_TIMEOUT_S: Final = 30.0
Report = Callable[[Exception | None], None]


class RecordRefused(WorkerError):
    """The broker, or the client for it, does not take one record; others are not affected."""


class RecordProducer(Protocol):
    """The two producers behind one interface."""

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[Header], report: Report
    ) -> None:
        """Queues a record; `report` is called once, on any thread, with None or the error."""
        ...

    def flush(self, timeout_s: float) -> None: ...

    def close(self, timeout_s: float) -> None: ...


class FramePublisher:
    """Publishes with a bound on bytes in flight: `publish` blocks while there is no room.

    Safe for several threads. The first failed delivery is raised by the next call.
    """

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.topic = topic
        self._limit_bytes = settings.max_message_bytes
        self._producer = open_producer(settings)
        self._room = threading.Condition()
        self._in_flight_bytes = 0
        self._failure: Exception | None = None

    def publish(self, message: FrameMessage) -> None:
        """Queues one message under its stream's key.

        Raises:
            RecordRefused: It is larger than the topic takes.
            BrokerUnavailable: An earlier delivery failed, or there is no room in time.
        """
        self.publish_record(message.stream_id, message.data, message.headers())

    def publish_record(self, key: str, value: bytes, headers: Sequence[Header] = ()) -> None:
        """Queues any record; see `publish`."""
        size = len(value) + len(key) + sum(len(name) + len(text) for name, text in headers)
        if size > self._limit_bytes:
            raise RecordRefused(
                f"record of stream {key}: got {size} bytes, the topic takes {self._limit_bytes}; "
                "send shorter segments, or raise FLAGPOST_KAFKA_MAX_MESSAGE_BYTES and run "
                "`flagpost topics create`"
            )
        self._take_room(size)

        def report(error: Exception | None) -> None:
            with self._room:
                self._in_flight_bytes -= size
                self._failure = self._failure or error
                self._room.notify_all()

        self._producer.send(self.topic, key.encode(), value, headers, report)

    def flush(self, timeout_s: float = SEND_TIMEOUT_S) -> None:
        """Waits until everything is acknowledged; raises what failed."""
        self._producer.flush(timeout_s)
        with self._room:
            if not self._room.wait_for(lambda: not self._in_flight_bytes, timeout_s):
                raise BrokerUnavailable(f"topic {self.topic}: no acknowledgement in {timeout_s} s")
            self._raise_failure()

    def close(self, timeout_s: float = 5.0) -> None:
        self._producer.close(timeout_s)

    def _take_room(self, size: int) -> None:
        with self._room:
            self._raise_failure()
            if not self._room.wait_for(lambda: self._fits(size), SEND_TIMEOUT_S):
                raise BrokerUnavailable(
                    f"topic {self.topic}: {self._in_flight_bytes} bytes wait for the broker; "
                    "see `flagpost doctor`"
                )
            self._in_flight_bytes += size

    def _fits(self, size: int) -> bool:
        """A record larger than the bound goes alone."""
        return not self._in_flight_bytes or self._in_flight_bytes + size <= IN_FLIGHT_BYTES

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if isinstance(failure, MessageSizeTooLargeError) or "MSG_SIZE" in str(failure):
            raise RecordRefused(
                f"topic {self.topic}: the broker refused a record as too large; run "
                "`flagpost topics create` to raise the topic's max.message.bytes"
            ) from failure
        if failure is not None:
            raise BrokerUnavailable(f"topic {self.topic}: {failure}") from failure


def open_producer(settings: KafkaSettings) -> RecordProducer:
    """The producer that the settings name; raises BrokerUnavailable where nothing answers."""
    if settings.client == "librdkafka":
        return _LibrdkafkaProducer(settings)
    return _KafkaPythonProducer(settings)


class _KafkaPythonProducer:
    def __init__(self, settings: KafkaSettings) -> None:
        try:
            self._producer = KafkaProducer(
                **client_config(settings),
                enable_idempotence=False,
                max_in_flight_requests_per_connection=REQUESTS_IN_FLIGHT,
                acks="all",
                retries=10,
                linger_ms=0,
                max_request_size=settings.max_message_bytes + MIB,
                request_timeout_ms=int(SEND_TIMEOUT_S * 500),
                delivery_timeout_ms=int(SEND_TIMEOUT_S * 1000),
            )
        except KafkaError as error:
            raise BrokerUnavailable(last_client_error(settings, error)) from error

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[Header], report: Report
    ) -> None:
        try:
            future = self._producer.send(topic, value=value, key=key, headers=list(headers))
        except KafkaError as error:
            report(error)
            return
        future.add_callback(lambda _: report(None))
        future.add_errback(report)

    def flush(self, timeout_s: float) -> None:
        try:
            self._producer.flush(timeout_s)
        except KafkaError as error:
            raise BrokerUnavailable(f"flush: {error}") from error

    def close(self, timeout_s: float) -> None:
        self._producer.close(timeout=timeout_s)


class _LibrdkafkaProducer:
    def __init__(self, settings: KafkaSettings) -> None:
        try:
            client: Any = importlib.import_module("confluent_kafka")
        except ImportError as error:
            raise ConfigurationRejected(
                "FLAGPOST_KAFKA_CLIENT=librdkafka: install it with `pip install "
                "'flagpost[librdkafka]'`"
            ) from error
        self._errors = client.KafkaException
        self._producer = client.Producer(
            librdkafka_config(settings)
            | {
                "acks": "all",
                "max.in.flight.requests.per.connection": REQUESTS_IN_FLIGHT,
                "linger.ms": 0,
                "message.max.bytes": settings.max_message_bytes + MIB,
                "queue.buffering.max.kbytes": 2 * IN_FLIGHT_BYTES // 1024,
                "delivery.timeout.ms": int(SEND_TIMEOUT_S * 1000),
            },
            logger=logger,
        )
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name="producer", daemon=True)
        self._poller.start()

    def send(
        self, topic: str, key: bytes, value: bytes, headers: Sequence[Header], report: Report
    ) -> None:
        def delivered(error: object, _: object) -> None:
            report(None if error is None else BrokerUnavailable(str(error)))

        try:
            self._producer.produce(topic, value, key, headers=list(headers), on_delivery=delivered)
        except (self._errors, BufferError) as error:
            report(error)

    def flush(self, timeout_s: float) -> None:
        self._producer.flush(timeout_s)

    def close(self, timeout_s: float) -> None:
        self._producer.flush(timeout_s)
        self._stopping.set()
        self._poller.join()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(0.1)
