"""Random traits of synthetic people: signs of age, the shape of the face, hair and colours."""

import numpy as np
from numpy.typing import NDArray

from lethe.evaluator.data.face_canvas import Traits, ramp

Values = NDArray[np.float32]
Colours = NDArray[np.float64]

SKIN = np.array(  # light to dark
    [(247, 214, 190), (240, 196, 165), (226, 175, 140), (205, 150, 112), (172, 118, 82), (133, 87, 60), (98, 63, 45)]
)
HAIR = np.array(
    [(28, 22, 20), (52, 34, 24), (88, 56, 34), (128, 78, 42), (150, 66, 30), (206, 164, 98), (232, 204, 148)]
)
GREY, WHITE = np.array([158.0, 158.0, 160.0]), np.array([246.0, 244.0, 240.0])
IRIS = np.array([(62, 40, 26), (92, 62, 34), (84, 104, 62), (82, 122, 160), (120, 134, 144)])


class Sampler:
    """Independent random values for `count` people or photographs at a time."""

    def __init__(self, generator: np.random.Generator, count: int) -> None:
        self.generator = generator
        self.count = count

    def normal(self, sd: float) -> Values:
        """(count,) float32 from a normal distribution around 0."""
        return self.generator.normal(0, sd, self.count).astype(np.float32)

    def uniform(self, low: float, high: float) -> Values:
        """(count,) float32 between the bounds."""
        return self.generator.uniform(low, high, self.count).astype(np.float32)

    def chance(self, probability: float | Values) -> Values:
        """(count,) float32: 1 with this probability, else 0."""
        return (self.generator.random(self.count) < probability).astype(np.float32)

    def tint(self, sd: float) -> Colours:
        """(count, 3) float64: a small change of colour."""
        return self.generator.normal(0, sd, (self.count, 3))

    def one_of(self, palette: NDArray[np.int64]) -> NDArray[np.int64]:
        """(count, 3): a colour of the palette for each."""
        chosen: NDArray[np.int64] = palette[self.generator.integers(0, len(palette), self.count)]
        return chosen


def draw_people(ages: Values, generator: np.random.Generator) -> Traits:
    """The traits of people, as float32 arrays (count,), or (count, 3) for colours; ages (count,) in years."""
    draws = Sampler(generator, len(ages))
    age = _signs_of_age(ages, draws)
    traits = age | _shape(age, draws) | _hair_and_skin(age, draws)
    return {name: np.asarray(value, dtype=np.float32) for name, value in traits.items()}


def _signs_of_age(ages: Values, draws: Sampler) -> Traits:
    """How pronounced each sign of age is, 0 to 1. `looks` is the age in years that the person seems to have."""
    looks = ages + draws.normal(1) * (0.4 + 0.018 * ages)
    masculine = draws.chance(0.5)
    return {
        "looks": looks,
        "masculine": masculine,
        "child": 1 - ramp(0, 20, looks),
        "youth": 1 - ramp(15, 46, looks + draws.normal(1)),
        "wrinkled": ramp(16, 78, looks + draws.normal(1)),
        "sagging": ramp(46, 82, looks + draws.normal(1)),
        "spotted": ramp(54, 82, looks),
        "grey": ramp(32, 58, looks + draws.normal(2)),
        "white": ramp(54, 80, looks + draws.normal(2)),
        "receding": masculine * draws.chance(0.6) * ramp(28, 80, looks + draws.normal(3)),
        "thin_hair": 1 - ramp(0.2, 3.2, looks),
    }


