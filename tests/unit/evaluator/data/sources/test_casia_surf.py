"""CASIA-SURF is read in its published layout: ages from the list, colour photographs of real faces only."""

from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.contract.data_sources import CasiaSurfSpec
from lethe.evaluator.contract.specification import CompetitionSpec, PracticeSpec, SplitSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.sources import Files, load_collection
from lethe.evaluator.data.sources.casia_surf import read_casia_surf
from lethe.evaluator.data.splits import draw_splits
from lethe.evaluator.preparation import practice_split
from tests.photographs import make_casia_surf, save

SPEC = CasiaSurfSpec(source="casia-surf", image_size=24, classes=3)


def test_the_published_layout(tmp_path: Path) -> None:
    made = make_casia_surf(tmp_path)
    read = read_casia_surf(SPEC, Files(tmp_path))
    assert len(read) == 72  # depth pictures are not photographs
    assert np.abs(read.images.astype(int) - made.images).mean() < 4
    assert np.array_equal(read.identities, made.identities)
    assert np.array_equal(read.ages, np.round(made.ages))
    lines = (tmp_path / "Age_Gender.txt").read_text().splitlines()
    ages = [int(line.split()[1]) for line in lines]  # of all people listed, as in the published code
    width = (max(ages) + 1 - min(ages)) / 3
    assert read.labels.tolist() == [int((age - min(ages)) / width) for age in read.ages]


def test_age_groups_reach_to_people_without_photographs(tmp_path: Path) -> None:
    make_casia_surf(tmp_path)
    near = read_casia_surf(SPEC, Files(tmp_path)).labels
    with (tmp_path / "Age_Gender.txt").open("a") as listed:
        listed.write("CLKJ_AS8888 119 female\n")
    far = read_casia_surf(SPEC, Files(tmp_path)).labels
    assert (far <= near).all()
    assert (far < near).any()


def test_photographs_come_in_the_published_order(tmp_path: Path) -> None:
    """Folders of persons are sorted as texts before their files, so that "A-B" comes before "A/B" but after "A"."""
    people = ["A-1/p0", "A/p1", "A/p1-x", "B/p2", "B/p3", "B/p4", "C/p5", "C/p6"]
    painted = make_casia_surf(tmp_path / "spare").images
    for row, person in enumerate(people):
        save(tmp_path / "WBackground" / person / "real.rssdk/color/1.jpg", painted[3 * row])
    ids = [person.split("/")[1] for person in people]
    (tmp_path / "Age_Gender.txt").write_text("\n".join(f"{name} {20 + place} f" for place, name in enumerate(ids)))
    read = read_casia_surf(SPEC, Files(tmp_path))
    ordered = sorted(map(str, (tmp_path / "WBackground").glob("*/*")))
    assert [ids[int(age) - 20] for age in read.ages] == [Path(folder).name for folder in ordered]


def test_identities_are_numbered_as_texts_so_that_the_published_split_finds_its_people(tmp_path: Path) -> None:
    make_casia_surf(tmp_path, people=40, each=4)
    for person in range(40):  # ids of different length: "10" comes before "9" as text
        (tmp_path / f"WBackground/Training/CLKJ_AS{person:04d}").rename(tmp_path / f"WBackground/Training/{person}")
    listed = (tmp_path / "Age_Gender.txt").read_text().splitlines()[:40]
    lines = [f"{person} {line.split(maxsplit=1)[1]}" for person, line in enumerate(listed)]
    (tmp_path / "Age_Gender.txt").write_text("\n".join(lines))
    spec = CompetitionSpec(
        slug="c", title="C", data=SPEC, split=SplitSpec(seed=0, forget_by="published"),
        practice=PracticeSpec(identities=8),
    )  # fmt: skip
    read = read_casia_surf(SPEC, Files(tmp_path))
    collection = load_collection(spec, Files(tmp_path))
    hidden, practice = collection.hidden, collection.practice
    split = draw_splits(hidden.identities, hidden.labels, spec.split, hidden=collection.is_hidden).public
    forgotten = sorted(map(str, range(40)))[:15]
    names = sorted(map(str, range(40)))
    assert {names[identity] for identity in hidden.identities[split.forget]} == set(forgotten)
    assert set(hidden.identities.tolist()) < set(read.identities.tolist())
    assert len(np.unique(hidden.identities)) == 32
    rehearsal = draw_splits(practice.identities, practice.labels, practice_split(spec)).public
    assert len(np.unique(practice.identities[rehearsal.forget])) == 1  # a tenth of eight people, at least one


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("CLKJ_AS0000 thirty male", "line 1: expected 'id age gender' with an age in years, found 'CLKJ_AS0000 thirty"),
        ("CLKJ_AS0000", "line 1: expected 'id age gender'"),
        ("CLKJ_AS0000 -3 male", "line 1: expected"),
        ("CLKJ_AS0000 nan male", "line 1: expected"),
        ("CLKJ_AS0000 20 male\n\nCLKJ_AS0000 21 male", "line 3: CLKJ_AS0000 has another age above"),
    ],
)
def test_wrong_lines_of_the_list(tmp_path: Path, lines: str, message: str) -> None:
    make_casia_surf(tmp_path, people=8)
    (tmp_path / "Age_Gender.txt").write_text(lines)
    with pytest.raises(DataError, match=message):
        read_casia_surf(SPEC, Files(tmp_path))


def test_people_without_an_age_are_named_and_skipped_only_on_demand(tmp_path: Path) -> None:
    make_casia_surf(tmp_path, people=8)
    stranger = tmp_path / "WBackground/Training/STRANGER/real.rssdk/color/0000.jpg"
    save(stranger, np.full((3, 24, 24), 77, dtype=np.uint8))
    with pytest.raises(DataError, match=r"STRANGER/real.rssdk/color/0000.jpg: Age_Gender.txt has no age"):
        read_casia_surf(SPEC, Files(tmp_path))
    files = Files(tmp_path, skip_bad=True)
    assert len(read_casia_surf(SPEC, files)) == 24
    assert len(files.skipped) == 1


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*Age_Gender.txt"):
        read_casia_surf(SPEC, Files(tmp_path))
    (tmp_path / "Age_Gender.txt").write_text("a 20 male\n")
    with pytest.raises(DataError, match=r"no photographs WBackground/…/<person>/real.rssdk/color"):
        read_casia_surf(SPEC, Files(tmp_path))


def test_one_age_makes_no_groups(tmp_path: Path) -> None:
    make_casia_surf(tmp_path, people=8)
    names = [f"CLKJ_AS{person:04d} 30 male" for person in range(8)]
    (tmp_path / "Age_Gender.txt").write_text("\n".join(names))
    with pytest.raises(DataError, match=r"everybody in .* is 30 years old"):
        read_casia_surf(SPEC, Files(tmp_path))
