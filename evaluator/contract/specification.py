"""The competition specification: one TOML file says everything that creates a competition."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, Literal

from packaging.utils import canonicalize_name
from pydantic import AfterValidator, AwareDatetime, Field, model_validator

from lethe.evaluator.contract.base import Contract
from lethe.evaluator.contract.data_sources import AnySource, DataSpec, SecretSeed, Seed, SyntheticFacesSpec
from lethe.evaluator.contract.faults import FaultCode
from lethe.evaluator.contract.limits import Limit, Unit
from lethe.evaluator.contract.networks import BUILT_IN, TORCHVISION, Network
from lethe.evaluator.contract.seen_by import SeenBy
from lethe.evaluator.contract.submission import NOTEBOOK_SUFFIX
from lethe.evaluator.contract.task_tables import complete_tasks

Fraction = Annotated[float, Field(gt=0, lt=1), Unit.SHARE]
Count = Annotated[int, Field(ge=1), Unit.COUNT]
Time = Annotated[AwareDatetime | None, SeenBy.EVERYBODY]
OptionValue = bool | int | float | str | list[bool | int | float | str]
SOURCE_CHARS = 100_000
LEAST_PRACTICE = 8
_ADDRESS = re.compile(r"""https?://[!#-&(-;=?A-\[\]_a-z~]+|mailto:[!#-&(-;=?A-Z_a-z~]+@[A-Za-z0-9.-]+""")
LEAST_ORACLES = 8
PackageName = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=100), AfterValidator(canonicalize_name)
]

# What every worker has: installing it needs nothing.
BASE_PACKAGES = frozenset(
    {
        "absl-py", "joblib", "matplotlib", "numpy", "pandas", "pillow", "pyyaml", "requests", "scikit-learn", "scipy",
        "tabulate", "torch", "torchvision", "tqdm",
    }
)  # fmt: skip
# Libraries for training, statistics and images, all with wheels. Packages of the worker need no entry.
COMMON_PACKAGES = (
    *("absl-py", "attrs", "backpack-for-pytorch", "beartype", "captum", "einops", "ema-pytorch", "geoopt"),
    *("higher", "jaxtyping", "joblib", "kornia", "laplace-torch", "lightgbm", "lion-pytorch", "matplotlib"),
    *("more-itertools", "networkx", "numba", "numexpr", "numpy", "opacus", "opencv-python-headless", "pandas"),
    *("pot", "pytorch-ignite", "pytorch-metric-learning", "pytorch-optimizer", "pyyaml", "scikit-image"),
    *("scikit-learn", "scipy", "seaborn", "statsmodels", "sympy", "tabulate", "tensordict", "timm", "toolz"),
    *("torch-ema", "torch-optimizer", "torchmetrics", "torchopt", "tqdm", "umap-learn"),
)


