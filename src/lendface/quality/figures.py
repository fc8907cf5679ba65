"""The one list of what is measured; tables, plots and the docs take names and meanings from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Better = Literal["higher", "lower", "one"]  # one: a ratio that should be 1
How = Literal["mean", "median", "share", "film"]
Bound = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Figure:
    """What one number means.

    ``how`` is the way from samples to one value of a film: the mean, the median, the share of
    samples that are 1, or ``film`` where it is measured over the whole film at once.
    """

    name: str
    title: str
    unit: str  # empty for a plain number
    better: Better
    how: How
    bound: Bound | None  # least and most that a good swap has; None where there is no bound
    meaning: str

    def is_met(self, value: float) -> bool:
        """Whether ``value`` lies within the bound; always, where there is none.

        >>> get_figure("gaze_error").is_met(0.02), get_figure("gaze_error").is_met(0.04)
        (True, False)
        """
        least, most = self.bound or (None, None)
        return (least is None or value >= least) and (most is None or value <= most)


_ALL = (
    # who it is
    Figure(
        "to_source",
        "likeness to source",
        "cosine",
        "higher",
        "mean",
        None,
        "SFace cosine of the output's face to the source photos; 0.34 and more is one person",
    ),
    Figure(
        "to_target",
        "likeness to target",
        "cosine",
        "lower",
        "mean",
        None,
        "SFace cosine of the output's face to the target's own face of the same frame",
    ),
    Figure(
        "nearer_to_source",
        "nearer to source",
        "share",
        "higher",
        "share",
        (0.99, None),
        "share of faces that SFace finds more like the source than like the target's own face",
    ),
    Figure(
        "retrieval",
        "source found",
        "share",
        "higher",
        "share",
        (0.98, None),
        "share of faces for which the source is the most alike in the gallery (SFace)",
    ),
    Figure(
        "transfer",
        "identity transfer",
        "",
        "higher",
        "mean",
        (0.60, None),
        "how far the face went from target to source, seen by a second descriptor: 0 stays, 1 is "
        "as near as another photo of the source",
    ),
    Figure(
        "found",
        "still a face",
        "share",
        "higher",
        "share",
        None,
        "share of the target's faces where the output shows a face at all",
    ),
    Figure(
        "changed",
        "changed faces",
        "share",
        "higher",
        "share",
        None,
        "share of faces whose pixels differ visibly from the target's",
    ),
    Figure(
        "wrong_frames",
        "wrong identity",
        "frames",
        "lower",
        "film",
        (None, 0.0),
        "frames in which somebody who was to stay became another, or somebody got another one's "
        "source",
    ),
    # what it does
    Figure(
        "expression_error",
        "expression error",
        "",
        "lower",
        "mean",
        None,
        "mean absolute difference of 51 ARKit expression weights (0..1)",
    ),
    Figure(
        "smile_error",
        "smile size",
        "",
        "lower",
        "mean",
        (None, 0.035),
        "mean absolute difference of mouthSmile, both sides (0..1); a smile that is lost "
        "throughout shows here and not in a correlation",
    ),
    Figure(
        "frown_error",
        "frown size",
        "",
        "lower",
        "mean",
        (None, 0.035),
        "the same of mouthFrown",
    ),
    Figure(
        "brow_error",
        "brow size",
        "",
        "lower",
        "mean",
        (None, 0.035),
        "the same of browDown",
    ),
    Figure(
        "jaw_error",
        "jaw size",
        "",
        "lower",
        "mean",
        (None, 0.035),
        "the same of jawOpen",
    ),
    Figure(
        "blink_error",
        "blink size",
        "",
        "lower",
        "mean",
        None,
        "the same of eyeBlink",
    ),
    Figure(
        "mouth_width_error",
        "mouth width",
        "eye distances",
        "lower",
        "mean",
        (None, 0.035),
        "how much wider or narrower the mouth is than the target's in the same frame",
    ),
    Figure(
        "corner_lift_error",
        "corner lift",
        "eye distances",
        "lower",
        "mean",
        (None, 0.008),
        "how much higher or lower the corners of the mouth lie, against the middle of the lips",
    ),
    Figure(
        "jaw_correlation",
        "jaw opening",
        "correlation",
        "higher",
        "film",
        (0.97, None),
        "correlation in time of how far the mouth is open; only where the target opens it",
    ),
    Figure(
        "jaw_lag",
        "jaw lag",
        "frames",
        "lower",
        "film",
        (None, 0.0),
        "how many frames the output's mouth is early or late",
    ),
    Figure(
        "lips_correlation",
        "lip opening",
        "correlation",
        "higher",
        "film",
        None,
        "correlation in time of the gap between the lips themselves, whatever their shape",
    ),
    Figure(
        "blink_correlation",
        "blinks",
        "correlation",
        "higher",
        "film",
        (0.95, None),
        "correlation in time of how far the eyes are closed; only where the target blinks",
    ),
    Figure(
        "blink_lag",
        "blink lag",
        "frames",
        "lower",
        "film",
        (None, 0.0),
        "how many frames the output's lids are early or late",
    ),
    Figure(
        "smile_correlation",
        "smile",
        "correlation",
        "higher",
        "film",
        None,
        "correlation in time of the smile; only where the target's changes",
    ),
    Figure(
        "gaze_error",
        "gaze error",
        "eye widths",
        "lower",
        "mean",
        (None, 0.03),
        "how far the irises sit from where they are in the target's eyes, as a share of eye width",
    ),
    Figure(
        "pose_error",
        "head pose error",
        "degrees",
        "lower",
        "mean",
        (None, 1.5),
        "angle between the head's rotation in the output and in the target, without the constant "
        "part that the new identity has",
    ),
    Figure(
        "pose_offset",
        "head pose offset",
        "degrees",
        "lower",
        "film",
        None,
        "that constant part: another beard or nose reads a few degrees up or down",
    ),
    Figure(
        "landmark_error",
        "landmark error",
        "eye distances",
        "lower",
        "mean",
        None,
        "mean distance of the 468 face landmarks to the target's",
    ),
    # how it belongs
    Figure(
        "edge_visibility",
        "edge visibility",
        "ratio",
        "one",
        "median",
        (0.9, 1.1),
        "steps across the rim of the face, divided by the target's own",
    ),
    Figure(
        "tone_step",
        "tone step",
        "Lab",
        "lower",
        "mean",
        (None, 2.0),
        "how much the step of colour from rim to inside differs from the target's own",
    ),
    Figure(
        "sharpness",
        "sharpness",
        "ratio",
        "one",
        "median",
        (0.85, 1.15),
        "share of the fine detail that a blur takes away, divided by the target's own",
    ),
    Figure(
        "grain",
        "grain",
        "ratio",
        "one",
        "median",
        None,
        "noise of the face divided by the target's own",
    ),
    Figure(
        "flicker",
        "flicker",
        "ratio",
        "lower",
        "mean",
        (None, 1.05),
        "what changes from frame to frame beyond motion, divided by the target's own",
    ),
    Figure(
        "hand_change",
        "hands painted over",
        "share",
        "lower",
        "mean",
        (None, 0.05),
        "share of the pixels of hands before the face that changed",
    ),
    Figure(
        "background_psnr",
        "background",
        "dB",
        "higher",
        "film",
        None,
        "peak signal to noise ratio outside the faces; 100 is untouched",
    ),
    # when it happens
    Figure(
        "dropped_frames",
        "dropped",
        "frames",
        "lower",
        "film",
        (None, 0.0),
        "frames of the target that the output lacks",
    ),
    Figure(
        "duplicated_frames",
        "duplicated",
        "frames",
        "lower",
        "film",
        (None, 0.0),
        "frames of the output that the target lacks",
    ),
    Figure(
        "time_error",
        "time error",
        "s",
        "lower",
        "film",
        None,
        "the largest difference of presentation times between a frame and its counterpart",
    ),
    Figure(
        "audio_drift",
        "sound drift",
        "s",
        "lower",
        "film",
        None,
        "how much the sound moved against the picture",
    ),
)

FIGURES: Mapping[str, Figure] = MappingProxyType({figure.name: figure for figure in _ALL})


def get_figure(name: str) -> Figure:
    """Raises KeyError where there is none of this name."""
    return FIGURES[name]
