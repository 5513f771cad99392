"""The `synthetic-faces` source: invented people of known age, each photographed many times."""

import numpy as np
from numpy.typing import NDArray

from evaluator.contract.specification import DataSpec
from evaluator.data.face_canvas import Traits, smoothstep
from evaluator.data.face_painting import paint_faces
from evaluator.data.photographs import Photographs, age_groups

YOUNGEST, OLDEST = 1.0, 81.0  # years
SUPERSAMPLING = 2
CHUNK = 32  # pictures painted at once, so that the planes stay in the processor's cache

Values = NDArray[np.float32]
Generator = np.random.Generator

SKIN = np.array(  # light to dark
    [(247, 214, 190), (240, 196, 165), (226, 175, 140), (205, 150, 112), (172, 118, 82), (133, 87, 60), (98, 63, 45)]
)
HAIR = np.array(
    [(28, 22, 20), (52, 34, 24), (88, 56, 34), (128, 78, 42), (150, 66, 30), (206, 164, 98), (232, 204, 148)]
)
GREY = np.array([206.0, 205.0, 204.0])
IRIS = np.array([(62, 40, 26), (92, 62, 34), (84, 104, 62), (82, 122, 160), (120, 134, 144)])
CLOTH = np.array(
    [
        (38, 52, 86),
        (150, 46, 50),
        (44, 92, 78),
        (214, 208, 196),
        (64, 62, 66),
        (196, 146, 62),
        (118, 88, 134),
        (92, 134, 176),
    ]
)
WALL = np.array(
    [
        (176, 196, 208),
        (212, 202, 184),
        (150, 168, 148),
        (196, 172, 166),
        (128, 138, 156),
        (222, 220, 214),
        (104, 124, 116),
    ]
)


def synthetic_faces(data: DataSpec, identities: int, seed: np.random.SeedSequence) -> Photographs:
    """`identities` people with `data.images_per_identity` photographs each, person by person.

    Ages are spread evenly over 1 to 81 years and cut into `data.classes` equal groups. How old someone looks differs
    from the age by a few years, and hair, skin and features by much more, so a model that has not seen a person can
    guess the group but not know it. The same arguments give the same bytes, as far as numpy's floating point does.
    """
    ages_seed, people_seed, shots_seed, pixels_seed = seed.spawn(4)
    ages = draw_ages(identities, np.random.default_rng(ages_seed))
    people = draw_people(ages, np.random.default_rng(people_seed))
    shots = draw_shots(identities * data.images_per_identity, np.random.default_rng(shots_seed))
    owner = np.repeat(np.arange(identities), data.images_per_identity)
    generator = np.random.default_rng(pixels_seed)
    images = [
        paint_faces(_together(people, shots, owner, start), data.image_size, SUPERSAMPLING, generator)
        for start in range(0, len(owner), CHUNK)
    ]
    return Photographs(
        images=np.concatenate(images),
        labels=age_groups(ages, data.classes, YOUNGEST, OLDEST)[owner],
        identities=owner.astype(np.int64),
        ages=ages[owner],
        classes=data.classes,
    )


def draw_ages(count: int, generator: Generator) -> Values:
    """Ages (count,) float32 in years: one in each of `count` equal slices of the range, in random order."""
    slices = (generator.permutation(count) + generator.random(count)) / count
    return (YOUNGEST + (OLDEST - YOUNGEST) * slices).astype(np.float32)


def draw_people(ages: Values, generator: Generator) -> Traits:
    """What belongs to a person, as arrays (count,) or (count, 3) for colours: the shape of the face, colours, hair, and
    how the apparent age shows in each of them.
    """
    count = len(ages)

    def normal(sd: float) -> Values:
        return generator.normal(0, sd, count).astype(np.float32)

    def uniform(low: float, high: float) -> Values:
        return generator.uniform(low, high, count).astype(np.float32)

    looks = ages + normal(1.0) * (0.8 + 0.035 * ages)
    child = 1 - smoothstep(0, 19, looks)
    adult = 1 - child
    masculine = (generator.random(count) < 0.5).astype(np.float32)
    wrinkled = smoothstep(24, 80, looks + normal(2))
    sagging = smoothstep(44, 84, looks + normal(2))
    grey = smoothstep(34, 68, looks + normal(4))
    bearded = masculine * (looks > 17) * (generator.random(count) < 0.45)
    receding = masculine * smoothstep(26, 74, looks + normal(9))
    tone = np.clip(generator.beta(1.1, 1.5, count), 0, 1) * (len(SKIN) - 1)
    colour = _along(HAIR, _hair_shade(tone, generator))
    traits = {
        "looks": looks,
        "child": child,
        "masculine": masculine,
        "wrinkled": wrinkled,
        "sagging": sagging,
        "spotted": smoothstep(52, 84, looks),
        "grey": grey,
        "receding": receding,
        "thin_hair": 1 - smoothstep(0.2, 3.2, looks),
        "head_width": 0.755 + 0.085 * child + normal(0.028) - 0.02 * sagging,
        "jaw": 2.15 + 0.3 * masculine * adult + normal(0.13) + 0.35 * sagging + 0.1 * child,
        "eye_line": -0.05 + 0.235 * child + normal(0.015),
        "eye_gap": 0.318 + normal(0.014) + 0.015 * child,
        "eye_size": 1 + 0.42 * child - 0.2 * sagging + normal(0.06),
        "brow_height": 0.215 + normal(0.018) - 0.02 * masculine - 0.03 * sagging,
        "brow_weight": (0.038 + 0.02 * masculine + normal(0.007)) * (1 - 0.5 * child),
        "brow_tilt": normal(0.1),
        "nose_length": 0.40 - 0.15 * child + 0.05 * sagging + normal(0.022),
        "nose_width": 0.125 - 0.035 * child + 0.03 * sagging + 0.015 * masculine + normal(0.012),
        "mouth_line": 0.625 + 0.03 * child + normal(0.015),
        "mouth_width": 0.27 - 0.06 * child + normal(0.02),
        "lips": (0.072 + normal(0.012) - 0.012 * masculine) * (1 - 0.55 * sagging),
        "ear_size": 1 + 0.3 * sagging + normal(0.06),
        "shoulders": 0.98 + 0.48 * adult + 0.14 * masculine * adult + normal(0.05) - 0.08 * sagging,
        "style": generator.integers(0, 5, count).astype(np.float32),
        "part": uniform(-0.5, 0.5),
        "curl": uniform(0, 1),
        "beard": bearded * (1 + generator.integers(0, 3, count)).astype(np.float32),
        "glasses": (generator.random(count) < 0.06 + 0.2 * smoothstep(35, 70, looks)).astype(np.float32),
        "freckles": (generator.random(count) < 0.12) * (tone < 2.5) * (1 - sagging),
        "pattern": uniform(0, 100),
        "skin": _aged_skin(_along(SKIN, tone) + generator.normal(0, 5, (count, 3)), wrinkled, child, sagging),
        "hair": colour + grey[:, None] * (GREY + 40 * sagging[:, None] - 20 - colour),
        "beard_colour": colour * 0.9 + np.minimum(1.15 * grey, 1)[:, None] * (GREY - colour * 0.9),
        "iris": IRIS[generator.integers(0, len(IRIS), count) * (tone < 3)],
        "frame": generator.uniform(20, 110, (count, 3)),
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in traits.items()}


