"""Follows faces from frame to frame within a shot and hands out steadied tracklets.

A *tracklet* is one face followed without a break; ``link`` later joins the tracklets of one
person. The landmarks of the last frame say where to look in the next one; the detector looks at
the whole frame every few frames, after a cut, and when a face was lost.

Only the landmarks, and now and then the embedding, decide what happens to a face in the next frame.
All else that a sighting needs is found on a second thread a little later (``_complete``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .flow import FaceFlow
from .geometry import crop_of, face_roi, five_points, invert, move_points, next_face_roi
from .later import Later
from .looks import LookBook, limit, take_look
from .mesh.light import LightMeter
from .mesh.shape import pose_of
from .mesh.topology import POINTS, Topology
from .picture import ArrayPicture
from .roles import FilmDetector, HandFinder, Landmarker, Recognizer
from .smooth import smooth, steady_light
from .types import Detection, Floats, Frame, Hand, Mesh, Picture, Pixels

DETECT_EVERY = 6
THOROUGH_EVERY = 24  # frames; in between the detector passes over faces that are turned far
ROLLED_RAD = 0.7  # a film that shows one face turned this far may show more
EMBED_EVERY = 10
EMBED_ONCE_KNOWN = 20  # frames
KNOWN_VIEWS = 4
HANDS_EVERY = 5
HANDS_EVERY_DOUBTFUL = 2  # once there may be one
HANDS_EVERY_FOLLOWED = 2  # while one is before the face and is followed
HANDS_ALERT = 10  # frames for which it is looked every time once a hand was there
HANDS_DOUBTFUL, HANDS_LIKELY = 0.1, 0.5  # scores
HANDS_SURE = 0.7  # score of a hand out of nowhere: a shirt's collar reaches 0.66
HANDS_REACH = (1.8, 2.8)  # of the landmarker's crop, in turns: a large hand fits the wide one only
HANDS_BACK = 6  # frames into which a new hand is followed back
HANDS_GAP = 6  # frames for which a hand may be lost between two sights of it
HANDS_FROM_PX = 40  # face height
HANDS_NEAR = 0.3  # of the face's size around it; hands farther off are not followed all the time
LEAST_SCORE = 0.5
SAME_FACE = 0.35  # overlap of boxes
LEAST_FACE_PX = 16
FARTHEST_STEP = 0.6  # face heights from one frame to the next; more is another face
DETECT_AFTER_S, EMBED_AFTER_S = 0.6, 1.7  # sooner, where a film has few frames a second
STRANGER = 0.35  # cosine to the tracklet's own mean: perhaps this is somebody else by now
STRANGER_EVERY = 2  # frames between looks while that is open
STRANGER_VIEWS = 4  # in a row that are alike, and it is somebody else
STRANGER_ALIKE = 0.6  # cosine of such views
STRANGER_FRAMES = 60  # for which it may be open
GLIMPSE_PX = 160
LIGHT_PX = 128
BLOCK = 96  # frames that are steadied together
OVERLAP = 24  # ... and how many more are read so that blocks meet without a step
FRONTAL_DEG = 35.0
CLEAR_SCORE = 0.8
BEST_KEPT = 8
GHOST_AFTER = 4  # detector runs that saw nothing where the mesh still sees a face
GHOST_SCORE = 0.9
BEHIND = 3  # frames that the second thread may lag behind; each holds a whole picture


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """One face in one frame, before steadying."""

    frame: int
    mesh: Mesh
    forth: Floats  # (478, 2) how the last frame's points moved here; zero at a start
    back: Floats
    light: Floats
    hands: tuple[Hand, ...]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """How well a frame shows a face, and who it is."""

    frame: int
    worth: float
    embedding: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Glimpse:
    """A face of a frame, small, for a later look at who it was."""

    frame: int
    pixels: Pixels  # (GLIMPSE_PX, GLIMPSE_PX, 3)
    points_xy: Floats  # (5, 2) pixels of it


@dataclass(slots=True, eq=False)
class Tracklet:
    """One face followed without a break.

    ``sightings``, ``glimpses``, ``book`` and what concerns hands belong to the second thread.
    """

    id: int
    mesh: Mesh  # the last one
    starts_shot: bool = False  # it was there when the shot began
    sightings: list[Sighting] = field(default_factory=list)  # not yet handed out
    handed_out: int = 0  # of the first of them, how many have been
    waiting: int = 0  # sightings not yet handed out, with those that are still under way
    first_frame: int = -1
    last_frame: int = -1
    ends_shot: bool = False  # it was there until the shot's end
    views: list[View] = field(default_factory=list)
    clarity: float = 0.0  # the most that any look at it had, as the recognizer says
    missed: int = 0  # detector runs in a row that did not see it
    hands: list[Hand] = field(default_factory=list)
    may_have_hand: bool = False  # the last search found one that it was not sure of
    hands_age: int = -HANDS_ALERT  # when one was last there, in frames since the first
    book: LookBook = field(default_factory=LookBook)
    looked_s: float = 0.0  # when it was last looked who it is
    known_frame: int = -1  # the last frame that was looked at and showed who it always was
    strange: list[View] = field(default_factory=list)  # the latest looks, of perhaps somebody else
    glimpses: list[Glimpse] = field(default_factory=list)  # since the frame before ``known_frame``

    @property
    def has_block(self) -> bool:
        """Enough sightings to be steadied together, all of them surely of one person."""
        return self.waiting >= BLOCK + OVERLAP and not self.strange

    @property
    def is_another(self) -> bool:
        """The latest looks show one person, and that is not who it was."""
        own, seen = self.embedding, self.strange[-STRANGER_VIEWS:]
        if own is None or len(seen) < STRANGER_VIEWS:
            return False
        mean = mean_of(seen)
        is_one = min(float(view.embedding @ mean) for view in seen) > STRANGER_ALIKE
        return is_one and float(own @ mean) < STRANGER

    @property
    def embedding(self) -> Floats | None:
        """(128,) unit length, the mean over its best views; None while nobody has looked."""
        return mean_of(self.views) if self.views else None

    def hands_due(self, is_alert: bool, is_followed: bool) -> int:
        """Every how many frames it is searched for hands."""
        if is_alert:
            return HANDS_EVERY_FOLLOWED if is_followed else 1
        return HANDS_EVERY_DOUBTFUL if self.may_have_hand else HANDS_EVERY

    def wants_embedding(self, age: int, now_s: float) -> bool:
        if self.strange and age % STRANGER_EVERY == 0:
            return True
        if now_s - self.looked_s >= EMBED_AFTER_S:
            return True
        is_known = len(self.views) >= KNOWN_VIEWS
        return age % (EMBED_ONCE_KNOWN if is_known else EMBED_EVERY) == 0

    def remember(self, view: View) -> None:
        self.views = sorted([*self.views, view], key=lambda v: -v.worth)[:BEST_KEPT]


@dataclass(frozen=True, slots=True, eq=False)
class Steadied:
    """A row of the scan: one face, steadied."""

    frame: int
    tracklet: int
    score: float
    landmarks_xyz: Floats
    light: Floats
    hands: tuple[Hand, ...]


class Tracker:
    """Feed it frames in order; it hands out steadied faces and keeps the tracklets' summaries.

    What it finds does not depend on which of its threads is faster. ``close`` ends the second one;
    what fails there is raised by ``feed`` or ``end_shot``.
    """

    def __init__(
        self,
        detector: FilmDetector,
        landmarker: Landmarker,
        recognizer: Recognizer,
        hand_finder: HandFinder | None,
        topology: Topology,
    ) -> None:
        self._detector, self._landmarker = detector, landmarker
        self._recognizer, self._hand_finder = recognizer, hand_finder
        self._topology = topology
        self._meter = LightMeter(topology)
        self._flow = FaceFlow()
        self._later = Later()
        self._recent: deque[Frame] = deque(maxlen=DETECT_EVERY)  # of this shot
        self._boxes: dict[int, list[Floats]] = {}  # of all faces in the recent frames
        self._shot_began = 0
        self._alive: list[Tracklet] = []
        self._since_detection = DETECT_EVERY
        self._detected_s = 0.0
        self._since_thorough = THOROUGH_EVERY
        self._has_rolled = False
        self.tracklets: list[Tracklet] = []

    def feed(self, frame: Frame, is_cut: bool) -> Iterator[Steadied]:
        """Take one frame; yields faces whose steadying is done, of this or earlier frames."""
        if is_cut:
            yield from self.end_shot()
            self._shot_began = frame.index
        self._later.catch_up(frame.index - BEHIND)
        lost = self._follow(frame)
        for tracklet in lost:
            yield from self._finish(tracklet)
        self._since_detection += 1
        self._since_thorough += 1
        for tracklet in [each for each in self._alive if each.is_another]:
            yield from self._part(tracklet)
        is_due = float(frame.time) - self._detected_s >= DETECT_AFTER_S
        if is_cut or lost or is_due or self._since_detection >= DETECT_EVERY:
            self._detected_s = float(frame.time)
            self._detect(frame, is_new=is_cut or bool(lost))
        for tracklet in self._alive:
            if tracklet.has_block:
                self._later.catch_up()
                yield from _hand_out(tracklet, at_end=False)
        self._recent.append(frame)
        self._boxes = {f.index: self._boxes.get(f.index, []) for f in self._recent}

    def end_shot(self) -> Iterator[Steadied]:
        """Let go of every face: a cut, or the end of the film."""
        for tracklet in list(self._alive):
            tracklet.ends_shot = True
            yield from self._finish(tracklet)
        self._recent.clear()
        self._boxes.clear()

    def close(self) -> None:
        """Let go of the second thread, whatever it was doing."""
        self._later.close()

    def _finish(self, tracklet: Tracklet) -> Iterator[Steadied]:
        self._later.catch_up()
        if tracklet in self._alive:
            self._alive.remove(tracklet)
            limit([each.book for each in self.tracklets if each not in self._alive])
        yield from _hand_out(tracklet, at_end=True)

    def _follow(self, frame: Frame) -> list[Tracklet]:
        """Find every known face again; returns those that were lost."""
        lost = []
        for tracklet in self._alive:
            then = tracklet.mesh
            mesh = self._look(frame.picture, crop_of(next_face_roi(then.landmarks_xyz), self._side))
            is_ghost = tracklet.missed >= GHOST_AFTER and mesh.score < GHOST_SCORE
            if (
                is_ghost
                or not _is_same_face(then, mesh)
                or self._is_taken(mesh, tracklet, frame.index)
            ):
                lost.append(tracklet)
            else:
                self._add(tracklet, frame, mesh)
        self._alive = [tracklet for tracklet in self._alive if tracklet not in lost]
        return lost

    def _is_taken(self, mesh: Mesh, tracklet: Tracklet, frame: int) -> bool:
        """Whether another tracklet already stands on this face."""
        box = box_of(mesh.landmarks_xyz)
        return any(
            overlap(box, box_of(other.mesh.landmarks_xyz)) > 2 * SAME_FACE
            for other in self._alive
            if other is not tracklet and other.last_frame == frame
        )

    def _detect(self, frame: Frame, is_new: bool) -> None:
        """``is_new``: the picture may show a face that has been missed until now."""
        boxes = [box_of(tracklet.mesh.landmarks_xyz) for tracklet in self._alive]
        found = self._found(frame.picture, boxes, is_new)
        for tracklet, box in zip(self._alive, boxes, strict=True):
            is_seen = any(overlap(box, face.box_xyxy) > SAME_FACE for face in found)
            tracklet.missed = 0 if is_seen else tracklet.missed + 1
        for face in found:
            self._begin(frame, face)

    def _found(self, picture: Picture, followed: Sequence[Floats], is_new: bool) -> list[Detection]:
        """Where nobody is upright, looking for turned faces costs five times as much."""
        self._since_detection = 0
        is_due = self._since_thorough >= THOROUGH_EVERY or (self._has_rolled and not followed)
        if not is_new and not is_due:
            return self._detector.glance(picture, followed)
        self._since_thorough = 0
        return self._detector.detect(picture)

    def _begin(self, frame: Frame, face: Detection) -> None:
        if face.box_xyxy[3] - face.box_xyxy[1] < LEAST_FACE_PX:
            return
        known = [box_of(t.mesh.landmarks_xyz) for t in self._alive]
        if any(overlap(box, face.box_xyxy) > SAME_FACE for box in known):
            return
        rough = self._look(
            frame.picture, crop_of(face_roi(face.box_xyxy, face.points_xy), self._side)
        )
        mesh = self._look(frame.picture, crop_of(next_face_roi(rough.landmarks_xyz), self._side))
        box = box_of(mesh.landmarks_xyz)
        if mesh.score < LEAST_SCORE or any(overlap(box, other) > SAME_FACE for other in known):
            return
        tracklet = Tracklet(len(self.tracklets), mesh, first_frame=frame.index)
        self._add(tracklet, frame, mesh)
        self._look_back(tracklet, frame)
        self._has_rolled |= abs(next_face_roi(mesh.landmarks_xyz).angle) > ROLLED_RAD
        tracklet.starts_shot = tracklet.first_frame == self._shot_began
        self.tracklets.append(tracklet)
        self._alive.append(tracklet)

    def _look_back(self, tracklet: Tracklet, frame: Frame) -> None:
        """Follow a new face into the frames since the detector last looked.

        Else a face that comes into view would show itself for some frames before it is swapped.
        """
        self._later.catch_up()
        later = frame
        for earlier in reversed(self._recent):
            known = tracklet.sightings[0]
            mesh = self._look(
                earlier.picture, crop_of(next_face_roi(known.mesh.landmarks_xyz), self._side)
            )
            box = box_of(mesh.landmarks_xyz)
            is_taken = any(overlap(box, other) > SAME_FACE for other in self._boxes[earlier.index])
            if is_taken or not _is_same_face(known.mesh, mesh):
                return
            forth, back = self._flow.between(
                earlier.picture, later.picture, mesh.landmarks_xyz, known.mesh.landmarks_xyz
            )
            light = self._meter.measure_in(earlier.picture, mesh.landmarks_xyz, LIGHT_PX)
            hands = self._hands_then(earlier.picture, mesh, known.hands)
            still = np.zeros_like(forth)
            tracklet.sightings[0] = replace(known, forth=forth, back=back)
            tracklet.sightings.insert(0, Sighting(earlier.index, mesh, still, still, light, hands))
            self._boxes[earlier.index].append(box)
            tracklet.first_frame, later = earlier.index, earlier
            tracklet.waiting += 1

    def _add(self, tracklet: Tracklet, frame: Frame, mesh: Mesh) -> None:
        """Keep one more sighting."""
        age = frame.index - tracklet.first_frame
        if tracklet.wants_embedding(age, float(frame.time)):
            self._look_who(tracklet, frame, mesh)
        known = tracklet.known_frame
        self._later.do(
            frame.index, self._complete, tracklet, frame, mesh, age, tuple(self._recent), known
        )
        tracklet.mesh, tracklet.last_frame = mesh, frame.index
        tracklet.waiting += 1
        self._boxes.setdefault(frame.index, []).append(box_of(mesh.landmarks_xyz))

    def _complete(
        self,
        tracklet: Tracklet,
        frame: Frame,
        mesh: Mesh,
        age: int,
        recent: Sequence[Frame],
        known_frame: int,
    ) -> None:
        """On the second thread: all of a sighting that does not decide where to look next.

        ``recent`` are the frames of this shot before this one, ``known_frame`` is the last one of
        which it was clear whom it shows.
        """
        forth = back = np.zeros((len(mesh.landmarks_xyz), 2), np.float32)
        if tracklet.sightings:
            then, before = tracklet.sightings[-1].mesh.landmarks_xyz, recent[-1].picture
            forth, back = self._flow.between(before, frame.picture, then, mesh.landmarks_xyz)
        light = self._meter.measure_in(frame.picture, mesh.landmarks_xyz, LIGHT_PX)
        hands = self._find_hands(tracklet, frame.picture, mesh, age, recent)
        if tracklet.book.wants(age):
            self._take_look(tracklet, frame, mesh, light, is_free=not hands)
        tracklet.sightings.append(Sighting(frame.index, mesh, forth, back, light, hands))
        tracklet.glimpses = [each for each in tracklet.glimpses if each.frame >= known_frame]
        tracklet.glimpses.append(_glimpse_of(frame, mesh))

    def _take_look(
        self, tracklet: Tracklet, frame: Frame, mesh: Mesh, light: Floats, is_free: bool
    ) -> None:
        """``is_free``: no hand is before the face."""
        yaw, _, _ = pose_of(self._topology, mesh.landmarks_xyz).yaw_pitch_roll_deg
        is_clear = is_free and mesh.score > CLEAR_SCORE
        look = take_look(frame.picture, mesh.landmarks_xyz, self._topology, yaw, is_clear, light)
        tracklet.book.add(replace(look, frame=frame.index))

    def _look_who(self, tracklet: Tracklet, frame: Frame, mesh: Mesh) -> None:
        """Look who it is. Only a good view may say that it is somebody else."""
        points_xy = five_points(mesh.landmarks_xyz)
        embedding, clarity = self._recognizer.describe(frame.picture, points_xy)
        yaw, pitch, _ = pose_of(self._topology, mesh.landmarks_xyz).yaw_pitch_roll_deg
        frontal = max(0.05, 1 - max(abs(yaw), abs(pitch)) / FRONTAL_DEG)
        height = _height_px(mesh)
        view = View(frame.index, frontal * mesh.score * min(1.0, height / 112), embedding)
        tracklet.looked_s = float(frame.time)
        is_sure = frontal > 0.4 and mesh.score > 0.9 and height > 2 * LEAST_FACE_PX
        own = tracklet.embedding
        is_strange = own is not None and len(tracklet.views) > 1 and own @ embedding < STRANGER
        if is_strange and is_sure and self._is_free(tracklet):
            tracklet.strange.append(view)
            if frame.index - tracklet.strange[0].frame < STRANGER_FRAMES:
                return
        elif tracklet.strange and not is_sure:
            return
        tracklet.strange.clear()
        tracklet.known_frame = frame.index
        tracklet.remember(view)
        tracklet.clarity = max(tracklet.clarity, clarity)

    def _is_free(self, tracklet: Tracklet) -> bool:
        """Whether no hand was before the face when it was last seen."""
        self._later.catch_up()
        return not tracklet.sightings or not tracklet.sightings[-1].hands

    def _part(self, tracklet: Tracklet) -> Iterator[Steadied]:
        """Let go of whom a tracklet began with and go on with whom it shows by now.

        One picture dissolved into another, or the tracker slid from one face to the next. From the
        first frame that resembles the second person more, and all after it do, it is theirs.
        """
        self._later.catch_up()
        first, second = tracklet.embedding, mean_of(tracklet.strange[-STRANGER_VIEWS:])
        assert first is not None
        start = tracklet.known_frame + 1
        for glimpse in reversed(tracklet.glimpses):
            who = self._recognizer.embed(ArrayPicture(glimpse.pixels), glimpse.points_xy)
            if float(who @ first) > float(who @ second):
                start = glimpse.frame + 1
                break
        sightings = tracklet.sightings
        kept = sum(sighting.frame < start for sighting in sightings)
        kept = max(kept, tracklet.handed_out)
        later = Tracklet(len(self.tracklets), tracklet.mesh, starts_shot=True)
        later.sightings, tracklet.sightings = sightings[kept:], sightings[:kept]
        if not later.sightings or not kept:
            tracklet.strange.clear()
            return
        later.first_frame, later.last_frame = later.sightings[0].frame, tracklet.last_frame
        later.waiting = len(later.sightings)
        later.clarity, later.looked_s = tracklet.clarity, tracklet.looked_s
        later.hands, later.may_have_hand = tracklet.hands, tracklet.may_have_hand
        for view in tracklet.strange:
            if view.frame >= later.first_frame:
                later.remember(view)
        later.known_frame = tracklet.strange[-1].frame
        tracklet.strange.clear()
        tracklet.book.forget_from(tracklet.known_frame + 1)
        tracklet.last_frame, tracklet.ends_shot = later.first_frame - 1, True
        self.tracklets.append(later)
        self._alive.append(later)
        yield from self._finish(tracklet)

    def _find_hands(
        self, tracklet: Tracklet, picture: Picture, mesh: Mesh, age: int, recent: Sequence[Frame]
    ) -> tuple[Hand, ...]:
        if self._hand_finder is None or _height_px(mesh) < HANDS_FROM_PX:
            return ()
        near, far = _told_apart(mesh, tracklet.hands)
        known = self._hand_finder.follow(picture, near) if near else []
        is_alert = age - tracklet.hands_age < HANDS_ALERT
        every = tracklet.hands_due(is_alert, bool(known))
        if age % every:
            known = [*known, *far]
        else:
            known = [*known, *(self._hand_finder.follow(picture, far) if far else [])]
            found = self._search_hands(tracklet, picture, mesh, age // every, is_alert)
            fresh = [hand for hand in found if not _is_known(hand, known)]
            self._follow_back(tracklet, fresh, recent)
            known = [*known, *fresh]
        tracklet.hands = known
        hands = hands_before(mesh, known)
        tracklet.hands_age = age if hands else tracklet.hands_age
        return hands

    def _search_hands(
        self, tracklet: Tracklet, picture: Picture, mesh: Mesh, turn: int, is_alert: bool
    ) -> list[Hand]:
        """In the square whose turn it is; at the first doubtful hand, in the other one too."""
        assert self._hand_finder is not None
        was_calm = not is_alert and not tracklet.may_have_hand
        sure: list[Hand] = []
        for reach in (HANDS_REACH[turn % 2], HANDS_REACH[1 - turn % 2]):
            found = hands_around(self._hand_finder, picture, mesh, reach, HANDS_DOUBTFUL)
            sure = [h for h in found if h.score >= (HANDS_LIKELY if is_alert else HANDS_SURE)]
            tracklet.may_have_hand = bool(found)
            if sure or not found or not was_calm:
                break
        return sure

    def _hands_then(
        self, picture: Picture, mesh: Mesh, later: tuple[Hand, ...]
    ) -> tuple[Hand, ...]:
        """In a frame before the tracklet's first: a face comes out from behind a hand."""
        if self._hand_finder is None or _height_px(mesh) < HANDS_FROM_PX:
            return ()
        known = self._hand_finder.follow(picture, later) if later else []
        found = hands_around(self._hand_finder, picture, mesh, HANDS_REACH[0], HANDS_SURE)
        fresh = [hand for hand in found if not _is_known(hand, known)]
        return hands_before(mesh, [*known, *fresh])

    def _follow_back(self, tracklet: Tracklet, fresh: list[Hand], recent: Sequence[Frame]) -> None:
        """Hands come into view blurred: what is found now was there some frames ago."""
        if self._hand_finder is None or not tracklet.sightings:
            return
        for place, earlier in _shared(tracklet, recent, HANDS_BACK):
            if not fresh:
                return
            fresh = self._hand_finder.follow(earlier.picture, fresh)
            then = tracklet.sightings[place]
            new = [h for h in hands_before(then.mesh, fresh) if not _is_known(h, then.hands)]
            tracklet.sightings[place] = replace(then, hands=(*then.hands, *new))

    def _look(self, picture: Picture, crop_to_frame: Floats) -> Mesh:
        return self._landmarker.landmarks(picture, crop_to_frame)

    @property
    def _side(self) -> int:
        return self._landmarker.size_px


