"""What becomes of stored outputs: packed when the score commits, repeated when spoiled, scored alike from the pack."""

import pytest
from sqlalchemy import select

from lethe.evaluator.artifacts import ArtifactStoreAway, ArtifactStoreFull
from lethe.evaluator.contract.states import Stage, SubmissionState, WorkState
from lethe.server.lifecycle.transitions import OfSubmission
from lethe.server.models import OutputPack, Score, Submission, WorkItem
from lethe.server.queue.planning import advance
from lethe.server.scoring import stored_outputs as stored
from lethe.server.scoring.scorer import Scorer
from tests.integration.server.conftest import RUNS, Site, spec, upload


def finish_runs(site: Site) -> list[str]:
    """All work but the scoring; the keys of the runs' files."""
    while (job := site.claim()) is not None:
        assert site.report(job, finished=[] if job.stage == "check" else site.store_runs(job))
    return run_files(site)


def run_files(site: Site) -> list[str]:
    return [key for key in site.context.artifacts.list("submissions") if "/runs/" in key]


def score(site: Site) -> tuple[float, list[float]]:
    while Scorer(site.context, "test").score_next():
        pass
    with site.context.database.read() as session:
        row = session.scalars(select(Score).where(Score.submission_id.is_not(None))).one()
    return row.final_score, row.replicates


def test_runs_are_packed_when_scored_and_rescored_from_the_pack_alike(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        assert len(finish_runs(site)) == RUNS
        first = score(site)
        assert run_files(site) == []
        with site.context.database.read() as session:
            pack = session.scalars(select(OutputPack)).one()
            token = session.scalars(select(WorkItem.token).where(WorkItem.stage == Stage.SCORE)).one()
        assert pack.key == f"submissions/{identifier}/0/outputs-{token}.safetensors"
        assert len(site.context.artifacts.get(pack.key)) == pack.size_bytes
        assert ann.get(f"/submissions/{identifier}").json()["runs_done"] == RUNS

        with site.context.database.write() as session:  # a rescore, as a host would order it
            submission = session.scalars(select(Submission)).one()
            session.delete(session.scalars(select(WorkItem).where(WorkItem.stage == Stage.SCORE)).one())
            session.flush()
            submission.state = SubmissionState.SCORING
            advance(session, submission, spec(), OfSubmission.RESTORED)
        assert score(site) == first
        with site.context.database.read() as session:
            assert session.scalars(select(OutputPack.key)).all() == [pack.key]


def test_a_crash_before_the_commit_changes_nothing_and_after_it_leaves_only_waste(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(BaseException):
        pass

    def crash(*_: object) -> None:
        raise Crash

    with site.register("ann") as ann:
        upload(ann)
        keys = finish_runs(site)
        with monkeypatch.context() as patched:
            patched.setattr("lethe.server.scoring.scorer.commit_packs", crash)
            with pytest.raises(Crash):
                Scorer(site.context, "test").score_next()
        with site.context.database.write() as session:
            assert session.scalars(select(OutputPack)).all() == []
            item = session.scalars(select(WorkItem).where(WorkItem.stage == Stage.SCORE)).one()
            item.state = WorkState.READY  # as when its lease ran out
        with monkeypatch.context() as patched:
            patched.setattr("lethe.server.scoring.scorer.drop_singles", crash)
            with pytest.raises(Crash):
                Scorer(site.context, "test").score_next()
    assert run_files(site) == keys
    with site.context.database.read() as session:
        submission = session.scalars(select(Submission)).one()
        assert submission.state == "scored"
        outputs = stored.run_outputs(session, submission)
        assert outputs.pack is not None
        assert outputs.singles == {}
        assert len(stored.read_runs(site.context.artifacts, outputs)) == RUNS


def test_spoiled_outputs_are_repeated_and_never_scored(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        keys = finish_runs(site)
        folder = site.context.settings.home / "artifacts"
        (folder / keys[0]).write_bytes(b"spoiled")
        (folder / keys[1]).unlink()
        assert Scorer(site.context, "test").score_next()
        view = ann.get(f"/submissions/{identifier}").json()
        assert view["state"] == "running"
        repeated = []
        while (job := site.claim()) is not None:
            repeated += [order.index for order in job.runs]
            assert site.report(job, finished=site.store_runs(job))
        assert len(repeated) == 2
        score(site)
        assert ann.get(f"/submissions/{identifier}").json()["state"] == "scored"


def test_outputs_that_are_spoiled_every_time_end_as_the_platforms_fault(site: Site) -> None:
    with site.register("ann") as ann:
        identifier = upload(ann).json()["id"]
        for _ in range(site.context.settings.max_attempts):
            for key in finish_runs(site):
                (site.context.settings.home / "artifacts" / key).write_bytes(b"spoiled")
            assert Scorer(site.context, "test").score_next()
        view = ann.get(f"/submissions/{identifier}").json()
    assert (view["state"], view["owner"]) == ("failed", "platform")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(ArtifactStoreFull("full"), 507, "storage_full"), (ArtifactStoreAway("away"), 503, "unavailable")],
)
def test_upload_without_a_store_is_refused_and_leaves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    with site.register("ann") as ann:
        with monkeypatch.context() as patched:
            patched.setattr(type(site.context.artifacts), "put", refuse)
            answer = upload(ann)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert ann.get("/competitions/faces/submissions").json()["items"] == []
        assert upload(ann).status_code == 202
