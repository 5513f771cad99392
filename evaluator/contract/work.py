"""The internal work protocol: claim, heartbeat and outcome, as frozen values."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from lethe.evaluator.contract.advice import Advice
from lethe.evaluator.contract.audits import AuditPlan
from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.curves import Curve
from lethe.evaluator.contract.faults import Fault
from lethe.evaluator.contract.hidden_estimates import HiddenEstimate, HiddenScale
from lethe.evaluator.contract.practice_score import ScoredPractice
from lethe.evaluator.contract.prepared_competition import ArtifactRef
from lethe.evaluator.contract.specification import DependenciesSpec, LimitsSpec
from lethe.evaluator.contract.states import Stage

Package = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*==[a-z0-9.!+]+$")]
"""One installed package: normalised name and version."""


WorkerName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
"""A worker's own name, the same after a restart; a new process of that name ends the leases of the old one."""
SandboxMode = Annotated[str, Field(max_length=100)]
UNSAFE_BACKEND = "unsafe-subprocess"
"""The sandbox's backend for development, which isolates nothing; sandbox modes begin with their backend's name."""
MAX_RECORDS = 4096


class Capabilities(Contract):
    """What a worker can do, for the operator and for competitions that demand something."""

    slots: int = Field(ge=1, description="Runs at the same time")
    sandbox_mode: SandboxMode
    memory_bytes: int = Field(ge=0, description="Of the machine")
    gpu: str | None = Field(max_length=200, description="Name of the GPU that runs may use; null where there is none")
    gpu_memory_bytes: int = Field(default=0, ge=0)
    torch: str = Field(max_length=50)
    python: str = Field(max_length=50)
    only: Literal[Stage.CHECK, Stage.RUN] | None = Field(default=None, description="The stage it works on; null: both")

    @property
    def isolates(self) -> bool:
        """Whether submissions are isolated on this worker from the host and from each other."""
        return not self.sandbox_mode.startswith(UNSAFE_BACKEND)


class Registration(Contract):
    """A worker starts, or the server no longer knows it. Ends the leases of its predecessor of that name."""

    worker: WorkerName
    capabilities: Capabilities
    passed_self_test: bool = Field(default=False, description="Just now, which ends a quarantine")


class RegistrationAnswer(Contract):
    """How many leases of the predecessor were released, and how long leases last.

    `known` is an artifact of the server's store, by which a worker with another store is found out; None before
    the first competition.
    """

    released: int
    lease_s: float
    known: ArtifactRef | None = None


class Leave(Contract):
    """A worker stops in an orderly way."""

    worker: WorkerName


class Claim(Contract):
    """A registered worker asks for work. It does so every few seconds while idle, and so shows that it is alive."""

    worker: WorkerName


class RunOrder(Contract):
    """One run to do. The index stays on the worker; only the opaque seed reaches the guest."""

    index: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**63)


class RunRecord(Contract):
    """One finished run, as stored. Key and digest name the safetensors artifact with its outputs."""

    index: int = Field(ge=0)
    outputs: ArtifactRef
    wall_s: float = Field(ge=0)
    repeatable: bool | None = Field(
        default=None, description="Whether the run gave the same weights when it was done again; None: it was not"
    )
    processor_s: float | None = Field(default=None, ge=0, description="Of all its processes; None: not measured")
    peak_memory_bytes: int | None = Field(default=None, ge=0)
    gpu_memory_bytes: int | None = Field(default=None, ge=0)
    audit: ArtifactRef | None = Field(default=None, description="The audit of its weights, once there is one")


class CheckReport(Contract):
    """The part of the check stage on practice data that the participant sees."""

    stdout: str
    stderr: str
    traceback: str
    wall_s: float
    cpu_s: float | None
    peak_memory_bytes: int | None
    packages: tuple[Package, ...] = Field(
        default=(), description="What was installed for the submission's script block"
    )
    exact: ArtifactRef | None = Field(
        default=None, description="The source that runs from now on; None where the check did not decide it"
    )
    left_out: tuple[str, ...] = Field(default=(), description="What of the file is left out, and why")
    advice: tuple[Advice, ...] = Field(
        default=(), description="What is likely to cost score; only of runs that ended well"
    )
    wall_limit_s: float | None = Field(default=None, description="Of the run; None: of a check before they were kept")
    memory_limit_bytes: int | None = None
    hidden: HiddenEstimate | None = Field(default=None, description="What to expect of hidden runs, if that is known")
    curve: Curve | None = Field(
        default=None, description="Of the check's last run; None where no optimiser took a step"
    )
    practice: ScoredPractice | None = Field(
        default=None, description="Of its runs and of further ones, if there is one"
    )
    practice_missing: str = Field(default="", description="Why there is no practice score, where there could be one")


