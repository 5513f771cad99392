"""Small rules of the server: seeds, rounding, progress, file names, settings and specifications."""

from pathlib import Path

import pytest
from sqlalchemy import text

from lethe.evaluator.contract.fault_texts import FAULT_TEXTS
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.specification_file import SpecificationError, load_specification
from lethe.evaluator.contract.states import Stage
from lethe.evaluator.contract.tasks import celery_configuration
from lethe.server.competitions.disclosure import coarse_progress, round_score
from lethe.server.database.engine import Database
from lethe.server.errors import ConfigurationError
from lethe.server.queue.jobs import run_seed
from lethe.server.settings import Settings
from lethe.server.submissions.upload_body import clean_filename

SECRET = "ab" * 32


def test_run_seeds_are_opaque_and_repeatable() -> None:
    seeds = [run_seed(SECRET, stage=Stage.RUN, epoch=0, index=index) for index in range(512)]
    assert seeds == [run_seed(SECRET, stage=Stage.RUN, epoch=0, index=index) for index in range(512)]
    assert len(set(seeds)) == 512
    assert all(0 <= seed < 2**63 for seed in seeds)
    for other in (
        run_seed("cd" * 32, stage=Stage.RUN, epoch=0, index=0),
        run_seed(SECRET, stage=Stage.RUN, epoch=1, index=0),
        run_seed(SECRET, stage=Stage.CHECK, epoch=0, index=0),
    ):
        assert other != seeds[0]


@pytest.mark.parametrize(("done", "shown"), [(0, 0), (1, 0), (4, 3), (31, 28), (32, 32)])
def test_progress_moves_in_tenths(done: int, shown: int) -> None:
    assert coarse_progress(done, 32) == shown


def test_scores_are_rounded() -> None:
    assert round_score(0.123456789) == 0.123


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("mine.py", "mine.py"),
        ("../../x.py", "x.py"),
        ("C:\\temp\\y.py", "y.py"),
        ("\x1b[2Jz.py", "[2Jz.py"),
        ("", "submission.py"),
        (None, "submission.py"),
        ("a" * 300, "a" * 100),
    ],
)
def test_file_names_are_cleaned(name: str | None, clean: str) -> None:
    assert clean_filename(name) == clean


def test_every_fault_has_a_sentence() -> None:
    assert set(FAULT_TEXTS) == set(FaultCode)
    assert all(text.endswith(".") for text in FAULT_TEXTS.values())


def test_settings_default_to_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_HOME", str(tmp_path))
    settings = Settings()
    assert settings.database == f"sqlite:///{tmp_path}/lethe.db"
    assert settings.broker == f"filesystem://{tmp_path}/broker"
    assert settings.artifacts == f"file://{tmp_path}/artifacts"
    monkeypatch.setenv("LETHE_DATABASE_URL", "postgresql://u:secret@h/d")
    settings = Settings()
    assert settings.database == "postgresql://u:secret@h/d"
    assert "secret" not in repr(settings)


def test_unwritable_home_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="choose another with --home or LETHE_HOME") as error:
        Settings(home=tmp_path / "file" / "home").prepare_home()
    assert "\n" not in str(error.value)


def test_other_databases_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="postgresql"):
        Database("mysql://h/d")


def test_celery_takes_json_only_and_has_no_side_channels(tmp_path: Path) -> None:
    configuration = celery_configuration(f"filesystem://{tmp_path}/broker")
    assert configuration["accept_content"] == ["json"]
    assert configuration["worker_enable_remote_control"] is False
    assert (tmp_path / "broker" / "messages").is_dir()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slug = ", "not valid TOML"),
        ('slug = "A B"\ntitle = "x"', "slug"),
        ('slug = "a"\ntitle = "x"\n[data]\nidentitys = 3', "data.source: name one of synthetic-faces, casia-surf"),
        ('slug = "a"\ntitle = "x"\n[data]\nsource = "digits"\nidentitys = 3', "data.identitys: there is no such key"),
        ('slug = "a"\ntitle = "x"\n[metric]\nrule = "competition"\n[evaluation]\nruns = 8', "runs = oracles"),
        ('slug = "a"\ntitle = "x"\n[split]\nforget_fraction = 0.9', "leave less than a tenth"),
    ],
)
def test_mistakes_in_a_specification_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(SpecificationError, match=message) as error:
        load_specification(path)
    assert str(path) in str(error.value)


def test_unknown_specification_names_the_shipped_ones() -> None:
    with pytest.raises(SpecificationError, match="demo"):
        load_specification("nowhere.toml")


def test_a_home_of_ours_is_closed_with_its_database(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    settings = Settings(home=home)
    settings.prepare_home()
    assert home.stat().st_mode & 0o777 == 0o700
    (home / "lethe.db").touch(mode=0o644)
    home.chmod(0o755)
    settings.prepare_home()
    assert home.stat().st_mode & 0o777 == 0o700
    database = Database(settings.database)
    with database.write() as session:
        session.execute(text("CREATE TABLE t (x INTEGER)"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in home.glob("lethe.db*")}
    database.dispose()
    assert modes == dict.fromkeys(modes, 0o600)
    assert set(modes) >= {"lethe.db", "lethe.db-wal"}


def test_a_folder_of_other_things_stays_open(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    tmp_path.chmod(0o755)
    Settings(home=tmp_path).prepare_home()
    assert tmp_path.stat().st_mode & 0o777 == 0o755
