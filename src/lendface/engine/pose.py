"""Where a head is and which way it looks: similarity between the canonical mesh and a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """``frame = scale * rotation @ canonical + shift``, all in image axes, weak perspective."""

    scale: float  # pixels a centimetre
    rotation: Floats  # (3, 3)
    shift: Floats  # (3,)

    def to_canonical(self, points_xyz: Floats) -> Floats:
        """(n, 3) pixels to (n, 3) centimetres."""
        return (points_xyz - self.shift) @ self.rotation / self.scale

    def turned(self, vectors: Floats) -> Floats:
        """Displacements (n, 3) in centimetres to displacements in pixels."""
        return self.scale * vectors @ self.rotation.T

    @property
    def yaw_pitch_roll_deg(self) -> tuple[float, float, float]:
        """Turn, nod and tilt; zero looks into the camera, a positive yaw to the image's right."""
        r = self.rotation
        yaw = np.arctan2(-r[0, 2], np.hypot(r[0, 0], r[0, 1]))
        return (
            float(np.degrees(yaw)),
            float(np.degrees(np.arctan2(r[1, 2], r[2, 2]))),
            float(np.degrees(np.arctan2(r[1, 0], r[0, 0]))),
        )


def fit_pose(canonical_xyz: Floats, frame_xyz: Floats) -> Pose:
    """The best similarity from ``canonical_xyz`` to ``frame_xyz``, both (n, 3), n >= 3.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    1991; it never mirrors.
    """
    src, dst = canonical_xyz.astype(np.float64), frame_xyz.astype(np.float64)
    src_mean, dst_mean = src.mean(0), dst.mean(0)
    src, dst = src - src_mean, dst - dst_mean
    u, spread, vt = np.linalg.svd(dst.T @ src)
    signs = np.array([1, 1, np.sign(np.linalg.det(u @ vt))])
    rotation = u * signs @ vt
    scale = float((spread * signs).sum() / max((src**2).sum(), 1e-12))
    shift = dst_mean - scale * rotation @ src_mean
    return Pose(scale, rotation.astype(np.float32), shift.astype(np.float32))