def mean_of(views: Sequence[View]) -> Floats:
    """(128,) unit length, the mean over one view or more, by their worth."""
    mean = sum(view.worth * view.embedding for view in views)
    return (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)


def _glimpse_of(frame: Frame, mesh: Mesh) -> Glimpse:
    crop_to_frame = crop_of(next_face_roi(mesh.landmarks_xyz), GLIMPSE_PX)
    points_xy = move_points(five_points(mesh.landmarks_xyz), invert(crop_to_frame))
    return Glimpse(frame.index, frame.picture.warped(crop_to_frame, GLIMPSE_PX), points_xy)


def box_of(points: Floats) -> Floats:
    """(4,) x0, y0, x1, y1 around the points of a face or a hand."""
    columns = points[:POINTS, :2].T.copy()  # numpy takes seven times as long over rows of two
    return np.concatenate([columns.min(1), columns.max(1)])


def overlap(a: Floats, b: Floats) -> float:
    """Intersection over union of two boxes.

    >>> overlap(np.float32([0, 0, 2, 2]), np.float32([0, 0, 2, 1]))
    0.5
    """
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / max(float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - shared, 1e-9)


def overlaps(a: Floats, b: Floats) -> bool:
    return bool((np.minimum(a[2:], b[2:]) > np.maximum(a[:2], b[:2])).all())