class SplitSpec(Contract):
    """Which people are forgotten, and which are held out for validation and test.

    Fractions are of identities; `forget_fraction` is of photographs or classes where `forget_by` names those. `final`
    asks for a second split, for the final evaluation, that forgets other people. A forget set by hand is `forget`; the
    practice data then forget by `forget_by`, `forget_fraction` and `forget_class`.
    """

    seed: SecretSeed = None
    forget_by: Annotated[
        Literal["identity", "example", "class", "published"],
        Field(description="What is forgotten as a whole: people, photographs, classes, or the people of 2023"),
        SeenBy.HOSTS,
    ] = "identity"
    forget_fraction: Annotated[
        Fraction, Field(description="How much is forgotten, of people, or of what `forget_by` names"), SeenBy.HOSTS
    ] = 0.1
    forget_count: Annotated[
        int,
        Field(ge=0, description="How many are forgotten, but in practice; 0: as much as `forget_fraction` says"),
        Unit.COUNT,
        SeenBy.HOSTS,
    ] = 0
    forget_class: Annotated[
        int,
        Field(
            ge=-1,
            description="With `forget_by = 'example'` only photographs of this class are forgotten, with `'class'` all "
            "of them; -1: of any class",
        ),
        SeenBy.HOSTS,
    ] = -1
    forget: Annotated[
        str,
        Field(
            max_length=200,
            description="Table beside the specification of what is forgotten, in a column `identity` or `image`",
        ),
        SeenBy.HOSTS,
    ] = ""
    difficulty: Annotated[
        Literal["", "high", "low"],
        Field(
            description="Forget the people or photographs that networks memorise most (`high`) or least (`low`), by a "
            "pilot of models that `create` trains; empty: random ones. Practice data forget random ones"
        ),
        SeenBy.HOSTS,
    ] = ""
    pilot_models: Annotated[
        int,
        Field(
            ge=2,
            le=64,
            multiple_of=2,
            description="Models of the pilot for `difficulty`, each trained on a random half of the photographs",
        ),
        Unit.COUNT,
        SeenBy.HOSTS,
    ] = 8
    validation_fraction: Annotated[
        Fraction, Field(description="People whose photographs are only in the validation set"), SeenBy.HOSTS
    ] = 0.1
    test_fraction: Annotated[
        Fraction, Field(description="People whose photographs are only in the hidden test set"), SeenBy.HOSTS
    ] = 0.15
    retain_sample: Annotated[
        Count,
        Field(description="Retained photographs on which outputs are stored and accuracies counted"),
        SeenBy.HOSTS,
    ] = 256
    final: Annotated[
        bool, Field(description="Draw a second split that forgets other people, for the final evaluation"), SeenBy.HOSTS
    ] = False

    @model_validator(mode="after")
    def _one_choice(self) -> "SplitSpec":
        has_class = self.forget_class >= 0
        if has_class and self.forget_by not in {"example", "class"}:
            raise ValueError("forget_class needs forget_by = 'example', or 'class' for all of it")
        if has_class and self.forget_by == "class" and (self.forget_count or self.final):
            raise ValueError("forget_by = 'class' with forget_class is one class: leave out forget_count and final")
        if self.forget_by == "published" and (self.forget or self.forget_count):
            raise ValueError("forget_by = 'published' says who is forgotten: leave out forget and forget_count")
        if self.forget and (self.forget_count or self.final):
            raise ValueError("forget lists one forget set: leave out forget_count and final")
        if self.difficulty and (self.forget or self.forget_by not in {"identity", "example"}):
            raise ValueError(
                "difficulty chooses people or photographs: it needs forget_by = 'identity' or 'example', without forget"
            )
        return self


class PracticeSpec(Contract):
    """The public practice data: other identities from the same source, set aside before anything else.

    Where the source has no identities, each photograph is one. Everybody can download them, with a model trained on
    them and the outputs of `oracles` practice oracles.
    """

    seed: Annotated[
        Seed, Field(description="Draws the people who are set aside, and their split; needs no secrecy"), SeenBy.HOSTS
    ] = 1
    identities: Annotated[
        int, Field(ge=LEAST_PRACTICE, description="People whose photographs become public"), Unit.COUNT, SeenBy.HOSTS
    ] = 24
    oracles: Annotated[
        int,
        Field(ge=0, le=512, description="Practice oracles, which `oracles seed` trains; 0: none, else 8 or more"),
        Unit.COUNT,
        SeenBy.EVERYBODY,
    ] = 32
    rule: Annotated[
        Literal["competition", "exact"],
        Field(description="Rule of practice scores; `metric.rule` stays hidden until the reveal"),
        SeenBy.EVERYBODY,
    ] = "exact"

    @model_validator(mode="after")
    def _none_or_enough(self) -> "PracticeSpec":
        if 0 < self.oracles < LEAST_ORACLES:
            raise ValueError(f"oracles must be 0 or at least {LEAST_ORACLES}, with which scores begin")
        return self


