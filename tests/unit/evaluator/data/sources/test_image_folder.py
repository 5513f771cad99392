"""A folder of own photographs is read exactly as its table says, and every mistake in it is named."""

import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from lethe.evaluator.contract.data_sources import ImageFolderSpec
from lethe.evaluator.data.photographs import DataError
from lethe.evaluator.data.sources.files import Files
from lethe.evaluator.data.sources.image_folder import read_image_folder
from tests.photographs import make_image_folder, save

SPEC = ImageFolderSpec(source="image-folder", image_size=24, classes=3)


def table(root: Path, *lines: str) -> None:
    (root / "labels.csv").write_text("\n".join(["image,identity,label", *lines]), encoding="utf-8")


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("folder")
    make_image_folder(root)
    return root


@pytest.fixture
def folder(tmp_path: Path, pristine: Path) -> Path:
    import shutil

    return Path(shutil.copytree(pristine, tmp_path / "photographs"))


def test_photographs_labels_and_people_come_as_the_table_says(folder: Path) -> None:
    made = make_image_folder(folder)
    told: list[tuple[int, int]] = []
    read = read_image_folder(SPEC, Files(folder, report=lambda done, total: told.append((done, total))))
    assert read.images.shape == (36, 3, 24, 24)
    assert read.images.dtype == np.uint8
    assert np.abs(read.images.astype(int) - made.images).mean() < 4  # what JPEG takes away
    assert np.array_equal(read.labels, made.labels)
    assert np.array_equal(read.identities, made.identities)
    assert not read.ages.any()
    assert told == [(0, 36), (32, 36), (36, 36)]
    again = read_image_folder(SPEC, Files(folder))
    assert np.array_equal(read.images, again.images)


def test_classes_by_name_columns_in_any_order_and_a_byte_order_mark(folder: Path) -> None:
    rows = [line.split(",") for line in (folder / "labels.csv").read_text().splitlines()[1:]]
    names = ("young", "grown, up", "old")
    lines = [f'"{names[int(label)]}", {identity} ,{image}' for image, identity, label in rows]
    (folder / "labels.csv").write_text("\r\n".join(["label,identity,image", *lines]), encoding="utf-8-sig")
    spec = ImageFolderSpec(source="image-folder", image_size=16, classes=3, class_names=names)
    read = read_image_folder(spec, Files(folder))
    assert read.labels.tolist() == [int(label) for *_, label in rows]
    assert read.images.shape == (36, 3, 16, 16)


@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_tables_as_spreadsheets_write_them(folder: Path, separator: str) -> None:
    rows = [line.split(",") for line in (folder / "labels.csv").read_text().splitlines()[1:]]
    lines = [
        separator.join(["Note", "Image", "IDENTITY", "Label ", "", ""]),
        *(separator.join(["", *row, "", ""]) for row in rows),
        separator * 5,
        "",
    ]
    (folder / "labels.csv").write_text("\r\n".join(lines), encoding="utf-8-sig")
    read = read_image_folder(SPEC, Files(folder))
    assert read.labels.tolist() == [int(label) for *_, label in rows]


def test_names_that_look_alike_are_alike(folder: Path) -> None:
    """macOS writes ë as e and two dots: in names of files, or in the table."""
    decomposed, composed = (unicodedata.normalize(form, "zoë") for form in ("NFD", "NFC"))
    for name, wanted in ((f"{decomposed}.jpg", f"{composed}.jpg"), (f"{composed}2.jpg", f"{decomposed}2.jpg")):
        (folder / "images/person-00" / name).write_bytes((folder / "images/person-00/000.jpg").read_bytes())
        with (folder / "labels.csv").open("a") as stream:
            stream.write(f"person-00/{wanted},person-00,0\n")
    assert len(read_image_folder(SPEC, Files(folder))) == 38
    text = (folder / "labels.csv").read_text()
    (folder / "labels.csv").write_text(
        text.replace("000.jpg,person-00", f"000.jpg,{decomposed}").replace(",person-00", f",{composed}")
    )
    assert len(np.unique(read_image_folder(SPEC, Files(folder)).identities)) == 12


