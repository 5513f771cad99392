"""`lethe score` from the outside: what it prints, what it refuses and how it exits."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from lethe.evaluator.metrics import cross_entropy, evaluate, margins, true_logits
from lethe.evaluator.metrics.pool import Pool
from lethe.server.cli.score import score

VECTORS = Path(__file__).parents[3] / "vectors"

app = typer.Typer()
app.command()(score)


@app.callback()
def lethe() -> None:
    """Stands for the real command, so that `score` is a subcommand."""


def draw(seed: int, shift: float = 0.0, runs: int = 16, examples: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, 1, (runs, examples))


@pytest.fixture
def save(tmp_path: Path) -> Any:
    def write(name: str = "outputs.npz", **arrays: Any) -> str:
        path = tmp_path / name
        np.savez(path, **arrays)
        return str(path)

    return write


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["score", *arguments])


def refusal(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("lethe: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_json_has_the_promised_fields(save: Any) -> None:
    unlearned, retrained = draw(1, 0.5), draw(2)
    result = run(save(unlearned=unlearned, retrained=retrained), "--json")
    answer = json.loads(result.stdout)
    expected = evaluate(Pool(margins=unlearned), Pool(margins=retrained))
    assert result.exit_code == 0
    assert answer["rule"] == "exact"
    assert answer["epsilon"] == expected.epsilon.tolist()
    assert answer["forgetting_quality"] == expected.forgetting_quality
    assert answer["interval"] == list(expected.interval)
    assert answer["ceiling"] is answer["comparison"] is answer["interval_new_identities"] is None
    assert [warning["code"] for warning in answer["warnings"]] == ["accuracies_missing"]


def test_a_part_of_a_combined_score_is_said_to_be_one(save: Any) -> None:
    file = save(unlearned=draw(1, 0.5), retrained=draw(2), part=np.array("part 2 of 4: task a\x1b[2J, original 2 of 2"))
    said = run(file)
    assert r"part 2 of 4: task a\x1b[2J, original 2 of 2. Below is the score of this part alone" in said.stdout
    assert json.loads(run(file, "--json").stdout)["part"].startswith("part 2 of 4")
    assert "ignored" not in said.output


def test_reference_vector_under_the_competition_rule() -> None:
    file = VECTORS / "competition_n16.npz"
    answer = json.loads(run(str(file), "--rule", "competition", "--json").stdout)
    with np.load(file) as vector:
        assert answer["forgetting_quality"] == pytest.approx(float(vector["forgetting_quality"]), abs=1e-9)
        np.testing.assert_allclose(answer["epsilon"], vector["epsilon"], rtol=0, atol=1e-6)
    ignored = [warning["message"] for warning in answer["warnings"] if warning["code"] == "arrays_ignored"]
    assert ignored[0].startswith("Ignored epsilon, forgetting_quality, kinds;")


def test_everything_optional_together(save: Any) -> None:
    generator = np.random.default_rng(0)
    logits = {name: generator.normal(size=(16, 6, 4)).astype(np.float32) for name in ("unlearned", "retrained")}
    accuracies = {
        f"{pool}_{kind}_accuracy": np.full(16, value)
        for pool, value in (("unlearned", 0.4), ("retrained", 0.8), ("ceiling", 0.8))
        for kind in ("retain", "test")
    }
    labels = np.array([0, 1, 2, 3, 0, 1])
    file = save(
        **logits,
        **accuracies,
        labels=labels,
        ceiling=generator.normal(size=(16, 6, 4)).astype(np.float32),
        identities=["a", "a", "b", "b", "c", "c"],
    )
    answer = json.loads(run(file, "--json").stdout)
    assert answer["final_score"] == pytest.approx(answer["forgetting_quality"] * 0.25)
    pools = [Pool(margins=margins(logits[name], labels)) for name in ("unlearned", "retrained")]
    assert answer["forgetting_quality"] == evaluate(*pools).forgetting_quality
    assert answer["interval_new_identities"][1] > answer["interval"][1]
    assert answer["ceiling"]["retain_ratio"] == 1.0
    assert answer["normalised"]["value"] == pytest.approx(
        answer["forgetting_quality"] / answer["ceiling"]["forgetting_quality"]
    )
    text = run(file)
    assert text.exit_code == 0
    for words in ("final score", "for new identities", "ceiling", "F / ceiling's F", "epsilon       examples"):
        assert words in text.stdout
    assert text.stderr == ""


def test_a_ceiling_of_zero_takes_nothing_away(save: Any) -> None:
    pools = {"unlearned": draw(1), "retrained": draw(2)}
    alone = json.loads(run(save(**pools), "--json").stdout)
    file = save(**pools, ceiling=draw(3, 99))
    answer = json.loads(run(file, "--json").stdout)
    assert {name: answer[name] for name in ("final_score", "interval")} == {
        name: alone[name] for name in ("final_score", "interval")
    }
    assert (answer["ceiling"]["final_score"], answer["normalised"]) == (0.0, None)
    assert [warning["code"] for warning in answer["warnings"]] == ["accuracies_missing", "ceiling_zero"]
    text = run(file)
    assert text.exit_code == 0
    assert re.search(r"F / ceiling's F\tundefined", text.stdout)
    assert "warning ceiling_zero: The ceiling's forgetting quality is zero" in text.stderr


@pytest.mark.parametrize(("quantity", "of"), [("margin", margins), ("loss", cross_entropy), ("logit", true_logits)])
def test_the_attacks_see_the_quantity_that_was_asked_for(save: Any, quantity: str, of: Any) -> None:
    generator = np.random.default_rng(4)
    labels = np.array([0, 1, 2, 3, 0, 1])
    pools = {name: generator.normal(size=(16, 6, 4)).astype(np.float32) for name in ("unlearned", "retrained")}
    answer = json.loads(run(save(**pools, labels=labels), "--quantity", quantity, "--json").stdout)
    expected = evaluate(*(Pool(margins=of(values, labels)) for values in pools.values()))
    assert (answer["quantity"], answer["final_score"]) == (quantity, expected.final_score)
    assert answer["epsilon"] == expected.epsilon.tolist()


def test_a_quantity_needs_logits(save: Any) -> None:
    file = save(unlearned=draw(1), retrained=draw(2))
    assert "no loss can be had; it needs logits (runs, examples, classes)" in refusal(file, "--quantity", "loss")
    assert run(file, "--quantity", "confidence").exit_code == 2


def test_a_file_says_by_which_rule_it_is_scored(save: Any) -> None:
    accuracies = {"unlearned_test_accuracy": np.full(16, 0.9), "retrained_test_accuracy": np.full(16, 0.6)}
    pools = {"unlearned": draw(1), "retrained": draw(2), **accuracies}
    file = save(**pools, rule="competition", cap_ratios=False)
    answer = json.loads(run(file, "--json").stdout)
    assert (answer["rule"], answer["test_ratio"]) == ("competition", pytest.approx(1.5))
    answer = json.loads(run(file, "--rule", "exact", "--cap-ratios", "--json").stdout)
    assert (answer["rule"], answer["test_ratio"]) == ("exact", 1.0)
    assert "rule must be one of exact, competition, not 'other'" in refusal(save(**pools, rule="other"))
    assert "cap_ratios must be one truth value" in refusal(save(**pools, cap_ratios=[True, False]))


def test_runs_and_oracles_may_lie_in_two_files(save: Any) -> None:
    unlearned, retrained = draw(1), draw(2)
    runs, oracles = save("runs.npz", unlearned=unlearned), save("oracles.npz", retrained=retrained, rule="exact")
    whole = run(save(unlearned=unlearned, retrained=retrained), "--json")
    assert json.loads(run(runs, oracles, "--json").stdout) == json.loads(whole.stdout)
    other = save("other.npz", unlearned=draw(5))
    assert json.loads(run(runs, oracles, "--against", other, "--json").stdout)["comparison"] is not None
    assert "other.npz: its unlearned is not that of the files before it" in refusal(runs, oracles, other)
    assert "runs.npz and" in refusal(runs, other.replace("other", "runs"))


def test_ratios_may_exceed_one_when_told(save: Any) -> None:
    accuracies = {
        f"{pool}_{kind}_accuracy": np.full(16, value)
        for pool, value in (("unlearned", 0.9), ("retrained", 0.6))
        for kind in ("retain", "test")
    }
    file = save(unlearned=draw(1), retrained=draw(2), **accuracies)
    assert json.loads(run(file, "--json").stdout)["test_ratio"] == 1.0
    assert json.loads(run(file, "--json", "--no-cap-ratios").stdout)["test_ratio"] == pytest.approx(1.5)


def test_histogram_counts_every_example(save: Any) -> None:
    unlearned = draw(1, examples=7)
    unlearned[:, :3] += 20
    text = run(save(unlearned=unlearned, retrained=draw(2, examples=7)), "--rule", "competition").stdout
    lines = text[text.index("epsilon ") :].splitlines()[1:]
    assert sum(int(line[9:20]) for line in lines) == 7
    assert lines[-1].split()[1:3] == ["up", "3"]


def test_comparison_with_a_second_file(save: Any) -> None:
    retrained = draw(2)
    good, bad = (save(f"{i}.npz", unlearned=draw(5, shift), retrained=retrained) for i, shift in enumerate((0, 3)))
    answer = json.loads(run(good, "--against", bad, "--json").stdout)["comparison"]
    assert answer["paired"]["interval"][0] > 0
    assert answer["p_value"] == 0.01
    assert "significant" in run(good, "--against", bad).stdout
    assert "differs" in refusal(good, "--against", save("other.npz", unlearned=draw(1), retrained=draw(9)))
    short = save("short.npz", unlearned=draw(1, runs=12), retrained=retrained)
    assert "same number of runs" in refusal(good, "--against", short)


def test_accuracies_that_one_side_lacks_are_named(save: Any) -> None:
    retrained, known = draw(2), np.full(16, 0.9)
    accuracies = {
        f"{pool}_{kind}_accuracy": known for pool in ("unlearned", "retrained") for kind in ("retain", "test")
    }
    whole = save("whole.npz", unlearned=draw(1), retrained=retrained, **accuracies)
    without = save("without.npz", unlearned=draw(3), retrained=retrained)
    for pair in ((whole, "--against", without), (without, "--against", whole)):
        assert "without.npz: no unlearned_retain_accuracy, which " in refusal(*pair)
    half = {name: values for name, values in accuracies.items() if name != "unlearned_test_accuracy"}
    said = refusal(save("half.npz", unlearned=draw(1), retrained=retrained, **half))
    assert "half.npz: has retrained_test_accuracy but no unlearned_test_accuracy; give all of them, or none" in said
    said = refusal(save("ceiling.npz", unlearned=draw(1), retrained=retrained, ceiling=draw(4), **accuracies))
    assert "but no ceiling_retain_accuracy" in said


def test_a_pool_beside_itself_is_warned_of(save: Any) -> None:
    assert "warning same_pools: " in run(save(unlearned=draw(1), retrained=draw(1))).stderr
    assert "same_pools" not in run(save(unlearned=draw(1), retrained=draw(2))).stderr


def test_intervals_end_where_scores_do(save: Any) -> None:
    known = {f"{pool}_test_accuracy": np.full(16, value) for pool, value in (("unlearned", 0.9), ("retrained", 0.6))}
    file = save(unlearned=draw(1), retrained=draw(2), identities=np.arange(6) // 2, **known)
    for name in ("interval", "interval_new_identities"):
        capped, free = (
            json.loads(run(file, "--json", option).stdout)[name] for option in ("--cap-ratios", "--no-cap-ratios")
        )
        assert capped[1] == 1.0 < free[1]


def test_plot(save: Any, tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    file = save(unlearned=draw(1, 0.5), retrained=draw(2))
    picture = tmp_path / "out.png"
    assert run(file, "--plot", str(picture)).exit_code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    drawing = tmp_path / "out.svg"
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        assert run(file, "--against", save("rival.npz", unlearned=draw(3), retrained=draw(2)), "--plot", str(drawing))
    assert all(name in drawing.read_text() for name in (Path(file).name, "rival.npz", "oracles"))
    assert "cannot write" in refusal(file, "--plot", str(tmp_path / "missing" / "out.png"))
    assert "cannot write" in refusal(file, "--plot", str(tmp_path / "out.nonsense"))


@pytest.mark.parametrize(
    ("arrays", "rule", "message"),
    [
        ({"retrained": draw(1)}, "exact", "no array unlearned; it contains retrained"),
        ({"unlearned": draw(1)[0], "retrained": draw(1)}, "exact", "unlearned must contain margins"),
        ({"unlearned": draw(1, examples=5), "retrained": draw(1)}, "exact", "5 examples and retrained 6"),
        ({"unlearned": draw(1, runs=7), "retrained": draw(1)}, "exact", "7 models; a score needs at least 8"),
        ({"unlearned": draw(1, runs=12), "retrained": draw(1)}, "competition", "as many runs as oracles"),
        ({"unlearned": np.full((8, 2), np.nan), "retrained": draw(1)}, "exact", "8 of 8 runs have NaN"),
        ({"unlearned": np.full((8, 2), "x"), "retrained": draw(1)}, "exact", "must contain numbers"),
        ({"unlearned": np.zeros((8, 2, 3)), "retrained": draw(1)}, "exact", "add `labels`"),
        (
            {"unlearned": draw(1), "retrained": draw(2), "identities": [1, 2]},
            "exact",
            r"identities must have the shape",
        ),
        ({"unlearned": 99 * draw(1), "retrained": 2000 + draw(2)}, "competition", "log-odds"),
        ({"unlearned": draw(1), "retrained": draw(2), "ceiling": draw(3, runs=7)}, "exact", "the pool `ceiling`"),
        ({"unlearned": draw(1), "retrained": draw(2), "ceiling": draw(3) * np.inf}, "exact", "ceiling: 16 of 16 runs"),
        (
            {
                "unlearned": draw(1),
                "retrained": draw(2),
                "unlearned_test_accuracy": np.full(16, 90.0),
                "retrained_test_accuracy": np.full(16, 0.9),
            },
            "exact",
            r"must lie in [0, 1]",
        ),
    ],
)
def test_refusals_say_what_is_wrong(save: Any, arrays: dict[str, Any], rule: str, message: str) -> None:
    assert message in refusal(save(**arrays), "--rule", rule)


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    single, text, cut = tmp_path / "a.npy", tmp_path / "b.npz", tmp_path / "c.npz"
    np.save(single, draw(1))
    text.write_text("not an archive")
    np.savez(cut, unlearned=draw(1), retrained=draw(2))
    cut.write_bytes(cut.read_bytes()[:500])
    assert "single array" in refusal(str(single))
    assert "no .npz archive of plain numbers" in refusal(str(text))
    assert "c.npz: damaged, or not whole" in refusal(str(cut))


def test_pickled_objects_are_refused(save: Any) -> None:
    hostile = np.array([{"a": 1}], dtype=object)
    said = refusal(save(unlearned=hostile, retrained=draw(1)))
    assert "no .npz archive of plain numbers" in said
    assert "allow_pickle" not in said  # numpy's advice is to load the file unsafely


def test_usage_errors_exit_with_two(save: Any) -> None:
    assert run("missing.npz").exit_code == 2
    assert run(save(unlearned=draw(1), retrained=draw(2)), "--rule", "other").exit_code == 2
    assert run().exit_code == 2
