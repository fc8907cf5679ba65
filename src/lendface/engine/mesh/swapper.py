"""The built-in swapper: the source's skin and features on the target's moving face geometry.

Expression, gaze and lip movement stay by construction, because the geometry is the target's, and
so are the pixels of its eyes and of the inside of its mouth. The way of one face is told in
``docs/decisions/0002-mesh-swapper.md``.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

import cv2
import numpy as np

from .. import kernels
from ..geometry import eye_distance_px
from ..pose import Pose
from ..style import Style
from ..types import Array, Beard, Box, Face, Floats, Patch, Picture, SourceFace, Track
from .acts import Acts, acts_of
from .adapt import OwnSkin, adapt_texture, own_skin
from .beard import depth_of_source
from .bend import bend_around
from .complexion import fairer_by, lids_more
from .creases import CreaseZones, crease_zones, with_creases
from .enhance import enhanced
from .forehead import raised
from .light import add_light, from_log, to_log
from .occlusion import Occluders, hair_cover
from .openings import closed_lids, lips_region, mixed, openings_of, with_lip_line
from .pixelwise import smoothstep
from .pull import Pull, pull_around, pulls_for, set_pulled_apart, share_of, taken_along
from .shape import ShapeShift, bearable_share, eye_openings, median_shape, pose_of
from .sheet import Sheet, lay
from .skin import glance_at, paint_skin, tone_shift
from .texture import PackedTexture, Texture, build_texture, surface_of, texture_side
from .topology import POINTS, Topology

FEATHER = 0.10  # eye distances; of the outer edge, inwards from the outline
SOFTER = (0.4, 0.55, 0.7, 0.9, 1.1, 1.4, 1.8, 2.3)  # sigmas, pixels
GRAIN_REACH = 1.5  # times the usual fine detail
GRAIN_FROM_PX = (30.0, 60.0)  # eye distance
GRAIN_LIMIT = 2.5  # of 255
GRAIN_BINS = np.float32(512)  # for each 1 of 255
FACING_FADE = (0.08, 0.35)  # cosine between which a part turned away disappears
DEEP = (0.2, 0.35)  # eye distances; well inside the outline a steep part is the side of the nose
EDGE = np.float32([(0, FEATHER), FACING_FADE, DEEP])


@dataclass(frozen=True, eq=False)
class Look:
    """All that is worked out once for one source on one target person."""

    texture: PackedTexture
    shift: Floats  # (468, 3) centimetres towards the source's shape
    openings: tuple[float, float]  # of the eyes in the source's texture, height over width
    occluders: Occluders
    skin: OwnSkin | None  # of the target
    neutral: Floats  # (468, 3) centimetres, the target's shape
    creases: CreaseZones  # where the target's may be shown
    lids: Floats  # (3,) log to add to the target's closed lids
    forehead: Floats  # (11,) eye distances, how far up the target shows bare skin
    beard: Beard | None = None  # of the target, if it is to go
    beard_share: float = 0.0  # 0..1 how much of it


@dataclass(frozen=True, eq=False)
class MeshSwapper:
    """Plays the role of a Swapper."""

    topology: Topology
    style: Style = field(default_factory=Style)

    def prepare(self, source: SourceFace, person: Track) -> Look:
        side = texture_side(source.portraits, person.largest_px)
        texture = build_texture(self.topology, source.portraits, side, self._acts_in(source))
        skin = own_skin(self.topology, person.appearance)
        detail, fairer = None if skin is None else skin.detail, self._fairer(texture, person)
        texture = adapt_texture(self.topology, texture, detail, fairer)
        own = source.shape
        if own is None:
            own = median_shape(self.topology, [p.mesh.landmarks_xyz for p in source.portraits])
        shift = ShapeShift(self.topology).between(person.shape, own)
        beard = person.beard
        gone = share_of(beard, depth_of_source(self.topology, source)) if beard else 0.0
        openings = np.mean([eye_openings(p.mesh.landmarks_xyz) for p in source.portraits], axis=0)
        packed = texture.packed()
        return Look(
            texture=packed,
            shift=self.style.shape * self.style.strength * shift,
            openings=(float(openings[0]), float(openings[1])),
            occluders=Occluders(self.topology, person.appearance, person.glasses),
            skin=skin,
            neutral=person.shape,
            creases=crease_zones(self.topology, packed),
            lids=self._lids(texture, skin, fairer),
            forehead=person.forehead,
            beard=beard if gone > 0 else None,
            beard_share=gone,
        )

    def _acts_in(self, source: SourceFace) -> tuple[Acts, ...] | None:
        """What the source's face does in each photo; None where its neutral shape is not known."""
        if source.shape is None:
            return None
        faces = [portrait.mesh.landmarks_xyz for portrait in source.portraits]
        return tuple(acts_of(pose_of(self.topology, face), face, source.shape) for face in faces)

    def _fairer(self, texture: Texture, person: Track) -> float:
        """Log luma by which the skin that is to be painted is fairer than the source's."""
        if texture.level is None or person.level is None:
            return 0.0
        tone = tone_shift(texture.level, person.level, self.style.skin_tone)
        return fairer_by(texture.level, person.level + tone)

    def _lids(self, texture: Texture, skin: OwnSkin | None, fairer: float) -> Floats:
        if skin is None or not fairer:
            return np.zeros(3, np.float32)
        side = skin.detail.shape[0]
        painted = next(mip for mip in texture.mips if mip.shape[0] == side)[..., :3]
        return lids_more(surface_of(self.topology, side), painted, skin.detail, fairer)

    def swap(self, picture: Picture, face: Face, look: Look) -> Patch | None:
        """The patch for one face, or None where nothing of it lies inside the picture."""
        kernels.load()
        strength = face.strength * self.style.strength
        # A face that fades out goes back to its own shape, or its mouth would be seen twice.
        pose = pose_of(self.topology, face.landmarks_xyz)
        share = face.strength * bearable_share(self.topology, face.landmarks_xyz, pose)
        points = raised(self.topology, face.landmarks_xyz[:POINTS], pose, look.forehead)
        moved = points + pose.turned(share * look.shift)
        face_box = _box_around(moved, picture.size_wh)
        if strength <= 0 or face_box.is_empty:
            return None
        eye_px = max(eye_distance_px(points), 1.0)
        bend = bend_around(points[:, :2], moved[:, :2], face_box, picture.size_wh, eye_px)
        pull = self._pull(picture, face, look, pose, moved)
        if pull is not None:
            bend = bend.grown(pull.goes_to, picture.size_wh)
        around, corner = picture.region(bend.box), np.float32(face_box[:2])
        sheet = lay(self.topology, points[:, :2] - corner, moved - [*corner, 0], face_box)
        ways = bend.ways(sheet)
        pixels, shown = bend.moved(around, sheet, ways)
        unpulled, target = pixels, pixels[bend.inner]
        depth = _depth_from_rim(sheet.is_face, face_box, picture.size_wh, eye_px)
        top, left = (part.start for part in bend.inner)
        glance = glance_at(pixels, (top, left), face.light, sheet, depth, look.skin, eye_px)
        pulled = None
        if pull is not None:  # what reads light, grain and hands reads the film's own pixels
            pulled, shade = pull.ways(bend.box, bend.cell)
            pixels, shown = bend.moved(around, sheet, ways - pulled)
            kernels.pull.darken(pixels, shade, bend.cell)
            set_pulled_apart(glance, pulled, bend.cell, bend.inner)
        tone = tone_shift(look.texture.tone, glance.light, self.style.skin_tone)
        skin = paint_skin(look.texture, sheet, glance, depth, eye_px, tone)
        is_inner = sheet.is_inner
        skin = _as_soft_as(skin, around, (top, left), is_inner)
        acts = acts_of(pose, face.landmarks_xyz, look.neutral)
        skin = with_creases(skin, look.creases, acts, glance, sheet, depth, eye_px)
        places = moved[:, :2] - corner
        skin = with_lip_line(skin, target, places, eye_px)
        openings = openings_of(sheet, eye_px)
        lids = closed_lids(places, face.landmarks_xyz, look.openings, sheet, eye_px)
        if lids is not None:
            openings = np.maximum(openings, lids)
            add_light(target, lids, tone + look.lids)
            if pull is not None:  # then the picture that is shown is another one
                add_light(pixels[bend.inner], lids, tone + look.lids)
        if look.texture.unseen is not None:
            openings = np.maximum(openings, _laid_over(look.texture.unseen, sheet))
        grain, limit = self._grain(unpulled, (top, left), is_inner, glance.step, eye_px)
        if self.style.keep_mouth:
            skin = mixed(skin + np.clip(grain, -limit, limit)[..., None], target, openings)
            toned = from_log(to_log(target) + tone)
            skin = mixed(skin, toned, lips_region(places, sheet, eye_px))
        if self.style.enhance:
            skin = enhanced(mixed(skin, target, openings), eye_px)
        if self.style.keep_mouth or self.style.enhance:
            openings, limit = np.zeros_like(openings), 0.0
        hair = hair_cover(glance.luma, glance.uv, eye_px, glance.step)
        kernels.join.join(
            pixels, shown, skin, grain, np.float32(limit), openings, depth, sheet.facing,
            hair, glance.step, EDGE, top, left,
        )  # fmt: skip
        covered = look.occluders.cover(face, pose, around, np.float32(bend.box[:2]), eye_px)
        if covered is not None:
            if pulled is not None:
                covered = taken_along(covered, pulled, bend.cell)
            shown *= 1 - covered
        return Patch(bend.box, pixels, shown * np.float32(strength))

    def _pull(
        self, picture: Picture, face: Face, look: Look, pose: Pose, moved: Floats
    ) -> Pull | None:
        """How the target's beard goes; None where it has none, or the source has one, too."""
        if look.beard is None:
            return None
        pulls, _ = pulls_for(look.beard, face, pose, picture.size_wh)
        pulls *= np.float32(look.beard_share * face.strength * self.style.strength)
        eye_px = eye_distance_px(face.landmarks_xyz)
        return pull_around(moved[:, :2], pulls, picture.size_wh, eye_px)

    def _grain(
        self, picture: Floats, corner: tuple[int, int], is_inner: Array, step: int, eye_px: float
    ) -> tuple[Floats, float]:
        """(h, w) the target's own noise: what is finest in it, and the most of it that is taken.

        It is the film's own, so it lives from frame to frame as the film does. What stands out
        of it is an edge or a pore of the target's and stays away. In a small face all that is
        fine is features, so it gets none, and a face made cleaner than the film needs none.
        """
        if self.style.enhance or eye_px <= GRAIN_FROM_PX[0]:
            return np.zeros(is_inner.shape, np.float32), 0.0
        luma, fine = _luma_at(picture, corner, is_inner.shape), np.empty(is_inner.shape, np.float32)
        counts = np.zeros(int(8 * GRAIN_BINS), np.int32)
        kernels.noise.fine(luma, is_inner, step, GRAIN_BINS, fine, counts)
        below = np.cumsum(counts)
        usual = float(np.searchsorted(below, below[-1] / 2) + 0.5) / float(GRAIN_BINS)
        limit = min(GRAIN_REACH * usual, GRAIN_LIMIT) * float(smoothstep(eye_px, *GRAIN_FROM_PX))
        return fine, limit