class ModelSpec(Contract):
    """The architecture every model of the competition shares, by name or as a module of the host's own."""

    architecture: Annotated[
        str,
        Field(
            max_length=100,
            description="`resnet-small` (90,000 weights), `resnet18` (11 million), `torchvision:NAME` for any "
            "classification model of torchvision, or what an installed package offers as `lethe.architectures`",
        ),
        SeenBy.EVERYBODY,
    ] = "resnet-small"
    options: Annotated[
        dict[str, OptionValue],
        Field(description="What the constructor or `build` gets beside the classes, such as `{ width_mult = 0.5 }`"),
        SeenBy.EVERYBODY,
    ] = Field(default={})
    module: Annotated[
        str,
        Field(
            max_length=200,
            description="Python file beside the specification with `build(classes) -> nn.Module`, in place of "
            "`architecture`; everybody can read it",
        ),
        SeenBy.EVERYBODY,
    ] = ""
    source: Annotated[
        str,
        Field(
            max_length=SOURCE_CHARS,
            description="Text of the module; it is read from the file that `module` names, or from the package",
        ),
        SeenBy.EVERYBODY,
    ] = ""

    @model_validator(mode="after")
    def _known(self) -> "ModelSpec":
        if self.module and not self.source:
            raise ValueError(f"the text of {self.module} is missing: it is read where a specification is a file")
        is_shipped = self.architecture in BUILT_IN or self.architecture.startswith(TORCHVISION)
        if self.source and is_shipped and not self.module:
            raise ValueError(
                f"source is of a module or a package, and {self.architecture} comes with Lethe; name module"
            )
        if self.source:
            return self
        if self.architecture not in BUILT_IN and not self.architecture.startswith(TORCHVISION):
            raise ValueError(
                f"architecture must be one of {', '.join(BUILT_IN)}, {TORCHVISION}NAME or the name of an installed "
                f"architecture, not {self.architecture!r}"
            )
        if self.options and self.architecture in BUILT_IN:
            raise ValueError(f"{self.architecture} takes no options; {TORCHVISION}resnet18 does")
        if reserved := sorted({"weights", "progress", "num_classes"} & set(self.options)):
            raise ValueError(
                f"options must leave out {', '.join(reserved)}: networks begin untrained, classes are data's"
            )
        return self

    @property
    def network(self) -> Network:
        """The network as workers and guests build it."""
        return Network(self.module or self.architecture, dict(self.options), self.source)


class TrainingSpec(Contract):
    """The recipe of the original model and of every oracle. All of it is part of a bank's identity."""

    optimizer: Annotated[
        Literal["adam", "adamw", "sgd"], Field(description="How weights follow gradients"), SeenBy.EVERYBODY
    ] = "adam"
    learning_rate: Annotated[
        float, Field(gt=0, description="Step size of the optimizer, before the schedule"), SeenBy.EVERYBODY
    ] = 1e-3
    weight_decay: Annotated[
        float, Field(ge=0, description="Pull of all weights towards 0, as torch defines it"), SeenBy.EVERYBODY
    ] = 5e-4
    momentum: Annotated[
        float, Field(ge=0, lt=1, description="Momentum of sgd; the others have their own"), SeenBy.EVERYBODY
    ] = 0.9
    schedule: Annotated[
        Literal["cosine", "constant"],
        Field(description="How the learning rate changes from epoch to epoch"),
        SeenBy.EVERYBODY,
    ] = "cosine"
    epochs: Annotated[Count, Field(description="How often a model sees each of its photographs"), SeenBy.EVERYBODY] = 12
    batch_size: Annotated[
        int, Field(ge=2, description="Photographs in one step of training"), Unit.COUNT, SeenBy.EVERYBODY
    ] = 64
    class_weights: Annotated[
        Literal[True, False, "retain-and-forget"],
        Field(
            description="Weigh the loss by 1 / share of the class among what a model is trained on, or, for oracles "
            "too, in retain and forget set together"
        ),
        SeenBy.EVERYBODY,
    ] = False
    flip: Annotated[bool, Field(description="Mirror each photograph with probability 1/2"), SeenBy.EVERYBODY] = False
    crop_padding: Annotated[
        int,
        Field(ge=0, le=64, description="Shift by up to this many pixels and fill with zeros"),
        Unit.PIXELS,
        SeenBy.EVERYBODY,
    ] = 0
    precision: Annotated[
        Literal["float32", "tf32", "bf16"],
        Field(description="Numbers of training: tf32 and bf16 need a GPU; float32 trains anywhere"),
        SeenBy.EVERYBODY,
    ] = "float32"


LEAST_LOOK = 32
LOOK_GROUPS = 16


