"""Errors of the wire contracts.

* SchemaError
  + MessageRejected    a frame message breaks its contract: dead-letter it
  + DocumentRejected   a JSON document (flag, decision, bundle card) breaks its contract
"""

from __future__ import annotations


class SchemaError(Exception):
    """Base of every error that this package raises."""


class MessageRejected(SchemaError):
    """A message breaks the frame contract; the text names field, value and what was expected."""

    def __init__(self, field: str, got: str, expected: str) -> None:
        super().__init__(f"{field}: got {got}, expected {expected}")
        self.field = field
        self.got = got
        self.expected = expected


class DocumentRejected(SchemaError):
    """A JSON document does not fit its schema."""
