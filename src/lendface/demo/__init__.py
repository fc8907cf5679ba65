"""A target clip that the project makes itself from one portrait, so that the truth is known."""

from .animate import Truth, animate
from .clip import write_demo_clip
from .people import demo_source_photo, demo_target_photo
from .script import Moves, Script

__all__ = [
    "Moves",
    "Script",
    "Truth",
    "animate",
    "demo_source_photo",
    "demo_target_photo",
    "write_demo_clip",
]
