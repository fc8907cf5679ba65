"""What an operator says of the visible label, and what is left to whoever asks for a swap."""

from __future__ import annotations

from dataclasses import dataclass

from ..engine.label import Label, Position

LEAST, MOST = 0.02, 0.25  # of the picture's height


@dataclass(frozen=True, slots=True)
class LabelRule:
    """Whether every result has it, and how it looks where nobody says otherwise."""

    is_always: bool = False
    position: Position = Label().position
    size_share: float = Label().size_share

    def settle(
        self, is_asked: bool, position: Position | None = None, size_share: float | None = None
    ) -> Label | None:
        """The label to draw. Where it is in every result it may be moved, and made larger only.

        >>> LabelRule().settle(False)
        >>> LabelRule(is_always=True).settle(False, "top-left", 0.02)
        Label(position='top-left', size_share=0.06, text='Face replaced by AI')
        """
        if not (is_asked or self.is_always):
            return None
        size = size_share or self.size_share
        least = self.size_share if self.is_always else LEAST
        return Label(position or self.position, max(size, least))