class EvaluationSpec(Contract):
    """How many runs and oracles, and how runs are cut into chunks of work."""

    runs: Annotated[
        int,
        Field(ge=8, description="How often each submission is run on hidden data, every time with its own seed"),
        Unit.COUNT,
        SeenBy.EVERYBODY,
    ] = 32
    oracles: Annotated[
        int, Field(ge=8, description="Retrained models that runs are compared with"), Unit.COUNT, SeenBy.SCORED
    ] = 32
    ceiling_oracles: Annotated[
        int,
        Field(ge=8, description="Further retrained models, which are scored as if they were runs: the ceiling"),
        Unit.COUNT,
        SeenBy.HOSTS,
    ] = 32
    check_runs: Annotated[
        int,
        Field(
            ge=1, le=2, description="Runs on practice data before the hidden ones; two show whether the seed matters"
        ),
        Unit.COUNT,
        SeenBy.HOSTS,
    ] = 2
    chunk_runs: Annotated[Count, Field(description="Hidden runs that one worker takes at a time"), SeenBy.HOSTS] = 16
    looks: Annotated[
        tuple[int, ...],
        Field(
            description="After so many runs a submission is compared with its team's best, and stops if it is "
            "significantly worse, as [64, 128, 256] of 512; multiples of 16 and of chunk_runs, ascending, below runs; "
            "empty: all runs always",
        ),
        SeenBy.EVERYBODY,
    ] = ()
    gpu: Annotated[bool, Field(description="Only workers with a GPU evaluate this competition"), SeenBy.HOSTS] = False
    batch_size: Annotated[
        int,
        Field(ge=2, description="Photographs in a batch of the loaders that `unlearning` is given"),
        Unit.COUNT,
        SeenBy.EVERYBODY,
    ] = 64
    originals: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="Original models of each task, from seeds of their own; a submission does all runs from each",
        ),
        Unit.COUNT,
        SeenBy.EVERYBODY,
    ] = 1
    final_selections: Annotated[
        int,
        Field(ge=1, le=10, description="Submissions that a team may choose for the final evaluation"),
        Unit.COUNT,
        SeenBy.EVERYBODY,
    ] = 2

    @model_validator(mode="after")
    def _looks_possible(self) -> "EvaluationSpec":
        before = 0
        for place, runs in enumerate(self.looks):
            name = f"evaluation.looks[{place}] = {runs}"
            if runs < LEAST_LOOK:
                raise ValueError(f"{name}: fewer than {LEAST_LOOK} runs tell nothing; leave it out or look later")
            if runs <= before:
                raise ValueError(f"{name}: looks must ascend, but the one before it is at {before} runs")
            if runs >= self.runs:
                raise ValueError(f"{name}: a look must come before the last run; evaluation.runs is {self.runs}")
            if runs % LOOK_GROUPS:
                raise ValueError(f"{name}: it must be a multiple of {LOOK_GROUPS}, the groups that errors are made of")
            if runs % self.chunk_runs:
                raise ValueError(f"{name}: it must be a multiple of evaluation.chunk_runs, which is {self.chunk_runs}")
            before = runs
        if self.looks and min(self.oracles, self.ceiling_oracles) < self.runs:
            raise ValueError(
                "evaluation.looks needs as many oracles and ceiling_oracles as runs: the ceiling tells how "
                "scores change with the number of runs"
            )
        return self


class AuditsSpec(Contract):
    """How many hidden runs of each submission have their weights audited before these are dropped, and as many oracles.

    An audit trains the network on retain for `epochs` more, by the recipe of the competition, and may take `wall_s`.
    """

    runs: Annotated[
        int,
        Field(ge=0, le=64, description="Runs of each submission that are audited, and as many oracles; 0: none"),
        Unit.COUNT,
        SeenBy.HOSTS,
    ] = 4
    epochs: Annotated[Count, Field(description="Epochs of relearning, on retain alone"), SeenBy.HOSTS] = 3
    wall_s: Annotated[
        float,
        Field(gt=0, description="Time for one network; without an end by then there is no audit of it"),
        Unit.SECONDS,
        SeenBy.HOSTS,
    ] = 600.0


class PhasesSpec(Contract):
    """The calendar. Practice ends where the public phase starts, and the final evaluation begins where that ends.

    Times need an offset or Z: a time without a zone differs from place to place. The host's `open` and `close` decide
    what is absent; `final_end` is when the final board is promised.
    """

    public_start: Annotated[
        Time,
        Field(description="Uploads are taken from then on", examples=["2027-03-01T00:00:00+01:00"]),
    ] = None
    public_end: Annotated[
        Time, Field(description="Later uploads are refused", examples=["2027-05-31T23:59:59+02:00"])
    ] = None
    final_end: Annotated[
        Time,
        Field(
            description="When the final board is promised: shown, not enforced", examples=["2027-06-15T12:00:00+02:00"]
        ),
    ] = None

    @model_validator(mode="after")
    def _in_order(self) -> "PhasesSpec":
        given = [time for time in (self.public_start, self.public_end, self.final_end) if time is not None]
        if given != sorted(set(given)):
            raise ValueError("public_start, public_end and final_end must follow each other in this order")
        return self


