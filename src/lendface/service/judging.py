"""Whether a job may be rendered: the operator's rules, its sources, its target.

The nets read a film while it is scanned, and what they read lies beside the scan, sealed. It is
judged by the rules of the moment whenever a swap is planned; so neither an earlier scan nor an
earlier run of the job lets anything through.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ..engine.tracks import Tracks
from ..engine.types import Frame
from ..errors import BlobMissingError, SealBrokenError
from ..pipeline.steps import JobPlan
from ..pipeline.targets import Target
from ..trust.guard import FilmLook, Rules
from ..trust.kept_readings import VERSION, parse_reading, write_reading
from ..trust.readings import FilmReading, GateNets
from ..trust.thresholds import SAME_FACE, USUAL
from .office import Office
from .protected import ProtectedTable

log = logging.getLogger("lendface.work")


@dataclass(frozen=True, eq=False)
class Judge:
    """One for each worker."""

    office: Office
    nets: GateNets

    @property
    def rules(self) -> Rules:
        gate, same_face = self.office.rules.gate, self.office.rules.protected
        return Rules(
            nets=self.nets if gate else None,
            protected=None if same_face is None else ProtectedTable(self.office),
            thresholds=gate or USUAL,
            same_face=SAME_FACE if same_face is None else same_face,
        )

    def new_look(self) -> FilmLook:
        """To look on while a film is scanned."""
        return FilmLook(self.rules.nets)

    def keep(self, place: str, look: FilmLook, tracks: Tracks) -> None:
        """What a look has read, beside the scan at ``place``."""
        if reading := look.finish(tracks):
            self._write(place, reading)

    def check(
        self,
        place: str,
        target: Target,
        tracks: Tracks,
        plan: JobPlan,
        check_wanted: Callable[[], None],
    ) -> None:
        """Raises RefusedError, ProtectedListError; and what ``check_wanted`` raises, which is asked
        at every frame of a film that has to be read again."""
        rules, swap = self.rules, plan.swap_plan
        rules.check_sources(plan.sources)
        rules.check_people(tracks, swap)
        kept = self._find(place) if rules.nets else None
        reading = rules.read(_watched(target, check_wanted), tracks, swap, kept)
        if reading is not None and reading is not kept:
            self._write(place, reading)
        rules.check_film(reading, swap)

    def _find(self, place: str) -> FilmReading | None:
        """None: the scan was made without the gate, by another version, or under a secret that is
        not known any more."""
        key = _key(place)
        try:
            sealed = b"".join(self.office.blobs.read(key)).decode("ascii", "replace")
            return parse_reading(self.office.sealer.unseal(sealed, key))
        except BlobMissingError:
            return None
        except SealBrokenError:
            log.warning("a film's reading cannot be opened and is made again")
            return None

    def _write(self, place: str, reading: FilmReading) -> None:
        key = _key(place)
        sealed = self.office.sealer.seal(write_reading(reading), key)
        self.office.blobs.put(key, [sealed.encode()])


def _key(place: str) -> str:
    return f"{place}/reading-{VERSION}"


def _watched(target: Target, check_wanted: Callable[[], None]) -> Target:
    @contextmanager
    def opened() -> Iterator[Iterator[Frame]]:
        with target.open() as frames:
            yield _asking(frames, check_wanted)

    return replace(target, open=opened)


def _asking(frames: Iterator[Frame], check_wanted: Callable[[], None]) -> Iterator[Frame]:
    for frame in frames:
        check_wanted()
        yield frame