class PracticeScoring(Contract):
    """How a check gets a practice score: its runs and further ones, against the oracles of the practice bundle."""

    bundle: ArtifactRef = Field(description="Has the rule, too")
    runs: tuple[RunOrder, ...] = Field(description="As many further runs as a score needs beside those of the check")


class Job(Contract):
    """A leased work item. A worker needs nothing else but the artifact store."""

    work_id: UUID
    token: int
    attempt: int = Field(default=1, ge=1, description="Claims of the item since one of its runs last finished")
    lease_s: float
    submission_id: UUID
    request_id: str | None = Field(default=None, description="Of the upload, for the worker's log")
    generation: int
    stage: Literal[Stage.CHECK, Stage.RUN]
    source: ArtifactRef
    leaves_out: bool = Field(
        default=False, description="The check leaves out statements of the module that cannot run here"
    )
    ignores_cuda: bool = Field(default=False, description="Without a GPU `.cuda()` does nothing")
    batch_note: str = Field(default="", description="A sentence on batches, where practice has other numbers of them")
    is_practice: bool = Field(
        default=False, description="The data are practice data, which anybody may see, the test set included"
    )
    hidden: HiddenScale | None = Field(default=None, description="For a check: how hidden runs will differ, if known")
    practice_score: PracticeScoring | None = Field(
        default=None, description="For a check, where there are practice oracles; it may end without such a score"
    )
    visible: ArtifactRef
    original: ArtifactRef
    evaluation: ArtifactRef = Field(
        description="Labels and test images; trusted side only, but for the test images of practice data"
    )
    architecture: str
    classes: int
    batch_size: int
    limits: LimitsSpec
    dependencies: DependenciesSpec
    packages: tuple[Package, ...] | None = Field(
        description="What the check stage installed, so that every worker runs the same; None: find versions now"
    )
    runs: tuple[RunOrder, ...]
    wall_left_s: float | None = Field(default=None, description="What these runs may take together, if limited")
    audit: AuditPlan | None = Field(default=None, description="What runs of low index are audited against; None: none")

    def outputs_key(self, index: int) -> str:
        """Return the key under which this lease stores the outputs of the run `index`."""
        return outputs_key(self.submission_id, self.generation, index, self.token)

    def audit_key(self, index: int) -> str:
        """Return the key under which this lease stores the audit of the run `index`."""
        return audit_key(self.submission_id, self.generation, index, self.token)

    def is_audited(self, index: int) -> bool:
        """Whether the weights of the run `index` are audited: there are as many such runs as references."""
        return self.audit is not None and index < len(self.audit.references)


def outputs_key(submission_id: UUID, generation: int, index: int, token: int) -> str:
    """Return the key of the outputs of a run; the fencing token keeps two holders of one item apart."""
    return f"submissions/{submission_id}/{generation}/runs/{index:05d}-{token}.safetensors"


def audit_key(submission_id: UUID, generation: int, index: int, token: int) -> str:
    """Return the key of the audit of a run's weights."""
    return f"submissions/{submission_id}/{generation}/audits/{index:05d}-{token}.json"


class Heartbeat(Contract):
    """A worker is alive, renews its lease, and has finished these runs of its item since the claim."""

    work_id: UUID
    token: int
    finished: tuple[RunRecord, ...] = Field(default=(), max_length=MAX_RECORDS)


class HeartbeatAnswer(Contract):
    """Whether to go on; `stop` if the submission has ended or this worker has lost the lease."""

    stop: bool
    lease_s: float


class Outcome(Contract):
    """How a work item ended. `fault` None means that every run of the job is in `finished`, unless `handed_back`."""

    work_id: UUID
    token: int
    sandbox_mode: SandboxMode
    finished: tuple[RunRecord, ...] = Field(default=(), max_length=MAX_RECORDS)
    fault: Fault | None = None
    handed_back: bool = Field(default=False, description="The worker shuts down; another worker should go on")
    check: CheckReport | None = None
    environment: dict[str, str] = Field(default_factory=dict)


class OutcomeAnswer(Contract):
    """Whether the outcome changed anything; an old token changes nothing."""

    accepted: bool