def test_another_case_of_a_name_is_told(folder: Path) -> None:
    table(folder, "Person-00/000.JPG,person-00,0")
    with pytest.raises(
        DataError, match=r"Person-00/000.JPG \(there is person-00/000.jpg\): is missing; upper and lower"
    ):
        read_image_folder(SPEC, Files(folder))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["person-00/000.jpg,a"], "line 2: has not one value for each column"),
        (["person-00/000.jpg,a,0,1"], "line 2: has not one value for each column"),
        (["person-00/000.jpg,,0"], "line 2: image and identity must not be empty"),
        (["person-00/000.jpg,a,3"], "line 2: the label '3' is no whole number from 0 to 2"),
        (["person-00/000.jpg,a,-1"], "the label '-1' is no whole number"),
        (["person-00/000.jpg,a,1.0"], "the label '1.0' is no whole number"),
        (["person-00/000.jpg,a,²"], "the label '²' is no whole number"),
        (["../labels.csv,a,0"], "must be a path below images/"),
        (["/etc/hostname,a,0"], "must be a path below images/"),
        (["person-00\\000.jpg,a,0"], "must be a path below images/"),
        (["person-00/000.jpg,a,0", "./person-00/000.jpg,a,0"], "person-00/000.jpg: is listed twice"),
        (
            ["person-00/000.jpg,Ann,0", "person-00/001.jpg,ann,0"],
            r"line 2 \('Ann'\) and line 3 \('ann'\): one identity in two spellings",
        ),
        *(
            (
                ["person-00/000.jpg,Ann Lee,0", "person-00/001.jpg,Bo,0", f"person-00/002.jpg,{other},0"],
                rf"line 2 \('Ann Lee'\) and line 4 \('{shown}'\): one identity in two spellings",
            )
            for other, shown in {
                "Ann  Lee": "Ann  Lee",
                "Ann\u200b Lee": r"Ann\\u200b Lee",
                "Ann\xa0Lee": r"Ann\\xa0Lee",
                "\uff21nn Lee": "\uff21nn Lee",
                "Ann Lee\u200e": r"Ann Lee\\u200e",
            }.items()
        ),
        (["person-00/000.jpg,a,0", "person-00/001.jpg,a,0"], "2 photographs below .* are too few"),
        (["gone.jpg,a,0"], "1 file cannot be used: images/gone.jpg: is missing"),
        (['"person-00/000.jpg,a,0'], "cannot read .* as a table"),
    ],
)
def test_wrong_lines_are_named(folder: Path, lines: list[str], message: str) -> None:
    table(folder, *lines)
    with pytest.raises(DataError, match=message):
        read_image_folder(SPEC, Files(folder))


def test_every_wrong_line_is_told_at_once_up_to_a_limit(folder: Path) -> None:
    table(folder, *(f"{row}.jpg,a,9" for row in range(12)), ",a,0", "x.jpg,b,1.5")
    with pytest.raises(DataError) as refused:
        read_image_folder(SPEC, Files(folder))
    assert str(refused.value).splitlines() == [
        f"{folder}/labels.csv:",
        "  line 2, line 3, line 4, line 5, line 6, line 7, line 8, line 9, line 10, line 11 and 2 more: the label '9' "
        "is no whole number from 0 to 2 (data.classes = 3)",
        "  line 14: image and identity must not be empty",
        "  line 15: the label '1.5' is no whole number from 0 to 2 (data.classes = 3)",
    ]


@pytest.mark.parametrize("header", ["", "file,identity,label", "image,identity", "image,identity,label,identity"])
def test_wrong_columns(folder: Path, header: str) -> None:
    (folder / "labels.csv").write_text(f"{header}\na,b,0\n")
    with pytest.raises(DataError, match=r"it must have image, identity, label"):
        read_image_folder(SPEC, Files(folder))


