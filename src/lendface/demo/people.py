"""The people of the demo: portraits of people who do not exist, from the package openpeople."""

from __future__ import annotations

from importlib import util
from pathlib import Path

from lendface.errors import DemoPeopleMissingError

# Short curly hair covers the ears' edge and hides nothing of the face: it turns well. The other
# looks clearly different to the eye and to the recognizer (cosine 0.26).
TARGET_PERSON = "P001"
SOURCE_PERSON = "P010"
PHOTO = "studio_portrait.jpg"


def demo_source_photo() -> Path:
    """The portrait that lends its face. Raises DemoPeopleMissingError."""
    return get_photo(SOURCE_PERSON)


def demo_target_photo() -> Path:
    """The portrait that is animated. Raises DemoPeopleMissingError."""
    return get_photo(TARGET_PERSON)


def get_photo(person: str) -> Path:
    """A person's studio portrait. Raises DemoPeopleMissingError."""
    # Found without importing it: that would load its schema library too.
    found = util.find_spec("openpeople")
    folders = list(found.submodule_search_locations or ()) if found else []
    for folder in folders:
        path = Path(folder) / "data" / "curated" / person / "assets" / PHOTO
        if path.is_file():
            return path
    raise DemoPeopleMissingError
