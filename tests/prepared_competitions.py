"""A prepared_competition of artifacts that need not exist, for tests of the server."""

from typing import Any

from lethe.evaluator.contract.prepared_competition import (
    ArtifactRef,
    Counts,
    DataManifest,
    Figures,
    PreparedCompetition,
    PreparedPractice,
    PreparedSplit,
)

COUNTS = Counts(
    retain=468,
    forget=72,
    validation=72,
    test=108,
    retain_sample=256,
    identities=60,
    forget_identities=6,
    classes=10,
)


def make_prepared_competition(
    ref: ArtifactRef, *, figure: float = 0.5, environment: dict[str, str], **public: Any
) -> PreparedCompetition:
    """Every artifact is `ref` and every figure is `figure`, but what `public` says of the public split."""
    artifacts = {name: ref for name, field in PreparedSplit.model_fields.items() if field.annotation is ArtifactRef}
    figures = Figures(**dict.fromkeys(Figures.model_fields, figure))
    given = {**artifacts, "bank_digest": "0" * 64, "counts": COUNTS, "figures": figures, **public}
    manifest = DataManifest(
        source="synthetic-faces",
        photographs=ref,
        images=720,
        identities=60,
        class_counts=(72,) * 10,
        class_names=(),
        practice_images=288,
        practice_identities=24,
        skipped=0,
    )
    return PreparedCompetition(
        data=manifest,
        public=PreparedSplit(**given),
        final=None,
        practice=PreparedPractice(visible=ref, evaluation=ref, original=ref),
        contact_sheet=ref,
        environment=environment,
    )
