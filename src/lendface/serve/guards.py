"""The settings that protect people: every change of them is an entry of the audit log."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..service.audit import record_lowered, record_settings
from ..service.office import Office
from ..settings import Settings

GUARDS = (
    "consent",
    "consent_targets",
    "provenance",
    "c2pa_cert",
    "c2pa_tsa",
    "label",
    "label_position",
    "label_size",
    "policy",
    "tell_refusals",
    "gate",
    "gate_off_reason",
    "gate_nudity",
    "gate_age_either",
    "gate_age_both",
    "protected",
    "protected_off_reason",
    "protected_likeness",
)
FILES = ("c2pa_cert",)  # known by what is in them
SERVER = "server"


def note_guards(office: Office, settings: Settings, place: str = SERVER) -> bool:
    """Write down how they stand in ``place``, a server or a worker, unless that is known.

    What of them is off or lowered is written down at each start. Whether they have changed.
    """
    record_lowered(office.database, place, settings.lowered_guards, office.now_ms())
    return record_settings(office.database, place, guards_of(settings), office.now_ms())


def guards_of(settings: Settings) -> dict[str, str]:
    """The value of each, as one would write it in a variable."""
    return {name: _value(settings, name) for name in GUARDS}


def _value(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if name in FILES and value:
        return _digest(Path(value).expanduser())
    return str(value).lower() if isinstance(value, bool) else str(value)


def _digest(path: Path) -> str:
    try:
        return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    except OSError:
        return "unreadable"