class MetricSpec(Contract):
    """The hidden metric."""

    rule: Annotated[
        Literal["competition", "exact"],
        Field(description="How epsilon is estimated: as in the challenge of 2023, or exactly, without a grid"),
        SeenBy.REVEALED,
    ] = "exact"
    cap_ratios: Annotated[
        bool,
        Field(description="Limit the ratios of retain and test accuracy to those of oracles to 1"),
        SeenBy.REVEALED,
    ] = True


class MeasuresSpec(Contract):
    """Which measures beside the score are shown to everybody, and when all of them are computed.

    Names are those of docs/metric.md, with the percentile where a measure has one: `u_lira`, `klom_p95`. Hosts see all
    measures of a submission, teams after the reveal.
    """

    columns: Annotated[
        tuple[str, ...],
        Field(max_length=4, description="Measures on the public board, beside the score, from the first day on"),
        SeenBy.EVERYBODY,
    ] = ()
    always: Annotated[
        bool,
        Field(description="Compute all measures of every submission; false: when a host asks for them"),
        SeenBy.HOSTS,
    ] = True


class BoardSpec(Contract):
    """What teams say about their submissions that boards show beside the score."""

    methods: Annotated[
        Literal["never", "after_reveal", "always"],
        Field(description="When boards show the method's name and the link of each team's best submission"),
        SeenBy.EVERYBODY,
    ] = "after_reveal"


def _address(value: str) -> str:
    if value and not _ADDRESS.fullmatch(value):
        raise ValueError("must be an address that begins with https://, http:// or mailto:, in ASCII")
    return value


Link = Annotated[str, Field(max_length=300), AfterValidator(_address), SeenBy.EVERYBODY]


class LinksSpec(Contract):
    """Where else the competition is; its pages link to these addresses. Empty: nowhere."""

    discussion: Annotated[
        Link, Field(description="Where participants talk with each other", examples=["https://forum.example.org/faces"])
    ] = ""
    contact: Annotated[Link, Field(description="How to reach the host", examples=["mailto:host@example.org"])] = ""
    rules: Annotated[Link, Field(description="Further rules", examples=["https://example.org/rules"])] = ""
    paper: Annotated[
        Link,
        Field(description="The paper about the competition, for its BibTeX", examples=["https://example.org/paper"]),
    ] = ""


class LeaksSpec(Contract):
    """How coarsely teams learn of hidden runs; docs/leaks.md counts what that lets through."""

    step_s: Annotated[
        int,
        Field(
            ge=0,
            le=3600,
            description="Ends of hidden runs show at whole multiples of it; 0: at once, where nothing is secret",
        ),
        Unit.SECONDS,
        SeenBy.HOSTS,
    ] = 60


