"""Synthetic faces: deterministic, spread over the ages, one age per person, and different where they should be."""

import io

import numpy as np
import pytest
from PIL import Image

from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.specification import CompetitionSpec, PracticeSpec
from lethe.evaluator.data.contact_sheet import contact_sheet
from lethe.evaluator.data.photographs import Photographs, digest
from lethe.evaluator.data.sources import Files, load_collection, practice_photographs
from lethe.evaluator.data.sources.synthetic_faces import synthetic_faces

pytestmark = pytest.mark.slow

SPEC = SyntheticFacesSpec(seed=11, identities=40, images_per_identity=4)


def painted(data: SyntheticFacesSpec) -> Photographs:
    return synthetic_faces(data, data.identities, np.random.SeedSequence(data.seed))


@pytest.fixture(scope="module")
def faces() -> Photographs:
    return painted(SPEC)


def test_shape_and_people(faces: Photographs) -> None:
    assert faces.images.shape == (160, 3, 32, 32)
    assert np.bincount(faces.identities).tolist() == [4] * 40
    for person in range(40):
        assert len(np.unique(faces.ages[faces.identities == person])) == 1
    assert np.bincount(faces.labels, minlength=10).tolist() == [16] * 10  # one person in each fortieth of the range
    assert faces.ages.min() >= 1
    assert faces.ages.max() <= 81


def test_same_seed_same_faces(faces: Photographs) -> None:
    assert digest(painted(SPEC)) == digest(faces)
    assert digest(painted(SPEC.model_copy(update={"seed": 12}))) != digest(faces)


def test_practice_people_are_others_even_under_the_same_seed() -> None:
    practice = PracticeSpec(seed=11, identities=40)
    spec = CompetitionSpec(slug="c", title="C", data=SPEC, practice=practice)
    both = load_collection(spec, Files())
    assert not {image.tobytes() for image in both.practice.images} & {image.tobytes() for image in both.hidden.images}
    assert not set(both.practice.ages.tolist()) & set(both.hidden.ages.tolist())
    without_secret = spec.model_copy(update={"data": SPEC.model_copy(update={"seed": None})})
    assert digest(practice_photographs(without_secret, Files())) == digest(both.practice)
    with pytest.raises(ValueError, match="was not drawn"):
        load_collection(without_secret, Files())


def test_photographs_of_a_person_differ_but_less_than_people_do(faces: Photographs) -> None:
    images = faces.images.astype(np.float64)[:, :, 8:28, 8:24]  # the face, without the scene
    assert len({image.tobytes() for image in faces.images}) == 160
    means = images.reshape(40, 4, -1).mean(axis=1)
    within = images.reshape(40, 4, -1).std(axis=1).mean()
    between = means.std(axis=0).mean()
    assert within > 5
    assert between > within


def test_age_shows(faces: Photographs) -> None:
    """A ridge regression on the pixels of other people already does better than guessing the mean age."""
    images = faces.images.reshape(160, -1).astype(np.float64) / 255
    test = faces.identities >= 30
    centre = images[~test].mean(axis=0)
    train, ages = images[~test] - centre, faces.ages[~test].astype(np.float64)
    kernel = train @ train.T
    weights = train.T @ np.linalg.solve(kernel + 30 * np.eye(len(kernel)), ages - ages.mean())
    predicted = (images[test] - centre) @ weights + ages.mean()
    error = np.abs(predicted - faces.ages[test]).mean()
    assert error < 0.75 * np.abs(faces.ages[test] - ages.mean()).mean()


@pytest.mark.parametrize("size", [16, 48])
def test_other_sizes(size: int) -> None:
    some = painted(SyntheticFacesSpec(seed=0, identities=8, images_per_identity=2, image_size=size, classes=2))
    assert some.images.shape == (16, 3, size, size)
    assert some.images.std() > 20


def test_contact_sheet_is_ordered_by_age_and_sized(faces: Photographs) -> None:
    sheet = Image.open(io.BytesIO(contact_sheet(faces, rows=5, columns=10, scale=2)))
    assert sheet.size == (44 + 4 * 70 + 6, 5 * 70 + 6)  # four photographs a person, though ten were asked for
    youngest = faces.images[np.flatnonzero(faces.ages == faces.ages.min())[0]]
    tile = np.asarray(sheet.crop((44, 6, 44 + 64, 6 + 64)).resize((32, 32), Image.Resampling.BOX), dtype=np.float64)
    assert np.abs(tile - youngest.transpose(1, 2, 0)).mean() < 4


def test_contact_sheet_of_few_people() -> None:
    some = painted(SyntheticFacesSpec(seed=0, identities=8, images_per_identity=2, image_size=16, classes=2))
    assert Image.open(io.BytesIO(contact_sheet(some, rows=12, scale=1))).size[1] == 8 * 22 + 6