def draw_shots(count: int, generator: Generator) -> Traits:
    """What belongs to a photograph, as arrays (count,) or (count, 3): pose, expression, light, scene, occlusion."""

    def normal(sd: float) -> Values:
        return generator.normal(0, sd, count).astype(np.float32)

    def uniform(low: float, high: float) -> Values:
        return generator.uniform(low, high, count).astype(np.float32)

    warmth = normal(0.05)[:, None] * np.array([1.0, 0.1, -1.0])
    wall = WALL[generator.integers(0, len(WALL), count)] * uniform(0.6, 1.1)[:, None] + generator.normal(
        0, 10, (count, 3)
    )
    kinds = generator.choice(5, count, p=[0.76, 0.06, 0.06, 0.06, 0.06])
    traits = {
        "yaw": np.clip(normal(0.27), -0.62, 0.62),
        "pitch": np.clip(normal(0.1), -0.24, 0.24),
        "roll": normal(0.08),
        "scale": 0.69 * np.exp(normal(0.055)),
        "shift_x": normal(0.045),
        "shift_y": -0.02 + normal(0.04),
        "smile": np.clip(0.35 + normal(0.45), -0.5, 1),
        "open_mouth": np.clip(normal(0.5) - 0.35, 0, 1),
        "open_eyes": np.clip(1 + normal(0.16) - 1.0 * (generator.random(count) < 0.04), 0.15, 1.25),
        "raised_brows": normal(0.025),
        "gaze": normal(0.03),
        "light_x": normal(0.55),
        "light_y": -0.35 + normal(0.25),
        "contrast": uniform(0.25, 0.62),
        "exposure": np.exp(normal(0.11)),
        "cast": 1 + warmth,
        "wall": wall,
        "second_wall": wall * uniform(0.55, 1.25)[:, None] + generator.normal(0, 18, (count, 3)),
        "scene": generator.integers(0, 4, count).astype(np.float32),
        "scene_phase": uniform(0, 1),
        "cloth": CLOTH[generator.integers(0, len(CLOTH), count)] + generator.normal(0, 12, (count, 3)),
        "neckline": uniform(0, 1),
        "occlusion": kinds.astype(np.float32),  # 0 none, 1 hand, 2 scarf, 3 sunglasses, 4 mask
        "occlusion_side": generator.choice([-1.0, 1.0], count),
        "second_cloth": CLOTH[generator.integers(0, len(CLOTH), count)] + generator.normal(0, 12, (count, 3)),
        "grain": uniform(1.5, 5.5),
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in traits.items()}


def _together(people: Traits, shots: Traits, owner: NDArray[np.int64], start: int) -> Traits:
    """The traits of one chunk of photographs, shaped to broadcast over planes: (P, 1, 1), colours (P, 3, 1, 1)."""
    rows = slice(start, start + CHUNK)
    traits = {name: values[owner[rows]] for name, values in people.items()}
    traits |= {name: values[rows] for name, values in shots.items()}
    return {name: values[..., None, None] for name, values in traits.items()}


def _along(palette: NDArray[np.int64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours (count, 3) at fractional positions along the palette."""
    steps = np.arange(len(palette))
    return np.stack([np.interp(position, steps, palette[:, channel]) for channel in range(3)], axis=1)


def _hair_shade(tone: NDArray[np.float64], generator: Generator) -> NDArray[np.float64]:
    lightest = np.where(tone < 1.5, len(HAIR) - 1, np.where(tone < 3, 3.0, 1.2))
    return generator.random(len(tone)) * lightest


def _aged_skin(skin: NDArray[np.float64], wrinkled: Values, child: Values, sagging: Values) -> NDArray[np.float64]:
    """Children's skin is lighter and rosier; with age it loses red and saturation and turns sallow."""
    rosy = skin + child[:, None] * np.array([6.0, 2.0, 4.0])
    mean = rosy.mean(axis=1, keepdims=True)
    dull = mean + (rosy - mean) * (1 - 0.3 * wrinkled[:, None])
    return dull - wrinkled[:, None] * np.array([14.0, 7.0, 9.0]) + sagging[:, None] * np.array([2.0, 2.0, -3.0])
