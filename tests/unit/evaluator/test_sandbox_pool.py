"""To isolate nothing takes a setting and an option; each limit of a specification is enforced somewhere."""

from pathlib import Path

import pytest

from lethe.evaluator.contract.specification import LimitsSpec
from lethe.evaluator.contract.work import UNSAFE_BACKEND, Capabilities
from lethe.evaluator.sandbox_pool import policy_of, require_isolation
from lethe.evaluator.settings import SandboxSettings
from lethe.sandbox import Backend, SandboxUnavailable
from lethe.sandbox.doctor import mode


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


# Where the limits are enforced that no policy of a run has.
ELSEWHERE = {
    "upload_bytes": ("server/submissions/uploads.py", "limits.upload_bytes"),
    "run_retraining_fraction": ("evaluator/contract/specification.py", "limits.run_retraining_fraction"),
    "check_wall_s": ("server/queue/estimates.py", "limits.check_wall_s"),
    "end_after_s": ("server/queue/estimates.py", "limits.end_after_s"),
    "total_wall_s": ("server/queue/wall_time.py", "limits.total_wall_s"),
}


@pytest.mark.parametrize("name", LimitsSpec.model_fields)
def test_no_limit_is_dead(name: str) -> None:
    """A limit changes the policy of a run, or another place reads it."""
    limits = LimitsSpec()
    if name in ELSEWHERE:
        path, use = ELSEWHERE[name]
        assert use in (Path(__file__).parents[3] / path).read_text(encoding="utf-8")
    else:
        doubled = limits.model_copy(update={name: 2 * getattr(limits, name)})
        assert policy_of(doubled) != policy_of(limits)
