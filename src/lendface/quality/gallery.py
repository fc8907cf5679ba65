"""People among whom a source should be found again, from a folder of portraits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lendface.engine.enrol import face_height_px
from lendface.engine.geometry import five_points
from lendface.engine.types import Floats
from lendface.media import is_image, read_image
from lendface.pipeline.parts import Parts

from .identity import Gallery, mean_embedding

SECOND_PHOTO = "_alt"  # NAME_alt.jpg shows the same person as NAME.jpg


@dataclass(frozen=True, eq=False)
class Somebody:
    """One person of a gallery folder."""

    embedding: Floats  # (128,) unit length, mean over the photos
    digests: frozenset[str]  # of the photos' files


def read_gallery(folder: Path, parts: Parts) -> dict[str, Somebody]:
    """Everybody in a folder: one picture is one person, ``NAME_alt.jpg`` a second photo of NAME.

    In each picture the largest face counts; pictures without one are passed over. Raises the
    errors of reading a photo.
    """
    photos: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if path.is_file() and is_image(path):
            photos[person_name(path)].append(path)
    found = {name: _somebody(paths, parts) for name, paths in photos.items()}
    return {name: somebody for name, somebody in found.items() if somebody is not None}


def person_name(path: Path) -> str:
    """
    >>> person_name(Path("anna_alt.jpg")), person_name(Path("bert.png"))
    ('anna', 'bert')
    """
    return path.stem.removesuffix(SECOND_PHOTO)


def gallery_for(
    people: Mapping[str, Somebody], photos: Sequence[Path], embedding: Floats
) -> Gallery:
    """The gallery in which the person of ``photos`` has to be found, with their own embedding.

    Whoever has one of these photos, or their name, is that person and not somebody else.
    """
    source, digests = person_name(photos[0]), {digest(path) for path in photos}
    others = {
        name: somebody.embedding
        for name, somebody in people.items()
        if name != source and not somebody.digests & digests
    }
    return Gallery({**others, source: embedding}, source)


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _somebody(paths: Sequence[Path], parts: Parts) -> Somebody | None:
    embeddings = []
    for path in paths:
        picture = read_image(path)[0]
        meshes = parts.enroller.find_meshes(picture)
        if meshes:
            largest = max(meshes, key=face_height_px)
            points_xy = five_points(largest.landmarks_xyz)
            embeddings.append(parts.recognizer.embed(picture, points_xy))
    if not embeddings:
        return None
    return Somebody(mean_embedding(embeddings), frozenset(digest(path) for path in paths))
