"""What a user may choose about how a swap looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lendface.errors import BadOptionError

SkinTone = Literal["target", "mix", "source"]


@dataclass(frozen=True, slots=True)
class Style:
    """How a swap looks. The defaults were chosen by looking at swaps of many pairs."""

    strength: float = 1.0  # 0..1 how much of the new face shows, in its skin and in its shape
    shape: float = 0.9  # 0..1 how far the face takes the source's shape
    skin_tone: SkinTone = "target"  # whose complexion the face has; light is always the target's
    keep_mouth: bool = False  # the target's own lips and what is between them stay
    enhance: bool = False  # a sharper, cleaner face than the film around it

    def __post_init__(self) -> None:
        """Raises BadOptionError."""
        if not (0 <= self.strength <= 1 and 0 <= self.shape <= 1):
            raise BadOptionError("strength and shape are numbers between 0 and 1")
        if self.skin_tone not in ("target", "mix", "source"):
            raise BadOptionError("the skin tone is target, mix or source")
