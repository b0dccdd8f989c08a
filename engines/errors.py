"""Errors of the engines, split by what the caller does.

* EngineError
  + EngineUnavailable   this machine cannot run it (no device, library missing): choose another
  + EngineRejected      the bundle or file must not be used (digest, version, self-check)
  + EngineFault         this batch failed; the next may work
  + EngineLost          the device is gone: the process must exit
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error that this package raises."""


class EngineUnavailable(EngineError):
    """The backend, device or precision asked for is not to be had here."""


class EngineRejected(EngineError):
    """A bundle, model file or engine is not what its card says."""


class EngineFault(EngineError):
    """One batch failed; its frames may be submitted again."""


class EngineLost(EngineError):
    """The device is gone for this process."""