def _is_same_face(then: Mesh, now: Mesh) -> bool:
    """The next mesh is a face, about as large, and not far away."""
    if now.score < LEAST_SCORE or not np.isfinite(now.landmarks_xyz).all():
        return False
    before, after = box_of(then.landmarks_xyz), box_of(now.landmarks_xyz)
    height, height_now = before[3] - before[1], after[3] - after[1]
    step = np.linalg.norm((before[:2] + before[2:] - after[:2] - after[2:]) / 2)
    is_as_large = 0.6 < height_now / max(height, 1e-6) < 1.67
    return bool(is_as_large and height_now >= LEAST_FACE_PX and step < FARTHEST_STEP * height)


def hands_around(
    finder: HandFinder, picture: Picture, mesh: Mesh, reach: float, min_score: float
) -> list[Hand]:
    """Hands in a square of ``reach`` landmarker's crops around a face."""
    roi = next_face_roi(mesh.landmarks_xyz)
    place = crop_of(roi._replace(side=roi.side * reach), finder.size_px)
    return finder.find(picture, place, min_score)


def _height_px(mesh: Mesh) -> float:
    return float(np.ptp(mesh.landmarks_xyz[:POINTS, 1]))


def _told_apart(mesh: Mesh, hands: Sequence[Hand]) -> tuple[list[Hand], list[Hand]]:
    """Those near the face or before it, and the others."""
    box = box_of(mesh.landmarks_xyz)
    margin = HANDS_NEAR * (box[2:] - box[:2])
    around = np.concatenate([box[:2] - margin, box[2:] + margin])
    near = [hand for hand in hands if overlaps(around, box_of(hand.points_xy))]
    return near, [hand for hand in hands if hand not in near]