def _laid_over(square: Floats, sheet: Sheet) -> Floats:
    """(h, w) of a small texture square (s, s) at the face's places; 0 off the face."""
    at = sheet.uv * square.shape[0] - np.float32(0.5)
    return cv2.remap(square, at, None, cv2.INTER_LINEAR) * sheet.is_face


def _luma_at(picture: Floats, corner: tuple[int, int], size: tuple[int, ...]) -> Floats:
    """The luma of a part of ``picture`` that begins at this row and column."""
    luma = np.empty(size, np.float32)
    kernels.noise.luma(picture, *corner, luma)
    return luma


def _as_soft_as(skin: Floats, picture: Floats, corner: tuple[int, int], where: Array) -> Floats:
    """The patch blurred until it is no sharper than the picture it goes into, at ``corner``."""
    mask, luma = where.astype(np.float32), _luma_at(skin, (0, 0), where.shape)
    wanted = _sharpness(_luma_at(picture, corner, where.shape), mask)
    sharpness = {0.0: _sharpness(luma, mask)}
    if sharpness[0.0] <= wanted:
        return skin

    def is_soft_enough(sigma: float) -> bool:
        sharpness[sigma] = _sharpness(cv2.GaussianBlur(luma, (0, 0), sigma), mask)
        return sharpness[sigma] <= wanted

    first = bisect_left(SOFTER, True, key=is_soft_enough)
    if first == len(SOFTER):
        return cv2.GaussianBlur(skin, (0, 0), SOFTER[-1])
    before, after = SOFTER[first - 1] if first else 0.0, SOFTER[first]
    # Between two steps, so that the softness does not jump from frame to frame.
    share = (sharpness[before] - wanted) / max(sharpness[before] - sharpness[after], 1e-6)
    return cv2.GaussianBlur(skin, (0, 0), max(before + share * (after - before), 0.2))


