"""How runs are cut over tasks and originals."""

from typing import Any

from lethe.evaluator.contract.parts import Chunk, chunks, count_parts, part_text, parts, total_runs
from lethe.evaluator.contract.specification import CompetitionSpec


def spec(runs: int, chunk_runs: int, originals: int = 1, tasks: int = 0) -> CompetitionSpec:
    evaluation: dict[str, Any] = {"runs": runs, "chunk_runs": chunk_runs, "originals": originals}
    named = [{"name": f"t{number}"} for number in range(tasks)]
    return CompetitionSpec.model_validate(
        {"slug": "x", "title": "X", "evaluation": evaluation, "tasks": named, "audits": {"runs": 0}}
    )


def test_chunks_never_cross_two_parts() -> None:
    own = spec(10, 4, tasks=2)
    assert list(chunks(own, total_runs(own))) == [
        Chunk(0, 0, 4), Chunk(0, 4, 4), Chunk(0, 8, 2), Chunk(1, 10, 4), Chunk(1, 14, 4), Chunk(1, 18, 2),
    ]  # fmt: skip


def test_one_part_is_cut_as_ever() -> None:
    own = spec(10, 4)
    assert list(chunks(own, 10)) == [Chunk(0, 0, 4), Chunk(0, 4, 4), Chunk(0, 8, 2)]
    assert list(chunks(own, 6)) == [Chunk(0, 0, 4), Chunk(0, 4, 2)]
    assert total_runs(own) == 10


def test_every_task_has_all_originals_one_after_the_other() -> None:
    own = spec(8, 8, originals=2, tasks=2)
    assert [(one.number, one.name, one.original) for one in parts(own)] == [
        (0, "t0", 0), (1, "t0", 1), (2, "t1", 0), (3, "t1", 1),
    ]  # fmt: skip
    assert count_parts(own) == 4
    assert not any(one.spec.tasks for one in parts(own))


def test_a_part_is_named_in_words_where_there_are_several() -> None:
    assert part_text(spec(8, 8), 0) == ""
    assert part_text(spec(8, 8, tasks=1), 0) == "part 1 of 1: task t0"
    assert part_text(spec(8, 8, originals=2), 1) == "part 2 of 2: original 2 of 2"
    assert part_text(spec(8, 8, originals=2, tasks=2), 2) == "part 3 of 4: task t1, original 1 of 2"
