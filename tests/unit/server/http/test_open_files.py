"""Connections and streams of a server fit into the files that it may open, or it says what to raise."""

import resource
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from lethe.server.errors import ConfigurationError
from lethe.server.http import open_files
from lethe.server.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_the_defaults_fit_and_a_low_soft_limit_is_raised_to_what_they_need(settings: Settings) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.connections + open_files.OTHER_FILES
    assert settings.streams <= open_files.STREAMS_SHARE * settings.connections
    if hard != resource.RLIM_INFINITY and hard < needed:
        pytest.skip(f"this machine allows {hard} open files")
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        assert open_files.fit_to_open_files(settings) == settings
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == needed
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_hard_limit_is_told_and_kept(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_files, "_raise_limit", lambda _needed: 1024)
    with capture_logs() as lines:
        fitted = open_files.fit_to_open_files(settings)
    assert (fitted.connections, fitted.streams) == (768, 576)
    assert [(line["event"], line["open_files"], line["connections"]) for line in lines] == [
        ("connections_limited", 1024, 768)
    ]
    few = settings.model_copy(update={"connections": 4})
    assert open_files.fit_to_open_files(few).streams == 3


def test_a_limit_that_leaves_nothing_ends_serve_with_what_to_raise(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_files, "_raise_limit", lambda _needed: 256)
    with pytest.raises(ConfigurationError, match=r"may open 256 files.*LimitNOFILE"):
        open_files.fit_to_open_files(settings)
