"""The `synthetic-faces` source: invented people of known age, each photographed many times."""

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.data.face_canvas import Traits
from lethe.evaluator.data.face_painting import paint_faces
from lethe.evaluator.data.face_people import Sampler, Values, draw_people
from lethe.evaluator.data.photographs import Photographs, age_groups

YOUNGEST, OLDEST = 1.0, 81.0  # years
SUPERSAMPLING = 2
CHUNK = 32  # pictures painted at once, so that the planes stay in the processor's cache

Generator = np.random.Generator

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


def synthetic_faces(data: SyntheticFacesSpec, identities: int, seed: np.random.SeedSequence) -> Photographs:
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


def draw_shots(count: int, generator: Generator) -> Traits:
    """The traits of photographs, as arrays (count,) or (count, 3): pose, expression, light, scene, occlusion."""
    draws = Sampler(generator, count)
    normal, uniform = draws.normal, draws.uniform
    warmth = normal(0.035)[:, None] * np.array([1.0, 0.1, -1.0])
    wall = draws.one_of(WALL) * uniform(0.65, 1.05)[:, None] + draws.tint(6)
    kinds = generator.choice(5, count, p=[0.84, 0.04, 0.04, 0.04, 0.04])
    traits = {
        "yaw": np.clip(normal(0.17), -0.45, 0.45),
        "pitch": np.clip(normal(0.035), -0.1, 0.1),
        "roll": normal(0.05),
        "scale": 0.78 * np.exp(normal(0.035)),
        "shift_x": normal(0.025),
        "shift_y": 0.01 + normal(0.02),
        "smile": np.clip(0.5 + normal(0.4), -0.4, 1),
        "open_mouth": np.clip(normal(0.5) - 0.35, 0, 1),
        "open_eyes": np.clip(1 + normal(0.16) - draws.chance(0.04), 0.15, 1.25),
        "raised_brows": normal(0.025),
        "gaze": normal(0.03),
        "light_x": normal(0.4),
        "light_y": -0.35 + normal(0.25),
        "contrast": uniform(0.2, 0.5),
        "exposure": np.exp(normal(0.08)),
        "cast": 1 + warmth,
        "wall": wall,
        "second_wall": wall * uniform(0.65, 1.2)[:, None] + draws.tint(10),
        "scene": generator.integers(0, 4, count).astype(np.float32),
        "scene_phase": uniform(0, 1),
        "cloth": draws.one_of(CLOTH) + draws.tint(12),
        "neckline": uniform(0, 1),
        "occlusion": kinds.astype(np.float32),  # 0 none, 1 hand, 2 scarf, 3 sunglasses, 4 mask
        "occlusion_side": generator.choice([-1.0, 1.0], count),
        "second_cloth": draws.one_of(CLOTH) + draws.tint(12),
        "grain": uniform(1.0, 3.5),
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in traits.items()}


def _together(people: Traits, shots: Traits, owner: NDArray[np.int64], start: int) -> Traits:
    """The traits of one chunk of photographs, shaped to broadcast over planes: (P, 1, 1), colours (P, 3, 1, 1)."""
    rows = slice(start, start + CHUNK)
    traits = {name: values[owner[rows]] for name, values in people.items()}
    traits |= {name: values[rows] for name, values in shots.items()}
    return {name: values[..., None, None] for name, values in traits.items()}
