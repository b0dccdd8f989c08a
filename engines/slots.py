"""Slots of an engine: which are free, and checks on those handed back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from engines.engine import Slot
from engines.errors import EngineFault

Kind = TypeVar("Kind")


class SlotPool(Generic[Kind]):
    """Hands out a fixed number of slots; one thread uses it."""

    def __init__(self, slots: Sequence[Kind]) -> None:
        self._all = {id(slot): slot for slot in slots}
        self._free = list(slots)
        self._taken: set[int] = set()

    def take(self) -> Kind:
        """A free slot; raises EngineFault where all are in flight."""
        if not self._free:
            raise EngineFault(f"slot: all {len(self._all)} are in flight; collect one first")
        slot = self._free.pop()
        self._taken.add(id(slot))
        return slot

    def checked(self, slot: Slot, n: int | None = None, max_batch: int = 0) -> Kind:
        """The engine's own slot behind a handle; raises EngineFault for a stranger or a bad `n`."""
        if id(slot) not in self._taken:
            raise EngineFault("slot: not one that this engine has handed out")
        if n is not None and not 1 <= n <= max_batch:
            raise EngineFault(f"submit: got {n} frames, expected 1 to {max_batch}")
        return self._all[id(slot)]

    def free(self, slot: Kind) -> None:
        self._taken.discard(id(slot))
        self._free.append(slot)
