"""Soft shapes and the head's coordinate frames: the geometry under the synthetic faces."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# (P, S, S): one value per pixel of P pictures; traits come as (P, 1, 1). Always float32; numpy's type stubs lose the
# width as soon as a Python float takes part.
Plane = NDArray[np.floating[Any]]
Traits = dict[str, Plane]  # colours are (P, 3, 1, 1)


def ramp(low: float, high: float, value: Plane) -> Plane:
    """0 below `low`, 1 above `high`, a straight line between."""
    rising: Plane = np.clip((value - low) / (high - low), 0, 1)
    return rising


def inside(distance: Plane, softness: Plane | float) -> Plane:
    """Coverage in [0, 1] of a shape from its signed distance (negative inside), with an edge `softness` wide."""
    coverage: Plane = np.clip(0.5 - distance / softness, 0, 1)
    return coverage


def ellipse(x: Plane, y: Plane, half_width: Plane | float, half_height: Plane | float) -> Plane:
    """An approximate signed distance to an ellipse around the origin; exact enough for edges of about a pixel."""
    scale = np.minimum(half_width, half_height)
    return (np.sqrt((x / half_width) ** 2 + (y / half_height) ** 2) - 1) * scale


def superellipse(x: Plane, y: Plane, half_width: Plane, half_height: Plane | float, power: Plane) -> Plane:
    """As `ellipse`, with |x/a|^n + |y/b|^n = 1: rounder than a box for n above 2, pointed below."""
    total = (np.abs(x) / half_width) ** power + (np.abs(y) / half_height) ** power
    return (total ** (1 / power) - 1) * np.minimum(half_width, half_height)


def box(x: Plane, y: Plane, half_width: Plane | float, half_height: Plane | float) -> Plane:
    """Signed distance to an upright rectangle around the origin."""
    return np.maximum(np.abs(x) - half_width, np.abs(y) - half_height)


def bump(x: Plane, width: Plane | float) -> Plane:
    """A Gaussian of height 1 at 0: the profile of a crease or a blush."""
    height: Plane = np.exp(-((x / width) ** 2))
    return height


@dataclass
class Canvas:
    """P square pictures being painted, and where each pixel lies.

    `x`, `y` run from −1 to 1 over the picture; `u`, `v` are upright on the head, which spans v from −1 (crown) to 1
    (chin); `face_u`, `face_v` lie on the head's surface, turned back to frontal, so that features painted there
    follow the pose; `nx`, `ny`, `nz` is the surface's normal towards the camera. `edge` is one pixel in head units.
    """

    rgb: Plane  # (P, 3, S, S)
    x: Plane
    y: Plane
    u: Plane
    v: Plane
    face_u: Plane
    face_v: Plane
    nx: Plane
    ny: Plane
    nz: Plane
    edge: Plane

    def paint(self, coverage: Plane, colour: Plane) -> None:
        """Blend `colour` ((P, 3, 1, 1) or (P, 3, S, S)) over the pictures where `coverage` (P, S, S) says."""
        self.rgb += coverage[:, None] * (colour - self.rgb)

    def shade(self, factor: Plane) -> None:
        """Multiply all channels by `factor` (P, S, S)."""
        self.rgb *= factor[:, None]


def make_canvas(traits: Traits, size: int) -> Canvas:
    """An empty canvas of `size`² pixels per picture, with the frames that pose, scale and head shape give."""
    steps = (np.arange(size, dtype=np.float32) + 0.5) * (2 / size) - 1
    count = len(traits["scale"])
    x = np.broadcast_to(steps[None, None, :], (count, size, size))
    y = np.broadcast_to(steps[None, :, None], (count, size, size))
    cos, sin = np.cos(traits["roll"]), np.sin(traits["roll"])
    across, down = (x - traits["shift_x"]) / traits["scale"], (y - traits["shift_y"]) / traits["scale"]
    u, v = cos * across + sin * down, cos * down - sin * across

    # The head is an ellipsoid with half axes (width, 1, width); a pixel's point on it is turned back by yaw and pitch.
    width = traits["head_width"]
    nx, ny = u / width, v
    radius = np.sqrt(nx**2 + ny**2)
    rim = np.maximum(radius, 1)
    nx, ny = nx / rim, ny / rim
    nz = np.sqrt(np.maximum(1 - nx**2 - ny**2, 0))
    yaw, pitch = traits["yaw"], traits["pitch"]
    turned_x = np.cos(yaw) * nx - np.sin(yaw) * nz
    depth = np.sin(yaw) * nx + np.cos(yaw) * nz
    turned_y = np.cos(pitch) * ny - np.sin(pitch) * depth
    return Canvas(
        rgb=np.zeros((count, 3, size, size), dtype=np.float32),
        x=x,
        y=y,
        u=u,
        v=v,
        face_u=turned_x * width * rim,
        face_v=turned_y * rim,
        nx=nx,
        ny=ny,
        nz=nz,
        edge=(2 / size) / traits["scale"],
    )
