"""To isolate nothing takes a setting and an option; with one of them alone nothing starts."""

import pytest

from evaluator.contract.work import UNSAFE_BACKEND, Capabilities
from evaluator.sandbox_pool import require_isolation
from evaluator.settings import SandboxSettings
from sandbox import Backend, SandboxUnavailable
from sandbox.doctor import mode


def test_the_setting_alone_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LETHE_SANDBOX_BACKEND", "unsafe-subprocess")
    settings = SandboxSettings()
    with pytest.raises(SandboxUnavailable, match="say --allow-unsafe as well"):
        require_isolation(settings, allow_unsafe=False)
    require_isolation(settings, allow_unsafe=True)


@pytest.mark.parametrize("backend", [Backend.ZYGOTE, Backend.FRESH])
def test_the_option_alone_is_refused(backend: Backend) -> None:
    with pytest.raises(SandboxUnavailable, match="LETHE_SANDBOX_BACKEND=unsafe-subprocess"):
        require_isolation(SandboxSettings(sandbox_backend=backend), allow_unsafe=True)


@pytest.mark.parametrize("backend", Backend)
def test_the_server_can_tell_by_the_mode(backend: Backend) -> None:
    known = Capabilities(slots=1, sandbox_mode=mode(backend), memory_bytes=1, gpu=None, torch="2", python="3")
    assert known.isolates is (backend is not Backend.UNSAFE)
    assert Backend.UNSAFE == UNSAFE_BACKEND
