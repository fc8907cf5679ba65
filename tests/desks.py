"""What keys need of an office, with a clock of the test's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lendface.service.sealing import Sealer
from lendface.storage.database import Database


@dataclass
class Clock:
    """Stands still until it is moved."""

    ms: int = 1_790_000_000_000

    def __call__(self) -> int:
        return self.ms

    def pass_s(self, seconds: float) -> None:
        self.ms += round(seconds * 1000)


@dataclass(frozen=True)
class DeskOfTests:
    database: Database
    clock: Clock = field(default_factory=Clock)
    sealer: Sealer = field(default_factory=lambda: Sealer(b"a secret of the tests, 32 bytes."))

    @property
    def now_ms(self) -> Callable[[], int]:
        return self.clock
