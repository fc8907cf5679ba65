"""What an operator has switched off or changed of the guards, as everybody may know it."""

from __future__ import annotations

from typing import Any

from .thresholds import SAME_FACE, USUAL, Thresholds

REASON_LETTERS = 15  # at least, and several different ones
DIFFERENT_LETTERS = 5
REASON_LENGTH = 500  # at most: it is written into every result


def is_reason(text: str) -> bool:
    """Whether it may be one; nobody can know whether it is a good one.

    >>> is_reason("paintings of nudes, for a museum"), is_reason("off"), is_reason("x" * 99)
    (True, False, False)
    """
    letters = [letter.lower() for letter in text if letter.isalpha()]
    is_written = len(letters) >= REASON_LETTERS and len({*letters}) >= DIFFERENT_LETTERS
    return is_written and len(text) <= REASON_LENGTH


def lowered_guards(
    gate: Thresholds | None, gate_reason: str, same_face: float | None, protected_reason: str
) -> dict[str, Any]:
    """Plain values for a manifest and for the audit log; empty where all is as usual.

    >>> lowered_guards(Thresholds(nudity=0.9), "", None, "nobody is on the list")
    {'gate_nudity': 0.9, 'protected': 'off', 'protected_reason': 'nobody is on the list'}
    """
    found: dict[str, Any] = {}
    if gate is None:
        found |= {"gate": "off", "gate_reason": gate_reason}
    else:
        numbers = {
            "gate_nudity": (gate.nudity, USUAL.nudity),
            "gate_age_either": (gate.age_of_either, USUAL.age_of_either),
            "gate_age_both": (gate.age_of_both, USUAL.age_of_both),
        }
        found |= {name: value for name, (value, usual) in numbers.items() if value != usual}
    if same_face is None:
        found |= {"protected": "off", "protected_reason": protected_reason}
    elif same_face != SAME_FACE:
        found["protected_likeness"] = same_face
    return found