def _shape(age: Traits, draws: Sampler) -> Traits:
    """Sizes and places in units of half a head's height; children have low, large eyes and a small nose."""
    child, masculine, wrinkled, sagging = (age[name] for name in ("child", "masculine", "wrinkled", "sagging"))
    adult = 1 - child
    normal = draws.normal
    return {
        "head_width": 0.755 + 0.11 * child + normal(0.022) - 0.035 * wrinkled,
        "jaw": 2.15 + 0.3 * masculine * adult + normal(0.13) + 0.35 * sagging + 0.1 * child,
        "eye_line": -0.06 + 0.29 * child + normal(0.012),
        "eye_gap": 0.318 + normal(0.014) + 0.015 * child,
        "eye_size": 1.02 + 0.62 * child - 0.34 * wrinkled + normal(0.04),
        "brow_height": 0.215 + normal(0.018) - 0.02 * masculine - 0.03 * sagging,
        "brow_weight": (0.038 + 0.02 * masculine + normal(0.007)) * (1 - 0.5 * child),
        "brow_tilt": normal(0.1),
        "nose_length": 0.40 - 0.17 * child + 0.08 * wrinkled + normal(0.015),
        "nose_width": 0.125 - 0.035 * child + 0.03 * sagging + 0.015 * masculine + normal(0.012),
        "mouth_line": 0.625 + 0.03 * child + normal(0.015),
        "mouth_width": 0.27 - 0.06 * child + normal(0.02),
        "lips": (0.08 + normal(0.01) - 0.012 * masculine) * (1 - 0.6 * wrinkled),
        "ear_size": 1 + 0.3 * sagging + normal(0.06),
        "shoulders": 0.86 + 0.6 * adult + 0.14 * masculine * adult + normal(0.05) - 0.08 * sagging,
    }


def _hair_and_skin(age: Traits, draws: Sampler) -> Traits:
    """Hair style, beard, glasses, skin and eyes. Dark skin comes with dark hair and eyes."""
    looks, youth, generator = age["looks"], age["youth"], draws.generator
    bearded = age["masculine"] * (looks > 17) * draws.chance(0.45)
    tone = generator.beta(1.1, 1.5, draws.count) * (len(SKIN) - 1)
    lightest = np.where(tone < 1.5, len(HAIR) - 1, np.where(tone < 3, 3.0, 1.2))
    colour = _along(HAIR, generator.random(draws.count) * lightest) * (0.85 + 0.4 * youth[:, None])
    return {
        "style": generator.integers(0, 5, draws.count).astype(np.float32),
        "part": draws.uniform(-0.5, 0.5),
        "curl": draws.uniform(0, 1),
        "pattern": draws.uniform(0, 100),
        "beard": bearded * generator.integers(1, 4, draws.count),
        "glasses": (looks > 5) * draws.chance(0.06 + 0.2 * np.asarray(ramp(35, 70, looks), dtype=np.float32)),
        "freckles": draws.chance(0.12) * (tone < 2.5) * (1 - age["sagging"]),
        "blush": 0.03 + 0.22 * age["child"] + 0.22 * youth,
        "skin": _aged_skin(_along(SKIN, tone) + draws.tint(4), age),
        "hair": _greyed(colour, age),
        "beard_colour": _greyed(colour * 0.9, age),
        "iris": IRIS[generator.integers(0, len(IRIS), draws.count) * (tone < 3)].astype(np.float64),
        "frame": generator.uniform(20, 110, (draws.count, 3)),
    }


def _along(palette: NDArray[np.int64], position: NDArray[np.float64]) -> Colours:
    """Colours (count, 3) at fractional positions along the palette."""
    steps = np.arange(len(palette))
    return np.stack([np.interp(position, steps, palette[:, channel]) for channel in range(3)], axis=1)


def _greyed(colour: Colours, age: Traits) -> Colours:
    faded = colour + age["grey"][:, None] * (GREY - colour)
    whitened: Colours = faded + age["white"][:, None] * (WHITE - faded)
    return whitened


def _aged_skin(skin: Colours, age: Traits) -> Colours:
    """Young skin is lighter and rosier; with age it loses red and saturation and turns sallow."""
    child, youth, wrinkled = (age[name][:, None] for name in ("child", "youth", "wrinkled"))
    rosy = skin + child * np.array([6.0, 2.0, 4.0]) + youth * np.array([9.0, 6.0, 6.0])
    mean = rosy.mean(axis=1, keepdims=True)
    dull: Colours = mean + (rosy - mean) * (1 - 0.2 * wrinkled) - wrinkled * np.array([17.0, 9.0, 15.0])
    return dull
