"""A tiny prepared competition whose models train in half a second."""

import pytest

from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.contract.data_sources import SyntheticFacesSpec
from lethe.evaluator.contract.prepared_competition import PreparedCompetition
from lethe.evaluator.contract.specification import CompetitionSpec, SplitSpec, TrainingSpec
from lethe.evaluator.preparation import prepare

SPEC = CompetitionSpec(
    slug="tiny",
    title="Tiny",
    data=SyntheticFacesSpec(seed=0, identities=16, images_per_identity=5, image_size=16, classes=2),
    split=SplitSpec(seed=0, retain_sample=8),
    training=TrainingSpec(epochs=8, batch_size=16),
)


@pytest.fixture(scope="package")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreparedCompetition, ArtifactStore]:
    store = open_store(tmp_path_factory.mktemp("store").as_uri())
    return prepare(SPEC, store, jobs=2), store