class LimitsSpec(Contract):
    """What a submission may use; every name carries its unit."""

    upload_bytes: Annotated[
        int, Field(ge=1, le=16 * 2**20), Limit(label="Upload", unit=Unit.BYTES, ends=FaultCode.FILE_TOO_LARGE)
    ] = 128 * 2**10
    run_wall_s: Annotated[
        float, Field(gt=0), Limit(label="Time per run", unit=Unit.SECONDS, ends=FaultCode.TIMEOUT)
    ] = 60.0
    run_retraining_fraction: Annotated[
        Fraction | None,
        Limit(
            label="Time per run as a share of retraining",
            about="of what training a model took at creation",
            unit=Unit.SHARE,
            effect="sets `run_wall_s` at creation",
            unset="`run_wall_s` as it is written",
            hidden="`run_wall_s` is the limit that follows from it",
        ),
        Field(examples=[0.2]),
    ] = None
    check_wall_s: Annotated[
        float,
        Field(gt=0),
        Limit(
            label="Time per check run",
            about="on practice data; `run_wall_s` counts where it is shorter",
            unit=Unit.SECONDS,
            ends=FaultCode.TIMEOUT,
            no_more_than="run_wall_s",
        ),
    ] = 300.0
    end_after_s: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Limit(
            label="Time from upload to the end",
            about="waiting included",
            unit=Unit.SECONDS,
            ends=FaultCode.PLATFORM,
            unset="follows from the other limits",
        ),
        Field(examples=[86400.0]),
    ] = None
    run_cpu_s: Annotated[
        float, Field(gt=0), Limit(label="Processor time per run", unit=Unit.SECONDS, ends=FaultCode.TIMEOUT)
    ] = 240.0
    total_wall_s: Annotated[
        Annotated[float, Field(gt=0)] | None,
        Limit(label="Time of all hidden runs", unit=Unit.SECONDS, ends=FaultCode.TIMEOUT),
        Field(examples=[1800.0]),
    ] = None
    cores: Annotated[
        float,
        Field(gt=0),
        Limit(label="Processor cores", unit=Unit.COUNT, effect="the run is slower; at least `threads` are given"),
    ] = 4.0
    memory_bytes: Annotated[
        int, Field(ge=2**28), Limit(label="Memory", unit=Unit.BYTES, ends=FaultCode.OUT_OF_MEMORY)
    ] = 2 * 2**30
    gpu_memory_bytes: Annotated[
        int, Field(ge=2**28), Limit(label="GPU memory", unit=Unit.BYTES, ends=FaultCode.OUT_OF_MEMORY)
    ] = 8 * 2**30
    scratch_bytes: Annotated[
        int, Field(ge=2**20), Limit(label="Scratch space", unit=Unit.BYTES, effect="writing more raises OSError")
    ] = 256 * 2**20
    output_bytes: Annotated[
        int, Field(ge=2**16), Limit(label="Size of the result", unit=Unit.BYTES, ends=FaultCode.OUTPUT_LIMIT)
    ] = 256 * 2**20
    log_bytes: Annotated[
        int,
        Field(ge=2**10),
        Limit(
            label="Printed output",
            unit=Unit.BYTES,
            ends=FaultCode.OUTPUT_LIMIT,
            effect="from 256 times as much; less is cut",
        ),
    ] = 64 * 2**10
    processes: Annotated[
        Count,
        Limit(
            label="Processes",
            unit=Unit.COUNT,
            ends=FaultCode.PROCESS_LIMIT,
            effect="if the error from starting more, threads included, ends the run",
        ),
    ] = 64
    threads: Annotated[
        Count, Limit(label="Threads per run", unit=Unit.COUNT, effect="not enforced; more threads count as processes")
    ] = 1


class QuotasSpec(Contract):
    """What a team may send; 0 takes a limit away. Days begin at midnight UTC.

    A submission is an upload whose file passed the check stage; an attempt is every upload that was looked at.
    """

    submissions_per_day: Annotated[int, Field(ge=0), Limit(label="Submissions a day", unit=Unit.COUNT)] = 5
    submissions_total: Annotated[int, Field(ge=0), Limit(label="Submissions in all", unit=Unit.COUNT)] = 0
    in_flight: Annotated[int, Field(ge=0), Limit(label="Submissions in progress", unit=Unit.COUNT)] = 1
    attempts_per_day: Annotated[
        int,
        Field(ge=0),
        Limit(label="Uploads a day per account", about="refused files included", unit=Unit.COUNT),
    ] = 50


class DependenciesSpec(Contract):
    """Which packages a submission's script block may name, and what installing them may cost.

    The worker's own packages may be named in every mode, and an allowed package brings those that it needs.
    """

    mode: Annotated[
        Literal["allow-list", "any", "none"],
        Field(description="Which packages a submission may name: those of `allowed`, any, or none"),
        SeenBy.EVERYBODY,
    ] = "allow-list"
    allowed: Annotated[tuple[PackageName, ...], Field(description="Packages of the allow-list"), SeenBy.EVERYBODY] = (
        COMMON_PACKAGES
    )
    notebook_installs: Annotated[
        bool,
        Field(description="A `!pip install` line of a notebook counts as a script block if all of it is allowed"),
        SeenBy.EVERYBODY,
    ] = True
    layer_bytes: Annotated[
        int,
        Field(ge=2**20),
        Limit(label="Size of installed packages", unit=Unit.BYTES, ends=FaultCode.DEPENDENCY_TOO_LARGE),
    ] = 2**30
    layer_files: Annotated[
        Count, Limit(label="Files of installed packages", unit=Unit.COUNT, ends=FaultCode.DEPENDENCY_TOO_LARGE)
    ] = 50_000
    install_wall_s: Annotated[
        float,
        Field(gt=0),
        Limit(label="Time to install packages", unit=Unit.SECONDS, ends=FaultCode.DEPENDENCY_TIMEOUT),
    ] = 120.0


