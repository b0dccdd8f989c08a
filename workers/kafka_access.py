"""How clients of either library reach Kafka, and what went wrong when they did not."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from kafka.errors import KafkaConnectionError, KafkaTimeoutError

from workers.settings import KafkaSettings

_NET_LOGGER: Final = "kafka.net"
_CONNECTION: Final = re.compile(r"<KafkaConnection [^>]*>: ")


class _LastError(logging.Handler):
    """Keeps the newest ERROR of the client: the exception itself never says why.

    A wrong password, a wrong CA and a dead broker all end in the same "Bootstrap failed", so the
    message before that one is the reason.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = _CONNECTION.sub("", record.getMessage())
        if not text.startswith("Bootstrap failed"):
            self.text = text


_last_error: Final = _LastError()


def client_config(settings: KafkaSettings) -> dict[str, Any]:
    """Arguments that every kafka-python client of ours takes."""
    logger = logging.getLogger(_NET_LOGGER)
    if _last_error not in logger.handlers:
        logger.addHandler(_last_error)
    _last_error.text = ""  # what follows is about the new client
    config: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap.split(","),
        "client_id": "flagpost",
        "security_protocol": settings.security_protocol,
        "bootstrap_timeout_ms": int(settings.bootstrap_timeout.total_seconds() * 1000),
        # The default of 30 s left consumers silent for 12 s after a broker was back.
        "reconnect_backoff_max_ms": 1000,
        "metadata_max_age_ms": 30_000,
    }
    if settings.ssl_cafile is not None:
        config["ssl_cafile"] = str(settings.ssl_cafile)
    if settings.sasl_mechanism is not None:
        config |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.username,
            "sasl_plain_password": _password(settings),
        }
    return config


def librdkafka_config(settings: KafkaSettings) -> dict[str, Any]:
    """The same for librdkafka."""
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap,
        "client.id": "flagpost",
        "security.protocol": settings.security_protocol,
        "reconnect.backoff.max.ms": 1000,
        "topic.metadata.refresh.interval.ms": 30_000,
        "log_level": 3,
    }
    if settings.ssl_cafile is not None:
        config["ssl.ca.location"] = str(settings.ssl_cafile)
    if settings.sasl_mechanism is not None:
        config |= {
            "sasl.mechanism": settings.sasl_mechanism,
            "sasl.username": settings.username,
            "sasl.password": _password(settings),
        }
    return config


def last_client_error(settings: KafkaSettings, error: Exception) -> str:
    """One line for people: which brokers, what the client last complained of, what to check."""
    is_vague = isinstance(error, KafkaTimeoutError | KafkaConnectionError)
    reason = (is_vague and _last_error.text) or str(error)
    return (
        f"Kafka at {settings.bootstrap} ({settings.security_protocol}): {reason}; check "
        "FLAGPOST_KAFKA_BOOTSTRAP, _SECURITY_PROTOCOL, _USERNAME and _PASSWORD, or run "
        "`flagpost doctor`"
    )


def _password(settings: KafkaSettings) -> str | None:
    return settings.password.get_secret_value() if settings.password else None
