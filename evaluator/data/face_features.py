"""The features of a synthetic face: creases of age, eyes, nose, mouth, beard and glasses, painted on the head."""

import numpy as np

from lethe.evaluator.data.face_canvas import Canvas, Plane, Traits, box, bump, ellipse, inside

WHITE = np.array([238.0, 232.0, 226.0], dtype=np.float32)[None, :, None, None]
BLACK = np.array([22.0, 16.0, 16.0], dtype=np.float32)[None, :, None, None]
TEETH = np.array([236.0, 230.0, 216.0], dtype=np.float32)[None, :, None, None]
SPOT = np.array([126.0, 84.0, 58.0], dtype=np.float32)[None, :, None, None]
ROSE = np.array([222.0, 104.0, 98.0], dtype=np.float32)[None, :, None, None]
LIP = np.array([168.0, 62.0, 66.0], dtype=np.float32)[None, :, None, None]
SIDES = (-1.0, 1.0)


def paint_creases(canvas: Canvas, traits: Traits, head: Plane) -> None:
    """Paint the effects of age on skin: lines, folds, bags, hollows, spots and roughness; and a child's red cheeks."""
    u, v, eyes = canvas.face_u, canvas.face_v, traits["eye_line"]
    wrinkled, sagging = traits["wrinkled"], traits["sagging"]
    forehead = inside(np.abs(u) - 0.5, 0.25)
    lines = sum(bump(v - eyes + height + 0.04 * np.cos(4 * u), 0.028) for height in (0.36, 0.47, 0.58)) * forehead
    frown = (bump(np.abs(u) - 0.055, 0.025)) * bump(v - eyes + 0.22, 0.1)
    outer = np.abs(u) - traits["eye_gap"] - 0.21
    crows = sum(bump(v - eyes - tilt * outer, 0.025) for tilt in (-0.7, 0.0, 0.7)) * bump(outer - 0.06, 0.09)
    mouth = traits["mouth_line"]
    fold_u = np.abs(u) - 0.17 - 0.42 * (v - mouth + 0.26)
    nasolabial = bump(fold_u, 0.035) * bump(v - mouth + 0.1, 0.17)
    marionette = bump(np.abs(u) - traits["mouth_width"] - 0.05, 0.035) * bump(v - mouth - 0.14, 0.13)
    bags = bump(np.abs(u) - traits["eye_gap"], 0.15) * bump(v - eyes - 0.15, 0.035)
    hollow = bump(np.abs(u) - 0.47, 0.13) * bump(v - 0.42, 0.2)
    lines_total = 0.6 * lines + 0.5 * frown + 0.6 * crows
    folds = (0.5 + 0.25 * np.clip(traits["smile"], 0, 1)) * nasolabial
    depth = wrinkled * (lines_total + folds + 0.6 * bags) + sagging * (0.4 * marionette + 0.3 * hollow + 0.3 * bags)
    rough = np.sin(u * 47 + traits["pattern"]) * np.sin(v * 43 + 2 * traits["pattern"])
    rough += np.sin(u * 29 - v * 31 + traits["pattern"])
    canvas.shade(1 - head * np.clip(depth + 0.05 * wrinkled * rough, -0.2, 0.75))
    sockets = bump(np.abs(u) - traits["eye_gap"], 0.2) * bump(v - eyes + 0.01, 0.16)
    canvas.shade(1 - head * (0.07 + 0.2 * sagging) * sockets)
    cheeks = bump(np.abs(u) - 0.42, 0.16) * bump(v - eyes - 0.34, 0.14)
    canvas.paint(head * traits["blush"] * cheeks, ROSE)
    spots = np.sin(u * 11 + traits["pattern"]) * np.sin(v * 13 + 1.7 * traits["pattern"])
    canvas.paint(head * traits["spotted"] * 0.5 * inside(0.72 - spots, 0.2), SPOT)
    freckles = np.sin(u * 33 + traits["pattern"]) * np.sin(v * 37 - traits["pattern"])
    canvas.paint(head * traits["freckles"] * 0.4 * inside(0.7 - freckles, 0.3) * bump(v - eyes - 0.25, 0.16), SPOT)