def hands_before(mesh: Mesh, hands: Sequence[Hand]) -> tuple[Hand, ...]:
    """Those hands that may cover a part of a face."""
    box = box_of(mesh.landmarks_xyz)
    return tuple(hand for hand in hands if overlaps(box, box_of(hand.points_xy)))


def _shared(tracklet: Tracklet, frames: Iterable[Frame], most: int) -> Iterator[tuple[int, Frame]]:
    """The latest of ``frames`` with the places of their sightings, the newest first."""
    by_index = {frame.index: frame for frame in frames}
    first = max(tracklet.handed_out, len(tracklet.sightings) - most)
    for place in range(len(tracklet.sightings) - 1, first - 1, -1):
        if frame := by_index.get(tracklet.sightings[place].frame):
            yield place, frame


def _is_known(hand: Hand, known: Sequence[Hand]) -> bool:
    return any(_is_same_hand(hand, other) for other in known)


def bridged(hands: Sequence[tuple[Hand, ...]]) -> list[tuple[Hand, ...]]:
    """Hands of frames in a row; where one is lost for a few frames, it is between its sights."""
    filled = [list(each) for each in hands]
    for later, now in enumerate(hands):
        for hand in now:
            for gap in range(1, HANDS_GAP + 1):
                earlier = later - 1 - gap
                if later == 0 or earlier < 0 or _is_known(hand, hands[later - 1]):
                    break
                if any(_is_known(hand, hands[k]) for k in range(earlier + 1, later)):
                    break
                if then := next((h for h in hands[earlier] if _is_near(h, hand)), None):
                    for k in range(1, gap + 1):
                        filled[earlier + k].append(_hand_between(then, hand, k / (gap + 1)))
                    break
    return [tuple(each) for each in filled]