def _sharpness(luma: Floats, where: Floats) -> float:
    """0..1: the share of the squared steps between neighbours that a small blur takes away.

    As a share it does not ask how much there is to see: a beard or glasses in place of a smooth
    cheek are not sharper. Squares let the strongest edges tell and not the noise. The idea is
    the blur metric of Crete, Dolmiere, Ladret and Nicolas, 2007. ``where`` (h, w) is 0 or 1.
    """
    steps = np.zeros(2)
    kernels.noise.sharpness(luma, where, steps)
    every, kept = steps.tolist()
    return 1 - kept / every if every > 0 else 0.0


def _depth_from_rim(is_face: Array, box: Box, size_wh: tuple[int, int], eye_px: float) -> Floats:
    """(h, w) how far inside the face a pixel lies, in eye distances.

    Where the picture ends the face goes on: that is no rim.
    """
    top, left = int(box.y0 > 0), int(box.x0 > 0)
    bottom, right = int(box.y1 < size_wh[1]), int(box.x1 < size_wh[0])
    mask = is_face.astype(np.uint8)
    padded = cv2.copyMakeBorder(mask, top, bottom, left, right, cv2.BORDER_CONSTANT)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_5)
    return depth[top : top + box.height, left : left + box.width] / eye_px


def _box_around(points: Floats, size_wh: tuple[int, int]) -> Box:
    low, high = np.floor(points[:, :2].min(0)) - 2, np.ceil(points[:, :2].max(0)) + 3
    return Box(*low.astype(int).tolist(), *high.astype(int).tolist()).clipped(size_wh)