def paint_eyes(canvas: Canvas, traits: Traits, head: Plane) -> None:
    """Eyes with lids and lashes, and brows."""
    edge, size = canvas.edge, traits["eye_size"]
    droop = traits["sagging"]
    opened = np.clip(traits["open_eyes"] * (1 - 0.15 * np.clip(traits["smile"], 0, 1)), 0.1, 1.3)
    for side in SIDES:
        u = (canvas.face_u - side * traits["eye_gap"]) * side  # towards the outer corner
        v = canvas.face_v - traits["eye_line"] - 0.07 * droop * u
        half_width, half_height = 0.155 * size, 0.09 * size * opened * (1 - 0.2 * droop)
        almond = head * inside(ellipse(u, v, half_width, half_height), edge)
        canvas.paint(almond, WHITE)
        look = traits["gaze"] * side
        iris = almond * inside(ellipse(u - look, v, 0.083 * size, 0.083 * size), edge)
        canvas.paint(iris, traits["iris"])
        canvas.paint(almond * inside(ellipse(u - look, v, 0.04 * size, 0.04 * size), edge), BLACK)
        canvas.paint(0.9 * iris * bump(u - look + 0.03 * side, 0.02) * bump(v + 0.03, 0.02), WHITE)
        lid = bump(v + half_height * np.sqrt(np.maximum(1 - (u / half_width) ** 2, 0)), 0.03 + 0.02 * droop)
        lash = head * lid * inside(np.abs(u) - half_width * 1.08, edge)
        canvas.paint((0.85 - 0.25 * traits["masculine"] - 0.3 * traits["grey"]) * lash, BLACK)
        rise = traits["brow_height"] + traits["raised_brows"] + 0.04 * traits["child"]
        slope = (0.12 + traits["brow_tilt"]) * u - 2.4 * u**2
        brow_v = canvas.face_v - traits["eye_line"] + rise + slope * 0.5
        brow = head * inside(box(u, brow_v, 0.19, traits["brow_weight"]), 1.5 * edge)
        canvas.paint((0.9 - 0.55 * traits["child"]) * brow, traits["hair"] * 0.75)


def paint_nose(canvas: Canvas, traits: Traits, head: Plane) -> None:
    """Bridge, tip and nostrils, which stand out of the face and so move further with the pose."""
    tip = traits["eye_line"] + traits["nose_length"]
    along = np.clip((canvas.face_v - traits["eye_line"]) / traits["nose_length"], 0, 1)
    u = canvas.face_u - 0.16 * np.sin(traits["yaw"]) * along
    v = canvas.face_v - tip
    width = traits["nose_width"]
    ridge = bump(u, 0.045) * bump(along - 0.65, 0.45) * head
    canvas.paint(0.2 * ridge, WHITE)
    away = np.where(traits["light_x"] > 0, -1.0, 1.0).astype(np.float32)
    flank = bump(u - away * width * 0.8, 0.05) * bump(along - 0.7, 0.35) * inside(v - 0.02, 0.1)
    canvas.shade(1 - head * 0.3 * flank)
    under = bump(v - 0.06, 0.035) * bump(u, width)
    canvas.shade(1 - head * 0.38 * under)
    for side in SIDES:
        nostril = head * inside(ellipse(u - side * width * 0.55, v - 0.025, 0.035, 0.02), 2 * canvas.edge)
        canvas.shade(1 - 0.6 * nostril)
        wing = bump(u - side * width * 1.05, 0.025) * bump(v + 0.01, 0.05)
        canvas.shade(1 - head * 0.28 * wing)


