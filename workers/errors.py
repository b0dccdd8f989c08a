"""Errors of the workers, split by what the caller does about them.

* WorkerError
  + Retryable          the far side is away: wait and try the same again
    - BrokerUnavailable
    - QueueUnavailable
    - EvidenceUnavailable
    - AuditUnavailable
  + DeadLettered       this message will never work: set it aside with its reason
  + Fatal              the process must stop; the text says what mends it
    - ConfigurationRejected
    - Fenced            another process took this one's place
"""

from __future__ import annotations


class WorkerError(Exception):
    """Base of every error that this package raises."""


class Retryable(WorkerError):
    """The far side is away; the same call may work later."""


class BrokerUnavailable(Retryable):
    """Kafka does not answer, or refuses for now."""


class QueueUnavailable(Retryable):
    """Redis does not answer, or has no room."""


class EvidenceUnavailable(Retryable):
    """The evidence store does not take a picture or a clip."""


class AuditUnavailable(Retryable):
    """The audit log takes no entry: what must be logged first must not happen."""


class DeadLettered(WorkerError):
    """A message that can never be handled.

    Attributes:
        reason: A stable word for metrics and filters, such as `truncated`.
        detail: A sentence for people: what came and what was expected.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Fatal(WorkerError):
    """The process cannot go on; the text says what mends it."""


class ConfigurationRejected(Fatal):
    """A setting is missing, unknown or does not fit; or the far side is configured to lose data."""


class Fenced(Fatal):
    """Another process holds this one's place in the consumer group."""