def test_without_identities_each_photograph_is_its_own(folder: Path) -> None:
    rows = [line.split(",") for line in (folder / "labels.csv").read_text().splitlines()]
    (folder / "labels.csv").write_text("\n".join(f"{image},{label}" for image, _, label in rows))
    files = Files(folder)
    read = read_image_folder(SPEC, files)
    assert len(np.unique(read.identities)) == len(read) == 36
    assert files.origin is not None
    assert files.origin.people == files.origin.names
    (folder / "images/person-05/copy.jpg").write_bytes((folder / "images/person-00/000.jpg").read_bytes())
    with (folder / "labels.csv").open("a") as stream:
        stream.write("\nperson-05/copy.jpg,0\n")
    with pytest.raises(DataError, match=r"person-05/copy.jpg are the same picture, which would be on both sides"):
        read_image_folder(SPEC, Files(folder))


def test_a_table_that_is_no_text(folder: Path) -> None:
    (folder / "labels.csv").write_bytes("image,identity,label\nx,Bär,0\n".encode("utf-16"))
    with pytest.raises(DataError, match=r"labels.csv is in UTF-16, not in UTF-8: save it as “CSV UTF-8”"):
        read_image_folder(SPEC, Files(folder))
    (folder / "labels.csv").write_bytes("image,identity,label\nx,Ann,0\ny,Bär,0\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"is not in UTF-8: line 3 reads 'y,Bär,0' in Latin-1. Save .* iconv -f latin1"):
        read_image_folder(SPEC, Files(folder))
    (folder / "labels.csv").unlink()
    with pytest.raises(DataError, match=r"cannot read .*labels.csv"):
        read_image_folder(SPEC, Files(folder))


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "elsewhere.jpg", np.zeros((3, 24, 24), dtype=np.uint8))
    (folder / "images" / "link.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    table(folder, "link.jpg,a,0")
    with pytest.raises(DataError, match=r"'link.jpg' is a link out of images/"):
        read_image_folder(SPEC, Files(folder))


def test_one_picture_under_two_identities_is_refused(folder: Path) -> None:
    (folder / "images/person-05/copy.jpg").write_bytes((folder / "images/person-00/000.jpg").read_bytes())
    with (folder / "labels.csv").open("a") as stream:
        stream.write("person-05/copy.jpg,person-05,0\n")
    with pytest.raises(DataError, match=r"person-00/000.jpg and person-05/copy.jpg are the same picture"):
        read_image_folder(SPEC, Files(folder))


def test_bad_files_are_named_and_skipped_only_on_demand(folder: Path) -> None:
    good = folder / "images/person-01/003.jpg"
    good.write_bytes(good.read_bytes()[:400])
    (folder / "images/person-02/006.jpg").write_bytes(b"")
    with pytest.raises(DataError) as refused:
        read_image_folder(SPEC, Files(folder))
    first, damaged, empty, last = str(refused.value).splitlines()
    assert first == "2 files cannot be used:"
    assert re.fullmatch(r"  images/person-01/003.jpg \(.+\): cannot be decoded", damaged)
    assert empty.startswith("  images/person-02/006.jpg: is no JPEG, PNG, WebP, BMP, GIF")
    assert last == "Correct them, or leave them out with --skip-bad"
    files = Files(folder, skip_bad=True)
    read = read_image_folder(SPEC, files)
    assert len(read) == 34
    assert [name for name, _ in files.skipped] == ["images/person-01/003.jpg", "images/person-02/006.jpg"]


def test_the_folder_must_be_given_and_be_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"add --data FOLDER, the folder with labels.csv and images/"):
        read_image_folder(SPEC, Files())
    with pytest.raises(DataError, match="is not a folder"):
        read_image_folder(SPEC, Files(tmp_path / "none"))
