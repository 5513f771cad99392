"""How measures are judged by pools that know a part of the forget set: drawn pools, no trained ones."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load

from benchmarks.knowledge.__main__ import EXAMPLES
from benchmarks.knowledge.judging import Draws, auc, direction, draw_pools, fires, tells
from benchmarks.knowledge.levels import SHARES, Kind, Level, known_rows, levels_of
from benchmarks.knowledge.readings import Table
from benchmarks.knowledge.report import Findings, Row, csv_table, judge, markdown
from lethe.evaluator.artifacts import ArtifactStore, open_store
from lethe.evaluator.banks.identity import bank_identity
from lethe.evaluator.contract.bank import BankIdentity
from lethe.evaluator.contract.prepared_competition import ArtifactRef, PreparedSplit
from lethe.evaluator.contract.specification import TrainingSpec
from lethe.evaluator.contract.specification_file import load_specification
from lethe.evaluator.data.photographs import pack
from lethe.evaluator.measures.registry import Value, measures
from tests.prepared_competitions import make_prepared_competition

MODELS = 160
DRAWS = draw_pools(groups=20, draws=16)
PEOPLE = np.repeat(np.arange(14), 6)


def readings(networks: NDArray[np.float64], draws: Draws = DRAWS) -> NDArray[np.float64]:
    """(B, P) what a measure reads that is the mean of something about each network (M,)."""
    of_groups = networks.reshape(-1, draws.groups).mean(axis=0)
    means: NDArray[np.float64] = of_groups[draws.pools].mean(axis=2)
    return means


def noise(seed: int) -> NDArray[np.float64]:
    return readings(np.random.default_rng(seed).normal(size=MODELS))


def test_pools_have_a_fifth_of_the_networks_and_share_none_within_a_draw() -> None:
    for bank, pools in zip(DRAWS.banks, DRAWS.pools, strict=True):
        members = [DRAWS.members(pool, MODELS) for pool in pools]
        assert [len(pool) for pool in members] == [32] * 5
        assert sorted(sum(members, ())) == list(range(MODELS))
        assert len(set(bank.tolist())) == 8
    uses = np.bincount(DRAWS.banks.ravel())
    assert uses.min() >= 5
    assert uses.max() <= 8
    with pytest.raises(ValueError, match="give a multiple of 4 above 8"):
        draw_pools(groups=8, draws=1)


def test_knowledge_itself_is_ordered_always() -> None:
    found = auc(readings(np.full(MODELS, 0.25)), readings(np.zeros(MODELS)), DRAWS)
    assert found == Value(1.0, 1.0, 1.0)
    assert tells(found)
    assert auc(readings(np.zeros(MODELS)), readings(np.full(MODELS, 0.25)), DRAWS).value == 0


def test_ties_count_half() -> None:
    found = auc(readings(np.zeros(MODELS)), readings(np.zeros(MODELS)), DRAWS)
    assert found == Value(0.5, 0.5, 0.5)
    assert not tells(found)
    assert not fires(found)


def test_noise_is_guessing_and_its_interval_covers_that() -> None:
    found = [auc(noise(2 * seed), noise(2 * seed + 1), DRAWS) for seed in range(400)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([fires(one) for one in found]) < 0.1
    assert np.mean([one.high - one.low < 1 for one in found]) > 0.5  # it is no empty promise


def test_a_small_shift_is_between_guessing_and_certainty() -> None:
    found = auc(noise(1) + 0.2, noise(2), DRAWS)
    assert 0.6 < found.value < 1
    assert found.low < found.value < found.high


def test_the_jackknife_by_hand() -> None:
    # Three groups, each a pool of its own; every draw has one of them among its oracles.
    draws = Draws(groups=3, banks=np.array([[0], [1], [2]]), pools=np.array([[[0], [1], [2]]] * 3))
    knowing = np.array([[1.0, 3.0, 5.0]] * 3)
    ignorant = np.array([[2.0, 3.0, 0.0]] * 3)
    # Of 9 pairs, 1 beats 0; 3 beats 2 and 0 and ties with 3; 5 beats all: 6.5 of 9.
    # Without group 0: 3 ties and beats 0, 5 beats both: 3.5 of 4. Without 1: 1 beats 0, 5 both: 3 of 4. Without 2:
    # 1 beats nothing, 3 beats 2 and ties: 1.5 of 4.
    replicates = np.array([3.5, 3.0, 1.5]) / 4
    error = np.sqrt(2 / 3 * ((replicates - replicates.mean()) ** 2).sum())
    found = auc(knowing, ignorant, draws)
    assert found.value == pytest.approx(6.5 / 9)
    assert error == pytest.approx(0.3004626, abs=1e-7)
    assert (found.low, found.high) == (0.0, 1.0)  # 4.3 errors to each side, cut to probabilities
    narrow = auc(knowing, np.array([[2.0, 2.5, 0.0]] * 3), draws)
    # Now 7 of 9; without groups 4 of 4, 3 of 4 and 2 of 4: the error is sqrt(2/3 · 2/16) = 0.2887.
    assert narrow.value == pytest.approx(7 / 9)
    assert narrow.low == 0.0


def test_the_interval_is_t_times_the_error_within_probabilities() -> None:
    found = auc(noise(1) + 0.05, noise(2), DRAWS)
    wins = (1 + np.sign((noise(1) + 0.05)[:, :, None] - noise(2)[:, None, :])) / 2
    replicates = []
    for group in range(20):
        of_group = []
        for draw in range(16):
            if group in DRAWS.banks[draw]:
                continue
            kept = [place for place in range(5) if group not in DRAWS.pools[draw, place]]
            of_group += [wins[draw, ours, theirs] for ours in kept for theirs in kept]
        replicates.append(np.mean(of_group))
    half = 2.0930241 * np.sqrt(19 / 20 * ((replicates - np.mean(replicates)) ** 2).sum())  # t of 19 degrees
    assert found.low == pytest.approx(max(0, found.value - half))
    assert found.high == pytest.approx(min(1, found.value + half))


def test_there_is_no_interval_where_a_group_is_in_every_draw() -> None:
    draws = draw_pools(groups=12, draws=1)
    found = auc(np.array([[2.0, 3.0, 4.0]]), np.array([[1.0, 1.0, 5.0]]), draws)
    assert found == Value(pytest.approx(6 / 9))
    assert not tells(found)


def test_worse_is_towards_the_untouched_network_or_as_the_measure_says() -> None:
    known = measures()
    assert direction(known["forget_accuracy"], oracles=16, untouched=97) == 1
    assert direction(known["forgetting_quality"], oracles=0.9, untouched=0) == -1
    assert direction(known["forget_accuracy"], oracles=16, untouched=16) == 0
    assert direction(known["tug_of_war"], oracles=0.2, untouched=0.9) == -1
    assert direction(known["wall_time"], oracles=1, untouched=0) == 1
    assert direction(known["standard_error"], oracles=0.1, untouched=0) == 0


@pytest.mark.parametrize("kind", ["photographs", "people"])
def test_levels_are_nested(kind: Kind) -> None:
    levels = [set(known_rows(PEOPLE, share, kind).tolist()) for share in SHARES]
    assert all(smaller <= larger for smaller, larger in pairwise(levels))
    sizes = {"photographs": [4, 8, 21, 42], "people": [6, 6, 24, 42]}
    assert [len(level) for level in levels] == sizes[kind]


def test_people_are_known_with_all_of_their_photographs() -> None:
    rows = known_rows(PEOPLE, 0.25, "people")
    assert np.isin(PEOPLE, np.unique(PEOPLE[rows])).sum() == len(rows)
    assert len(np.unique(PEOPLE[known_rows(PEOPLE, 0.25, "photographs")])) > 7


@pytest.fixture
def split() -> tuple[PreparedSplit, ArtifactStore]:
    """Of 14 people with 6 photographs each; the pixels of a photograph are its number."""
    store = open_store("memory:///")
    count = len(PEOPLE)
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None], (count, 3, 2, 2))
    visible = {"forget.images": images, "forget.labels": np.arange(count) % 10, "forget.person_id": PEOPLE}
    ref = store.put("data/faces/visible.safetensors", pack(visible))
    evaluation = ArtifactRef(key="data/faces/evaluation.safetensors", sha256="1" * 64)
    prepared = make_prepared_competition(ref, environment={}, visible=ref, evaluation=evaluation)
    return prepared.public, store


def test_levels_are_banks_with_known_photographs_beside_retain(split: tuple[PreparedSplit, ArtifactStore]) -> None:
    spec = load_specification("demo")
    levels = levels_of(spec, *split, models=160)
    assert [one.title for one in levels] == [
        "0%",
        *("5% of photographs", "10% of photographs", "25% of photographs", "50% of photographs"),
        *("1 of 14 people", "4 of 14 people", "7 of 14 people"),  # 5% and 10% are one person
        *("0%, half the epochs", "0%, a third of the rate"),
    ]
    oracles = levels[0].bank
    assert oracles == bank_identity(spec, split[0].visible, split[0].evaluation)
    assert [one.first for one in levels] == [160, *[0] * 9]  # the first oracles are what pools are measured against
    assert len({one.bank.digest for one in levels}) == len(levels)
    for one in levels[1:8]:
        assert one.bank.parts == ("retain", "known")
        assert one.bank.recipe == oracles.recipe
        bundle = load(split[1].get(one.bank.visible))
        rows = known_rows(PEOPLE, one.share, one.kind)
        assert bundle["known.images"][:, 0, 0, 0].tolist() == rows.tolist()
        assert bundle["known.labels"].tolist() == (rows % 10).tolist()
    assert [(one.bank.recipe.epochs, one.bank.recipe.learning_rate) for one in levels[8:]] == [(5, 3e-3), (10, 1e-3)]
    assert all(one.bank.visible == oracles.visible for one in levels[8:])


def test_there_are_no_levels_by_people_where_each_has_one_photograph() -> None:
    store = open_store("memory:///")
    single = {"forget.images": np.zeros((8, 3, 2, 2), np.uint8), "forget.labels": np.arange(8)}
    ref = store.put("data/digits/visible.safetensors", pack(single | {"forget.person_id": np.arange(8)}))
    split = make_prepared_competition(ref, environment={}).public
    kinds = [one.kind for one in levels_of(load_specification(EXAMPLES), split, store, models=160)]
    assert kinds == ["oracles", "photographs", "photographs", "photographs", "control", "control"]


def level(title: str, kind: Kind, share: float) -> Level:
    ref = ArtifactRef(key="data/none", sha256="0" * 64)
    bank = BankIdentity(
        visible=ref,
        evaluation=ref,
        parts=("retain",),
        architecture="resnet-small",
        classes=10,
        recipe=TrainingSpec(),
        batch_size=64,
        torch="none",
    )
    return Level(title, kind, share, bank)


def test_the_report_says_which_measures_cannot_tell_and_which_see_mere_difference() -> None:
    levels = [
        level("0%", "oracles", 0),
        level("25% of photographs", "photographs", 0.25),
        level("0%, half", "control", 0),
    ]
    zero, knowing = readings(np.zeros(MODELS)), readings(np.ones(MODELS))
    exact = Table(
        levels=[
            {"forget_accuracy": zero, "fidelity": noise(3), "final_score": knowing, "standard_error": zero},
            {"forget_accuracy": knowing, "fidelity": noise(4), "final_score": zero, "standard_error": zero},
            {"forget_accuracy": zero, "fidelity": noise(3) + 9, "final_score": knowing, "standard_error": zero},
        ],
        oracles={"forget_accuracy": 16, "fidelity": 80, "final_score": 0.9, "standard_error": 0.1},
        untouched={"forget_accuracy": 97, "fidelity": 20, "final_score": 0, "standard_error": 0},
        absent=dict.fromkeys(measures(), "it needs more"),
    )
    for name in ("forget_accuracy", "fidelity", "final_score", "standard_error"):
        del exact.absent[name]
    competition = replace(exact, absent={}, levels=[{"final_score": zero}] * 3)
    found = Findings("demo", "160 networks.", 32, levels)
    judge(found, {"exact": exact, "competition": competition}, ["final_score"], DRAWS)

    one, half = Value(1.0, 1.0, 1.0), Value(0.5, 0.5, 0.5)
    by_name = {row.name: row for row in found.rows}
    assert set(by_name) == {"`forget_accuracy`", "`fidelity`", "`final_score` (exact)", "`final_score` (competition)"}
    assert by_name["`final_score` (exact)"] == Row("final_score", "exact", (one, half))
    assert by_name["`final_score` (competition)"].areas == (half, half)
    assert by_name["`forget_accuracy`"].areas == (one, half)
    assert by_name["`fidelity`"].areas[1] == Value(0.0, 0.0, 0.0)
    assert found.absent["standard_error"] == "no value is best"
    assert found.absent["klom"] == "it needs more"

    text = markdown(found)
    assert "- Cannot tell 25% of photographs from 0 at N = 32: `final_score` (competition), `fidelity`.\n" in text
    assert "- Not judged, because no value is best: `standard_error`.\n" in text
    assert "- React to networks that know 0%, half: `fidelity`.\n" in text
    assert "| `forget_accuracy` | 1.00 (1.00 to 1.00) | 0.500 (0.500 to 0.500) |\n" in text
    assert "demo,forget_accuracy,,25% of photographs,1.0,1.0,1.0" in csv_table([found]).splitlines()
