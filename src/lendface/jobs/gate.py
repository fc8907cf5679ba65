"""How a worker stops in good order: no new task begins, running ones are told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


class Gate:
    """Open while the worker works. Once closed it stays so; the process is about to end."""

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._inside = 0  # those that wait to be alone, and those that are apart, among them
        self._apart = 0
        self._waiting = 0
        self._is_one_alone = False
        self._is_closed = False
        self._is_broken_off = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def is_broken_off(self) -> bool:
        """Whether running tasks must stop now, finished or not."""
        return self._is_broken_off

    @contextmanager
    def inside(self, *, is_apart: bool = False) -> Iterator[None]:
        """Something is being done. Whoever comes to a closed gate waits there for the end.

        ``is_apart``: it opens no file and waits for strangers' servers, who may take their time:
        it neither waits for one that is alone nor does that one wait for it.
        """
        with self._change:
            self._change.wait_for(
                lambda: self._is_closed or is_apart or not self._is_one_wanted_alone
            )
            is_late = self._is_closed
            if not is_late:
                self._inside += 1
                self._apart += is_apart
        if is_late:
            park()
        try:
            yield
        finally:
            self._leave(is_apart=is_apart)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For one inside: nobody else does anything in this process meanwhile, but those apart."""
        with self._change:
            self._waiting += 1
            self._change.notify_all()
            self._change.wait_for(lambda: self._is_closed or self._may_be_alone)
            self._waiting -= 1
            is_late = self._is_closed
            self._is_one_alone = not is_late
        if is_late:
            self.leave_for_good()
        try:
            yield
        finally:
            with self._change:
                self._is_one_alone = False
                self._change.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait; a gate that closes ends it early."""
        with self._change:
            self._change.wait_for(lambda: self._is_closed, seconds)

    def leave_for_good(self) -> NoReturn:
        """For one inside: what it was doing is broken off, and nothing may be written of it.

        Only ever after the end has begun, so who was apart is of no interest any more.
        """
        self._leave()
        park()

    def close(self, patience_s: float) -> bool:
        """Let nobody in any more and wait for those inside; then break them off.

        Returns whether all ended by themselves.
        """
        with self._change:
            self._is_closed = True
            self._change.notify_all()
            is_empty = self._change.wait_for(lambda: self._inside == 0, patience_s)
            self._is_broken_off = True
            return is_empty

    def wait_until_empty(self, patience_s: float) -> bool:
        with self._change:
            return self._change.wait_for(lambda: self._inside == 0, patience_s)

    @property
    def _is_one_wanted_alone(self) -> bool:
        return self._is_one_alone or self._waiting > 0

    @property
    def _may_be_alone(self) -> bool:
        return not self._is_one_alone and self._inside - self._apart == self._waiting

    def _leave(self, *, is_apart: bool = False) -> None:
        with self._change:
            self._inside -= 1
            self._apart -= is_apart
            self._change.notify_all()


def park() -> NoReturn:
    """Never return: what this thread was doing is begun again elsewhere when the process is gone.

    Returning or raising would be written down as the task's outcome.
    """
    while True:
        threading.Event().wait()
