"""Group commit: what several threads want to write at one moment, in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

T = TypeVar("T")


class Turn(Generic[T]):
    """The work of one thread, which another may do for it."""

    def __init__(self, work: Callable[[sa.Connection], T]) -> None:
        self._work = work
        self._value: T | None = None
        self._fault: BaseException | None = None
        self.is_over = False  # for good or bad, and on the disk

    def take_alone(self, connection: sa.Connection) -> None:
        """In a transaction of its own. Raises what the work raises."""
        self._value = self._work(connection)

    def take(self, connection: sa.Connection) -> None:
        """In a savepoint: where the work fails it is undone, and nothing else.

        Raises only what undoes the whole transaction, as when SQLite has given it up by itself.
        """
        savepoint = connection.begin_nested()
        try:
            self._value = self._work(connection)
        except Exception as fault:
            self._fault = fault
            _undo(savepoint, fault)
        else:
            savepoint.commit()

    def fail(self, fault: BaseException) -> None:
        """It was undone with all others; what it failed at by itself stays its answer."""
        if self._fault is None:
            self._fault = fault

    def outcome(self) -> T:
        """What the work returned, or it raises what that raised."""
        if self._fault is not None:
            raise self._fault
        return cast("T", self._value)


def _undo(savepoint: sa.NestedTransaction, fault: Exception) -> None:
    try:
        savepoint.rollback()
    except sa.exc.DBAPIError:  # the savepoint went with its transaction
        if isinstance(fault, sa.exc.DBAPIError):
            raise fault from None  # it says why, the other only that
        raise


class Together:
    """The turns that wait for the next transaction."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._waiting: list[Turn[Any]] = []

    def join(self, work: Callable[[sa.Connection], T]) -> Turn[T]:
        turn = Turn(work)
        with self._lock:
            self._waiting.append(turn)
        return turn

    def take_turns(self) -> None:
        """All that wait now, in one transaction; afterwards they are over."""
        with self._lock:
            turns, self._waiting = self._waiting, []
        try:
            with self._engine.begin() as connection:
                if len(turns) == 1:
                    turns[0].take_alone(connection)
                else:
                    for turn in turns:
                        turn.take(connection)
        except BaseException as fault:
            for turn in turns:
                turn.fail(fault)
        finally:
            for turn in turns:
                turn.is_over = True
