"""From where on the content gate refuses: plain numbers, for settings and rules to carry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What they cost is measured in docs/trust.md."""

    nudity: float = 0.8  # 0..1: this and more
    age_of_either: float = 18.0  # years: less, to one of the nets
    age_of_both: float = 22.0  # years: less, to both nets


USUAL = Thresholds()
SAME_FACE = 0.40  # cosine to a protected face; its rates are in docs/trust.md