def paint_mouth(canvas: Canvas, traits: Traits, head: Plane) -> None:
    """Lips that smile and part; teeth when both."""
    edge, width, smile = canvas.edge, traits["mouth_width"], traits["smile"]
    half = width * (1 + 0.16 * smile)
    u = canvas.face_u
    v = canvas.face_v - traits["mouth_line"] + 0.16 * smile * ((u / half) ** 2 - 0.35)
    gap = 0.1 * traits["open_mouth"]
    lips = head * inside(ellipse(u, v, half, traits["lips"] + gap), edge)
    natural = traits["skin"] * np.array([0.84, 0.6, 0.6], dtype=np.float32)[None, :, None, None]
    red = (0.12 + 0.2 * (1 - traits["masculine"]) * (1 - traits["child"])) * (0.3 + 1.2 * traits["youth"])
    canvas.paint(lips, natural + red[:, None] * (LIP - natural))
    mouth = head * inside(ellipse(u, v, half * 0.86, 0.014 + gap), edge)
    canvas.paint(0.9 * mouth, BLACK + 30)
    canvas.paint(
        mouth * (traits["looks"] > 1.6) * inside(ellipse(u, v + 0.35 * gap, half * 0.72, gap * 0.75 + 0.001), edge),
        TEETH,
    )
    canvas.shade(1 - 0.2 * head * bump(v - traits["lips"] - gap - 0.06, 0.04) * bump(u, half * 0.6))


def paint_beard(canvas: Canvas, traits: Traits, head: Plane) -> None:
    """1 stubble, 2 full beard, 3 moustache and chin."""
    u, v, kind = canvas.face_u, canvas.face_v, traits["beard"]
    mouth = traits["mouth_line"]
    lips = inside(
        ellipse(u, v - mouth, traits["mouth_width"] * 0.95, traits["lips"] + 0.1 * traits["open_mouth"]), 0.04
    )
    cheek_line = mouth - 0.12 - 0.35 * np.clip(np.abs(u) / traits["head_width"], 0, 1) ** 3 * 1.6
    full = inside(cheek_line - v, 0.12)
    moustache = inside(ellipse(u, v - mouth + 0.11, 0.26, 0.055), 0.05)
    chin = inside(ellipse(u, v - mouth - 0.24, 0.2, 0.19), 0.08)
    area = np.where(kind == 3, np.maximum(moustache, chin), np.maximum(full, moustache)) * (1 - lips) * head
    opacity = np.select([kind == 1, kind == 2, kind == 3], [0.3, 0.85, 0.68], 0.0).astype(np.float32)
    grain = 0.9 + 0.14 * np.sin(u * 40 + traits["pattern"]) * np.sin(v * 36)
    canvas.paint(opacity * area, traits["beard_colour"] * grain[:, None])


def paint_glasses(canvas: Canvas, traits: Traits, worn: Plane, tint: float) -> None:
    """Frames with lenses that darken by `tint`, for the pictures where `worn` is 1."""
    edge = canvas.edge
    u = canvas.face_u - 0.1 * np.sin(traits["yaw"])
    v = canvas.face_v - traits["eye_line"] - 0.02
    dark = traits["frame"] * (1.0 if tint < 0.5 else 0.4)
    for side in SIDES:
        distance = ellipse(u - side * traits["eye_gap"] * 1.03, v, 0.25, 0.2)
        canvas.paint(worn * tint * inside(distance, edge), dark)
        canvas.paint(worn * inside(np.abs(distance) - 0.022, edge), dark)
        canvas.paint(worn * 0.35 * bump(u - side * traits["eye_gap"] + 0.1, 0.05) * bump(v + 0.08, 0.05), WHITE)
    canvas.paint(worn * inside(box(u, v + 0.03, 0.09, 0.02), edge), dark)
    reach = inside(0.56 - np.abs(u), edge) * inside(np.abs(canvas.u) - traits["head_width"], edge)
    canvas.paint(worn * reach * inside(np.abs(v + 0.03) - 0.018, edge), dark)