class TermsSpec(Contract):
    """What participants accept, and what people who gave photographs were promised; all of it is on the page."""

    text: Annotated[
        str,
        Field(
            max_length=20_000, description="Each person accepts it before their first upload, and again after a change"
        ),
        SeenBy.EVERYBODY,
    ] = ""
    consent: Annotated[
        str,
        Field(max_length=2_000, description="How people agreed to the use of their photographs"),
        SeenBy.EVERYBODY,
    ] = ""
    retention: Annotated[
        str,
        Field(max_length=2_000, description="How long photographs, and what was made of them, are kept"),
        SeenBy.EVERYBODY,
    ] = ""


class TaskSpec(Contract):
    """One of several tasks that every submission is run on: a data set, a forget set, a network and its recipe.

    What a table leaves out comes from the table of that name at the top of the file, except that another `source`, or
    another `architecture` or `module`, begins a table of its own.
    """

    name: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ,._-]{0,39}$", description="Name on boards and in messages")
    ]
    weight: Annotated[float, Field(gt=0, le=1000, description="Weight in the mean of the tasks' scores")] = 1.0
    data: Annotated[DataSpec, Field(description="As [data]")] = SyntheticFacesSpec()
    split: Annotated[SplitSpec, Field(description="As [split]; give two random draws of people seeds of their own")] = (
        SplitSpec()
    )
    model: Annotated[ModelSpec, Field(description="As [model]")] = ModelSpec()
    training: Annotated[TrainingSpec, Field(description="As [training]")] = TrainingSpec()


class LeaveOut(StrEnum):
    """In which files the check leaves out statements of the module that cannot run on a worker, such as a download.

    What `unlearning` needs is never left out. Elsewhere such a statement ends the submission.
    """

    NOTEBOOKS = "notebooks"
    ALL = "all"
    NOTHING = "nothing"

    def applies_to(self, filename: str) -> bool:
        """Return whether statements of a file of this name are left out."""
        return self is LeaveOut.ALL or (self is LeaveOut.NOTEBOOKS and filename.lower().endswith(NOTEBOOK_SUFFIX))


