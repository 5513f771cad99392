"""Painting photographs of synthetic faces, layer by layer from the background to the camera's grain."""

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.data.face_canvas import (
    Canvas,
    Plane,
    Traits,
    box,
    bump,
    ellipse,
    inside,
    make_canvas,
    superellipse,
)
from lethe.evaluator.data.face_features import (
    paint_beard,
    paint_creases,
    paint_eyes,
    paint_glasses,
    paint_mouth,
    paint_nose,
)

DARK = np.array([38.0, 24.0, 22.0], dtype=np.float32)[None, :, None, None]
MASK = np.array([168.0, 204.0, 222.0], dtype=np.float32)[None, :, None, None]


def paint_faces(traits: Traits, size: int, supersampling: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Photographs (P, 3, size, size) uint8 of the traits, which have shape (P, 1, 1), or (P, 3, 1, 1) for colours.

    Painted at `supersampling` times the size and averaged down; `generator` gives the grain.
    """
    canvas = make_canvas(traits, size * supersampling)
    _paint_background(canvas, traits)
    _paint_back_hair(canvas, traits)
    _paint_shoulders(canvas, traits)
    head = _paint_head(canvas, traits)
    paint_creases(canvas, traits, head)
    paint_eyes(canvas, traits, head)
    paint_nose(canvas, traits, head)
    paint_mouth(canvas, traits, head)
    paint_beard(canvas, traits, head)
    _paint_front_hair(canvas, traits)
    paint_glasses(canvas, traits, traits["glasses"] * (traits["occlusion"] != 3), tint=0.12)
    _paint_occlusion(canvas, traits)
    return _develop(canvas, traits, size, supersampling, generator)


def _paint_background(canvas: Canvas, traits: Traits) -> None:
    x, y, scene, phase = canvas.x, canvas.y, traits["scene"], traits["scene_phase"]
    slope = 0.5 + 0.5 * np.clip(y + (phase - 0.5) * x, -1, 1)  # a wall in falling light
    panels = inside(np.sin((x + 2 * phase) * 7), 0.8)  # shelves or curtains
    horizon = inside(0.15 - y + 0.1 * np.sin(5 * x + 6 * phase), 0.12)  # outdoors
    lights = bump(np.sin(6 * x + 9 * phase) ** 2 + np.sin(6 * y - 5 * phase) ** 2, 0.55)  # lamps out of focus
    amount = np.select([scene == 0, scene == 1, scene == 2], [slope, panels, horizon], 0.85 * lights)
    canvas.rgb[:] = traits["wall"]
    canvas.paint(amount, traits["second_wall"])


def _paint_shoulders(canvas: Canvas, traits: Traits) -> None:
    u, v, edge = canvas.u, canvas.v, canvas.edge
    width = traits["shoulders"]
    light = 1 - 0.28 * np.clip(np.abs(u) / width, 0, 1) ** 2
    neck = inside(box(u, v - 1.0, 0.33 + 0.06 * traits["masculine"] - 0.08 * traits["child"], 0.65), edge)
    below_chin = 1 - 0.42 * bump(v - 0.92, 0.22)
    canvas.paint(neck, traits["skin"] * (0.84 * below_chin)[:, None])
    creases = traits["sagging"] * (bump(np.abs(u) - 0.14, 0.05) + bump(v - 1.12, 0.04))
    canvas.shade(1 - 0.25 * neck * np.clip(creases, 0, 1))
    torso = inside(superellipse(u, v - 2.35, width, 1.18, np.full_like(width, 2.6)), edge)
    canvas.paint(torso, traits["cloth"] * light[:, None])
    opening = torso * inside(ellipse(u, v - 1.15, 0.40, 0.16 + 0.32 * traits["neckline"]), edge)
    canvas.paint(opening, traits["skin"] * (0.86 * light)[:, None])
    canvas.shade(
        1 - 0.25 * torso * (1 - opening) * inside(ellipse(u, v - 1.15, 0.47, 0.24 + 0.32 * traits["neckline"]), edge)
    )


def _paint_head(canvas: Canvas, traits: Traits) -> Plane:
    """Paint ears and the lit head; return the coverage of the head."""
    u, v, edge, width = canvas.u, canvas.v, canvas.edge, traits["head_width"]
    for side in (-1.0, 1.0):
        centre = side * width * (0.99 - 0.1 * np.maximum(-side * np.sin(traits["yaw"]), 0))
        across, down = u - centre, v - 0.08 - traits["eye_line"] * 0.8
        size = traits["ear_size"]
        canvas.paint(inside(ellipse(across, down, 0.13 * size, 0.21 * size), edge), traits["skin"] * 0.9)
        inner = inside(ellipse(across, down, 0.06 * size, 0.12 * size), 2 * edge)
        canvas.shade(1 - 0.25 * inner)
    power = 2.0 + (traits["jaw"] - 2.0) * np.clip(v * 1.6, 0, 1)
    head = inside(superellipse(u, v, width, 1.0, power), edge)
    jowls = 0.09 * traits["sagging"]
    for side in (-1.0, 1.0):
        head = np.maximum(head, inside(ellipse(u - side * width * 0.62, v - 0.62, 0.2 + jowls, 0.2 + jowls), edge))
    light = canvas.nx * traits["light_x"] + canvas.ny * traits["light_y"] + canvas.nz * 0.9
    norm = np.sqrt(traits["light_x"] ** 2 + traits["light_y"] ** 2 + 0.81)
    lit = 1 - traits["contrast"] + traits["contrast"] * 1.28 * np.clip(light / norm, 0, 1)
    tint = np.stack([lit**0.92, lit, lit**1.05], axis=1)  # light that has passed through skin comes back red
    canvas.paint(head, traits["skin"] * tint)
    sheen = head * np.clip(light / norm, 0, 1) ** 14
    canvas.paint(0.22 * sheen, np.full_like(traits["skin"], 255))
    return head


def _paint_back_hair(canvas: Canvas, traits: Traits) -> None:
    u, v, edge, width = canvas.u, canvas.v, canvas.edge, traits["head_width"]
    grown = 1 - traits["thin_hair"]
    long_hair = (traits["masculine"] < 0.5) * (traits["looks"] > 4)
    style = traits["style"]
    curly = (style == 3) * (traits["receding"] < 0.3) * grown
    flowing = long_hair * (style <= 1)
    bob = long_hair * (style == 2)
    bun = long_hair * (style == 4)
    wave = 0.04 * np.sin(v * 9 + traits["pattern"]) * traits["curl"]
    down = superellipse(u + wave, v - 0.18, width + 0.2, 1.34, np.full_like(width, 2.7))
    half = superellipse(u + wave, v + 0.1, width + 0.21, 1.06, np.full_like(width, 2.8))
    ball = ellipse(u, v + 0.28, width + 0.27, 1.0) + 0.05 * np.sin(np.arctan2(v + 0.28, u) * 17)
    knot = ellipse(u - 0.15 * traits["part"], v + 1.16, 0.34, 0.28)
    shade = 0.72 + 0.1 * np.sin(u * 38 + 3 * np.sin(v * 4) + traits["pattern"])
    for worn, distance in ((flowing, down), (bob, half), (curly, ball), (bun, knot)):
        canvas.paint(worn * inside(distance, edge), traits["hair"] * shade[:, None])


def _paint_front_hair(canvas: Canvas, traits: Traits) -> None:
    u, v, edge, width = canvas.u, canvas.v, canvas.edge, traits["head_width"]
    style, masculine, receding = traits["style"], traits["masculine"], traits["receding"]
    across = np.abs(canvas.face_u) / width
    cropped = masculine * (1 - (style == 3))
    fullness = (0.75 + 0.5 * traits["youth"]) * (1 - 0.7 * receding) * (1 - traits["thin_hair"])
    thickness = (0.035 + 0.075 * (1 - cropped) + 0.05 * (style == 2)) * fullness
    cap = inside(ellipse(u, v + 0.02, width + thickness, 1.0 + thickness * 1.25), edge)
    fringe = (style == 1) * (1 - receding) * (traits["looks"] > 2.5)
    start = -0.56 - 0.1 * traits["child"] * (1 - fringe) + 0.24 * fringe - 0.95 * receding
    parted = 0.22 * np.abs(canvas.face_u - traits["part"]) * (style != 1)
    temples = -0.34 * receding * bump(across - 0.55, 0.22)
    sides = (0.42 + 0.1 * (1 - cropped)) * np.clip((across - 0.62) / 0.3, 0, 1) ** 2 * (1 - 0.25 * traits["child"])
    jagged = 0.035 * np.sin(canvas.face_u * 26 + traits["pattern"]) * (fringe + 0.3)
    line = start + parted + temples + sides * (1.1 + 0.5 * receding) + jagged
    hair = cap * inside(canvas.face_v - line, 2.5 * edge)
    density = 1 - 0.8 * traits["thin_hair"] - 0.25 * receding * (1 - np.clip((across - 0.5) / 0.3, 0, 1))
    strands = 0.07 * np.sin(canvas.face_u * 42 + 2.5 * np.sin(canvas.face_v * 5 + traits["pattern"]))
    curls = 0.1 * (style == 3) * np.sin(canvas.face_u * 24 + traits["pattern"]) * np.sin(canvas.face_v * 24)
    gloss = (0.08 + 0.34 * traits["youth"]) * bump(canvas.face_v + 0.78 + 0.1 * traits["light_x"] * canvas.face_u, 0.12)
    shade = 0.86 + strands + curls + gloss + 0.2 * canvas.nx * traits["light_x"]
    canvas.paint(hair * density, traits["hair"] * shade[:, None])
    shadow = bump(canvas.face_v - line - 0.05, 0.07) * (1 - hair) * cap
    canvas.shade(1 - 0.18 * shadow * density)


def _paint_occlusion(canvas: Canvas, traits: Traits) -> None:
    u, v, edge, kind, side = canvas.u, canvas.v, canvas.edge, traits["occlusion"], traits["occlusion_side"]
    # A hand at the cheek: a palm from below and four fingers upwards.
    skin = traits["skin"] * (0.94 - 0.12 * bump(u - side * 0.5, 0.2))[:, None]
    palm = inside(ellipse(u - side * 0.56, v - 0.95, 0.3, 0.46), edge)
    wrist = inside(box(u - side * (0.62 + 0.12 * (v - 1.3)), v - 1.7, 0.2, 0.6), edge)
    for part in (wrist, palm):
        canvas.paint((kind == 1) * part, skin)
    for finger in range(4):
        lean = u - side * (0.36 + 0.14 * finger) - side * 0.16 * (v - 0.5) * (finger - 1.2)
        tip = 0.06 * abs(finger - 1.4)
        shape = inside(ellipse(lean, v - 0.5 - tip, 0.082, 0.46 - tip), edge)
        canvas.paint((kind == 1) * shape, skin)
        canvas.shade(1 - 0.3 * (kind == 1) * bump(lean - side * 0.075, 0.018) * inside(np.abs(v - 0.5) - 0.4, edge))
    # A scarf over chin and mouth, knitted.
    fold = 0.05 * np.sin(u * 5 + traits["pattern"])
    scarf = (kind == 2) * inside(box(u, v - 1.08 - fold, 0.93, 0.5), 2 * edge)
    knit = 0.9 + 0.12 * np.sin(v * 30 + 3 * np.cos(u * 3)) - 0.25 * np.clip(np.abs(u), 0, 1) ** 2
    canvas.paint(scarf, traits["second_cloth"] * knit[:, None])
    # Sunglasses.
    paint_glasses(canvas, traits, (kind == 3).astype(np.float32), tint=0.93)
    # A surgical mask with pleats and ear loops.
    rise = 0.24 + 0.12 * traits["child"] + 0.16 * np.abs(canvas.face_u) ** 2
    covered = superellipse(u, v, traits["head_width"] + 0.015, 1.02, np.full_like(u, 2.3))
    mask = (kind == 4) * inside(np.maximum(covered, rise - canvas.face_v), edge)
    pleats = 1 - 0.14 * (bump(canvas.face_v - 0.5, 0.03) + bump(canvas.face_v - 0.68, 0.03)) - 0.18 * (1 - canvas.nz)
    canvas.paint(mask, MASK * pleats[:, None])
    loop = (kind == 4) * bump(v - 0.2 - 0.15 * np.abs(u), 0.03) * inside(0.6 - np.abs(u), edge) * inside(covered, edge)
    canvas.paint(0.8 * loop, MASK)


def _develop(
    canvas: Canvas, traits: Traits, size: int, supersampling: int, generator: np.random.Generator
) -> NDArray[np.uint8]:
    vignette = 1 - 0.16 * (canvas.x**2 + canvas.y**2)
    canvas.shade(vignette * traits["exposure"])
    count = len(canvas.rgb)
    blocks = canvas.rgb.reshape(count, 3, size, supersampling, size, supersampling)
    picture = blocks.mean(axis=(3, 5)) * traits["cast"]
    picture = 255 * np.tanh(np.maximum(picture, 0) / 255 * 1.12) / np.tanh(1.12)  # film rolls off in the highlights
    picture += traits["grain"][:, None] * generator.standard_normal((count, 1, size, size), dtype=np.float32)
    picture += 0.5 * traits["grain"][:, None] * generator.standard_normal(picture.shape, dtype=np.float32)
    developed: NDArray[np.uint8] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return developed