def _hand_between(a: Hand, b: Hand, share: float) -> Hand:
    points = a.points_xy + np.float32(share) * (b.points_xy - a.points_xy)
    return Hand(points.astype(np.float32), min(a.score, b.score))


def _is_near(a: Hand, b: Hand) -> bool:
    """Whether it may be the same hand some frames later: about as large, not far away."""
    one, other = box_of(a.points_xy), box_of(b.points_xy)
    size = max(float(np.ptp(one[[0, 2]]) + np.ptp(one[[1, 3]])), 1.0) / 2
    step = float(np.linalg.norm((one[:2] + one[2:] - other[:2] - other[2:]) / 2))
    return step < size


def _is_same_hand(a: Hand, b: Hand) -> bool:
    return overlap(box_of(a.points_xy), box_of(b.points_xy)) > 0.3


def _hand_out(tracklet: Tracklet, at_end: bool) -> Iterator[Steadied]:
    """Steady and hand out all that is far enough from the newest sighting; at the end, all."""
    waiting = tracklet.sightings
    if not waiting:
        return
    steady = smooth(*(np.stack(part) for part in _columns(waiting)))
    lights = steady_light(np.stack([sighting.light for sighting in waiting]))
    hands = bridged([sighting.hands for sighting in waiting])
    stop = len(waiting) if at_end else len(waiting) - OVERLAP
    done = slice(tracklet.handed_out, stop)
    rows = zip(waiting[done], steady[done], lights[done], hands[done], strict=True)
    for sighting, landmarks, light, own_hands in rows:
        yield Steadied(
            sighting.frame,
            tracklet.id,
            sighting.mesh.score,
            landmarks,
            light,
            own_hands,
        )
    kept = max(0, stop - OVERLAP)
    tracklet.sightings = waiting[kept:] if not at_end else []
    tracklet.handed_out = stop - kept
    tracklet.waiting = len(tracklet.sightings) - tracklet.handed_out


def _columns(
    sightings: Sequence[Sighting],
) -> tuple[list[Floats], list[Floats], list[Floats]]:
    return (
        [s.mesh.landmarks_xyz for s in sightings],
        [s.forth for s in sightings],
        [s.back for s in sightings],
    )