class CompetitionSpec(Contract):
    """Everything that creates a competition."""

    slug: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9][a-z0-9-]{0,62}$",
            description="Name in addresses and commands; it never changes",
            examples=["our-people"],
        ),
        SeenBy.EVERYBODY,
    ]
    title: Annotated[
        str,
        Field(min_length=1, max_length=120, description="Name on pages and boards", examples=["Forget our people"]),
        SeenBy.EVERYBODY,
    ]
    summary: Annotated[
        str, Field(max_length=500, description="One or two sentences for lists of competitions"), SeenBy.EVERYBODY
    ] = ""
    description: Annotated[
        str,
        Field(max_length=20_000, description="Text of the competition's page, in Markdown without HTML and images"),
        SeenBy.EVERYBODY,
    ] = ""
    data: DataSpec = SyntheticFacesSpec()
    split: SplitSpec = SplitSpec()
    practice: PracticeSpec = PracticeSpec()
    model: ModelSpec = ModelSpec()
    training: TrainingSpec = TrainingSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    audits: AuditsSpec = AuditsSpec(runs=0)
    """None in specifications that were stored before there were audits; a file without the table has the defaults."""
    phases: PhasesSpec = PhasesSpec()
    metric: MetricSpec = MetricSpec()
    measures: MeasuresSpec = MeasuresSpec()
    board: BoardSpec = BoardSpec()
    links: LinksSpec = LinksSpec()
    limits: LimitsSpec = LimitsSpec()
    leaks: LeaksSpec = LeaksSpec()
    quotas: QuotasSpec = QuotasSpec()
    terms: TermsSpec = TermsSpec()
    team_size: Annotated[
        int, Field(ge=1, le=100, description="How many people a team may have"), Unit.COUNT, SeenBy.EVERYBODY
    ] = 5
    dependencies: DependenciesSpec = DependenciesSpec()
    leave_out: Annotated[
        LeaveOut,
        Field(description="In which files the check leaves out statements that cannot run on a worker"),
        SeenBy.EVERYBODY,
    ] = LeaveOut.NOTEBOOKS
    ignore_cuda: Annotated[
        bool,
        Field(description="On workers without a GPU `.cuda()` and `.to('cuda')` do nothing, instead of failing"),
        SeenBy.EVERYBODY,
    ] = False
    outputs_after_reveal: Annotated[
        bool,
        Field(
            description="After the reveal a team gets the margins of its runs and of the oracles; only for data that "
            "are public, or whose people have agreed"
        ),
        SeenBy.EVERYBODY,
    ] = False

    tasks: Annotated[
        tuple[TaskSpec, ...],
        Field(
            max_length=16,
            description="Tasks that every submission is run on, each a table [[tasks]] with a name, a weight and what "
            "differs from the top in [tasks.data], [tasks.split], [tasks.model] and [tasks.training]; none: the top "
            "is the only one",
        ),
        SeenBy.EVERYBODY,
    ] = ()

    @model_validator(mode="before")
    @classmethod
    def _complete_tasks(cls, document: Any) -> Any:
        """Give each task what it leaves out, and the top what the first task has."""
        return complete_tasks(document)

    @model_validator(mode="after")
    def _tasks_possible(self) -> "CompetitionSpec":
        names = [task.name.casefold() for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError("tasks: every task needs a name of its own")
        if self.evaluation.looks and (self.tasks or self.evaluation.originals > 1):
            raise ValueError("evaluation.looks is for one task with one original: a look sees the first task alone")
        if len({task.split.final for task in self.tasks}) > 1:
            raise ValueError("tasks: split.final must be the same for all tasks")
        return self

    @model_validator(mode="after")
    def _possible(self) -> "CompetitionSpec":
        pools = {self.evaluation.runs, self.evaluation.oracles, self.evaluation.ceiling_oracles}
        if self.metric.rule == "competition" and len(pools) != 1:
            raise ValueError("metric.rule = 'competition' needs evaluation.runs = oracles = ceiling_oracles")
        if self.audits.runs > min(pools):
            raise ValueError("audits.runs must not exceed evaluation.runs, oracles and ceiling_oracles")
        for task in self.tasks:
            _require_possible(task.split, task.data, f"task '{task.name}': ")
        if not self.tasks:
            _require_possible(self.split, self.data)
        return self

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of their numbers; empty where classes have none."""
        return getattr(self.data, "class_names", ())

    def with_seeds(self, draw: Callable[[], int]) -> "CompetitionSpec":
        """The specification with every seed that it leaves out taken from `draw`; tasks that share a table share it."""
        drawn: dict[str, int] = {}

        def seeded(table: SplitSpec | AnySource) -> SplitSpec | AnySource:
            """The table with its seed; tables that say the same get the same."""
            if not isinstance(table, SplitSpec | SyntheticFacesSpec) or table.seed is not None:
                return table
            key = table.model_dump_json()
            if key not in drawn:
                drawn[key] = draw()
            return table.model_copy(update={"seed": drawn[key]})

        def tables(part: "CompetitionSpec | TaskSpec") -> dict[str, object]:
            return {"split": seeded(part.split), "data": seeded(part.data)}

        tasks = tuple(task.model_copy(update=tables(task)) for task in self.tasks)
        return self.model_copy(update=tables(self) | {"tasks": tasks})

    def with_time_budget(self, retrain_wall_s: float) -> "CompetitionSpec":
        """The specification with `run_wall_s` as a share of `retrain_wall_s` seconds, where it asks for one."""
        fraction = self.limits.run_retraining_fraction
        if fraction is None:
            return self
        limits = self.limits.model_copy(update={"run_wall_s": round(fraction * retrain_wall_s, 1) or 0.1})
        return self.model_copy(update={"limits": limits})


def _require_possible(split: SplitSpec, data: AnySource, of: str = "") -> None:
    """Raise ValueError, which begins with `of`, where the split of these data cannot be drawn."""
    drawn = 0.0 if split.forget or split.forget_count else split.forget_fraction
    if drawn * (1 + split.final) + split.validation_fraction + split.test_fraction >= 0.9:
        raise ValueError(f"{of}split: forget, validation and test fractions leave less than a tenth to retain")
    if split.forget_class >= data.classes:
        raise ValueError(f"{of}split.forget_class must be one of the classes 0 to {data.classes - 1}")
    if split.forget_by == "published" and data.source != "casia-surf":
        raise ValueError(f"{of}split.forget_by = 'published' is the split of casia-surf, not of other sources")
