"""A messy folder says everything that is wrong with it, step by step, and is then split."""

import io
import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lethe.evaluator.contract.data_sources import ImageFolderSpec, SyntheticFacesSpec
from lethe.evaluator.contract.specification import CompetitionSpec, PracticeSpec, SplitSpec
from lethe.evaluator.data.near_duplicates import near_duplicates
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.review import review_data
from lethe.evaluator.data.review_pictures import draw_review
from lethe.evaluator.data.sources import Collection, Files, load_collection
from lethe.evaluator.data.sources.decoding import readable_formats
from lethe.evaluator.data.splits import draw_splits
from tests.photographs import faces, make_messy_folder

SPEC = CompetitionSpec(
    slug="messy",
    title="Messy",
    data=ImageFolderSpec(source="image-folder", image_size=24, classes=4),
    split=SplitSpec(seed=1),
    practice=PracticeSpec(identities=8),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("messy")
    make_messy_folder(root)
    return root


def refusal(folder: Path) -> list[str]:
    with pytest.raises(DataError) as refused:
        load_collection(SPEC, Files(folder))
    return str(refused.value).splitlines()


def mend(folder: Path) -> None:
    """What the messages say: the table in UTF-8, as spreadsheets write it, and without the wrong lines."""
    lines = (folder / "labels.csv").read_bytes().decode("latin-1").split("\r\n")
    mended = "\r\n".join(line for line in lines if "mistake" not in line)
    (folder / "labels.csv").write_text(mended, encoding="utf-8-sig", newline="")


@pytest.fixture(scope="module")
def read(folder: Path) -> tuple[Collection, Files]:
    table = (folder / "labels.csv").read_bytes()
    mend(folder)
    files = Files(folder, skip_bad=True)
    collection = load_collection(SPEC, files)
    (folder / "labels.csv").write_bytes(table)
    return collection, files


def test_every_mistake_is_told_in_its_turn(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    table = folder / "labels.csv"
    latin = table.read_bytes()
    number = latin.decode("latin-1").split("\r\n").index("Zoë;zoë.jpg;2;;;") + 1
    assert refusal(folder) == [
        f"{table} is not in UTF-8: line {number} reads 'Zoë;zoë.jpg;2;;;' in Latin-1. Save it as “CSV UTF-8”, or "
        "convert it: iconv -f latin1 -t utf-8 labels.csv > new.csv"
    ]
    table.write_text(latin.decode("latin-1"), encoding="utf-8-sig", newline="")
    *said, spelt = refusal(folder)
    assert said == [
        f"{table}:",
        f"  line {number + 6}: the label '7' is no whole number from 0 to 3 (data.classes = 4)",
        f"  line {number + 7}: image and identity must not be empty",
        "  turned.jpg: is listed twice",
    ]
    assert re.match(r"  line \d+ \('person-07'\) and line \d+ \('PERSON-07'\): one identity in two spellings", spelt)
    table.write_bytes(latin)
    mend(folder)
    first, deep, cut, phone, heic, lost, case, last = refusal(folder)
    assert first == "17 files cannot be used:"
    assert deep == (
        "  images/deep.png (pixels of kind I;16): has no 8 bits per channel; convert it, for example: "
        "magick IN -depth 8 -colorspace sRGB OUT.png"
    )
    assert re.fullmatch(
        r"  images/cut.jpg \(image file is truncated \(\d+ bytes not processed\)\): cannot be decoded", cut
    )
    assert phone == (
        "  images/phone.png (12000 × 9000 pixels in 0.0 MB): has more than 80 megapixels, the limit that "
        "LETHE_PHOTOGRAPH_PIXELS sets; raise it, or make the picture smaller"
    )
    if "HEIF" not in readable_formats():
        assert heic == (
            "  images/phone.heic: is HEIC, which is read only with the package pillow-heif (the extra heif); install "
            "it, or convert the picture: heif-convert IN.heic OUT.jpg"
        )
    named = ", ".join(f"images/lost-{number:02d}.jpg" for number in range(10))
    assert lost == f"  {named} and 2 more: is missing"
    assert case == "  images/img_1001.jpg (there is IMG_1001.JPG): is missing; upper and lower case count"
    assert last == "Correct them, or leave them out with --skip-bad"
    table.write_bytes(latin)
    assert capfd.readouterr() == ("", "")


def test_odd_kinds_are_read_as_what_they_show(read: tuple[Collection, Files]) -> None:
    photographs, origin = read[1].photographs, read[1].origin
    assert photographs is not None
    assert origin is not None
    assert len(read[1].skipped) == 17
    made = faces(40, 3).images
    for row, name in enumerate(("turned.jpg", "damaged-exif.jpg", "cmyk.jpg", "palette.png", "moving.gif", "scan.tif")):
        place = origin.names.index(name)
        limit = 25 if name in {"palette.png", "moving.gif"} else 12
        assert np.abs(photographs.images[place].astype(int) - made[row]).mean() < limit, name
    assert unicodedata.normalize("NFD", "zoë.jpg") in origin.names
    assert "Zoë" in origin.people


def test_a_review_warns_with_names_and_numbers(read: tuple[Collection, Files]) -> None:
    collection, files = read
    splits = draw_splits(collection.hidden.identities, collection.hidden.labels, SPEC.split, batch_size=64)
    assert len(splits.public.forget) > 0
    found = {one.code: one for one in review_data(SPEC, files, {}, None).warnings}
    assert set(found) == {
        "class_without_photographs", "one_photograph", "classes_by_identity", "near_duplicates", "far_from_square",
        "smaller_than_image_size",
    }  # fmt: skip
    assert found["class_without_photographs"].text.startswith("1 of 4 classes have no photographs: 3.")
    assert found["one_photograph"].text.startswith("1 of 41 people have one photograph each: Zoë.")
    assert found["one_photograph"].names == ("Zoë",)
    assert found["classes_by_identity"].text.startswith("classes by identity: each of 40 people with several")
    assert found["near_duplicates"].names == ("person-20/060.jpg (person-20) and again.jpg (person-33)",)
    assert found["near_duplicates"].text.startswith(
        "1 pair of photographs are nearly the same under two identities: person-20/"
    )
    assert found["far_from_square"].text.startswith("1 of 124 photographs are twice as wide as high or more, or the")
    assert found["far_from_square"].names == ("wide.jpg",)
    assert found["smaller_than_image_size"].text == (
        "1 of 124 photographs have fewer than 24 pixels on a side, and are enlarged: small.jpg"
    )


def test_a_class_of_one_person(read: tuple[Collection, Files]) -> None:
    photographs = read[1].photographs
    assert photographs is not None
    labels = np.where(photographs.identities == 3, 3, photographs.labels)
    files = Files(photographs=replace(photographs, labels=labels), origin=read[1].origin)
    found = {one.code: one for one in review_data(SPEC, files, {}, None).warnings}
    assert found["class_of_one_person"].text.startswith("1 of 4 classes have photographs of one person only: 3.")
    assert "class_without_photographs" not in found


def test_what_a_report_shows(read: tuple[Collection, Files]) -> None:
    facts = draw_review(review_data(SPEC, read[1], {}, 5_000))
    assert (facts.images, facts.identities, facts.image_size, facts.needed_bytes) == (124, 41, 24, 5_000)
    assert [bar.count for bar in facts.per_class] == np.bincount(read[1].photographs.labels, minlength=4).tolist()
    assert [(bar.name, bar.count) for bar in facts.per_person] == [("1", 1), ("2", 0), ("3", 38), ("4", 1), ("5", 1)]
    assert {bar.name: bar.count for bar in facts.sizes if bar.count} == {"0 to 31": 124}
    assert len(facts.skipped) == 17
    (pair,) = facts.near_duplicates
    assert (pair.names, pair.people) == (("person-20/060.jpg", "again.jpg"), ("person-20", "person-33"))
    assert Image.open(io.BytesIO(pair.pictures[1])).size == (24, 24)
    assert Image.open(io.BytesIO(facts.contact_sheet)).format == "PNG"


def test_sources_without_files_warn_of_missing_classes_only() -> None:
    data = SyntheticFacesSpec(seed=0, identities=8, images_per_identity=2, image_size=16, classes=20)
    files = Files()
    load_collection(SPEC.model_copy(update={"data": data}), files)
    (only,) = review_data(SPEC.model_copy(update={"data": data}), files, {}, None).warnings
    assert only.code == "class_without_photographs"


@pytest.mark.parametrize("quality", [95, 75, 50, 30])
def test_copies_that_were_saved_again_are_found_and_portraits_are_not(quality: int) -> None:
    made = faces(30, 2, size=32)
    copies = []
    for image in made.images:
        buffer = io.BytesIO()
        Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "JPEG", quality=quality)
        copies.append(np.asarray(Image.open(buffer)).transpose(2, 0, 1))
    images = np.concatenate([made.images, np.stack(copies)])
    identities = np.concatenate([made.identities, made.identities + 100])
    assert near_duplicates(images, identities) == [(row, row + 60) for row in range(60)]
    assert near_duplicates(images, np.concatenate([made.identities, made.identities])) == []
