"""Start and stop of a process: signals set one event, exit codes have names."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Final

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_CONFIGURATION: Final = 3
EXIT_TRY_AGAIN: Final = 75
"""EX_TEMPFAIL: a supervisor should start the process again (lost device, fenced, far side away)."""


def stop_on_signals(stopping: threading.Event) -> None:
    """SIGTERM and SIGINT ask for a drain; a second one ends the process at once."""

    def ask(signum: int, frame: FrameType | None) -> None:
        if stopping.is_set():
            os._exit(128 + signum)
        stopping.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
