"""What a terminal is shown when its encoding lacks characters, without colours, and at Ctrl-C."""

import os
import subprocess
import sys
import textwrap

import pytest

# Everything special that a command prints: boards, recorded progress, prose, histograms, and names in any script.
PROGRAM = """
from lethe.server.cli.characters import fit_streams
fit_streams()
import numpy as np
import typer
from rich.console import Console
from lethe.evaluator.banks.seeding import Progress
from lethe.evaluator.metrics import Pool, evaluate
from lethe.server.cli import score
from lethe.server.cli.descriptions import describe_competition
from lethe.server.cli.progress import bytes_progress, counting_progress, training_progress
from lethe.server.cli.tables import print_leaderboard, print_submissions
from lethe.server.competitions.schemas import CompetitionFacts
from lethe.server.http.openapi_examples import EXAMPLES
from lethe.server.leaderboard.schemas import Leaderboard
from lethe.server.submissions.schemas import SubmissionView

for console in (Console(force_terminal=True, color_system=None, width=120), Console()):
    print_leaderboard(Leaderboard.model_validate(EXAMPLES["Leaderboard"]), console)
    print_submissions([SubmissionView.model_validate(EXAMPLES["SubmissionView"])], console)
typer.echo(describe_competition(CompetitionFacts.model_validate(EXAMPLES["CompetitionFacts"]), []))
generator = np.random.default_rng(0)
for line in score._histogram(evaluate(*(Pool(margins=generator.normal(size=(16, 6))) for _ in "ab"))):
    typer.echo(line)
typer.echo("metric → ↑ 1 · ± … naïve 中")
with training_progress() as show:
    show(Progress("oracles", 1, 2, 1, 1.0))
with counting_progress("evaluated", 3) as count:
    count(1)
with bytes_progress("practice data") as arrived:
    arrived(1, 2)
"""


def run(program: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, check=False, timeout=120
    )


@pytest.mark.parametrize(
    ("encoding", "last"),
    [
        ("ascii", "metric -> ^ 1 | +/- ... na\\xefve \\u4e2d"),
        ("ascii:strict", "metric -> ^ 1 | +/- ... na\\xefve \\u4e2d"),
        ("latin-1", "metric -> ^ 1 · ± ... naïve \\u4e2d"),
        ("cp1252", "metric -> ^ 1 · ± … naïve \\u4e2d"),
        ("utf-8", "metric → ↑ 1 · ± … naïve 中"),
    ],
)
def test_other_characters_stand_for_those_that_an_encoding_lacks(encoding: str, last: str) -> None:
    done = run(PROGRAM, PYTHONIOENCODING=encoding)
    codec = encoding.partition(":")[0]
    printed, drawn = done.stdout.decode(codec), done.stderr.decode(codec)
    assert done.returncode == 0, drawn
    assert "Traceback" not in drawn
    assert "oracles" in drawn
    assert printed.splitlines()[-1] == last
    assert ("━" in drawn) == (encoding == "utf-8")
    assert ("●" in printed) == ("█" in printed) == (encoding == "utf-8")


def test_no_color_is_heard() -> None:
    program = """
    import sys
    sys.stderr.isatty = lambda: True
    from lethe.server.cli.supervisor import Supervisor, _Child
    from lethe.server.logs import configure_logs, get_logger
    Supervisor({})._print(_Child("serve", [], {}, 36), "a line")
    configure_logs(level="INFO", log_format="text")
    get_logger("x").info("an_event")
    """
    assert b"\x1b[" in run(textwrap.dedent(program), NO_COLOR="").stderr
    plain = run(textwrap.dedent(program), NO_COLOR="1").stderr
    assert b"a line" in plain
    assert b"an_event" in plain
    assert b"\x1b[" not in plain


def test_the_version_is_printed() -> None:
    from lethe import __version__

    done = run("import sys; sys.argv = ['lethe', '--version']; from lethe.server.cli import main; main()")
    assert (done.returncode, done.stdout.decode()) == (0, f"lethe {__version__}\n")


def test_ctrl_c_says_how_to_go_on() -> None:
    program = """
    import typer
    from lethe.server.cli.interrupts import on_interrupt
    from lethe.server.cli.progress import counting_progress
    app = typer.Typer()
    @app.command()
    def long() -> None:
        with on_interrupt("To go on, repeat the command."), counting_progress("done", 3) as show:
            show(1)
            raise KeyboardInterrupt
    app([])
    """
    done = run(textwrap.dedent(program))
    assert done.returncode == 130
    assert done.stderr.decode().splitlines()[-1] == "To go on, repeat the command."


def test_ctrl_c_where_nothing_else_says_so() -> None:
    program = """
    import sys
    from lethe.server import cli
    @cli.app.command()
    def long() -> None:
        raise KeyboardInterrupt
    sys.argv = ["lethe", "long"]
    cli.main()
    """
    done = run(textwrap.dedent(program))
    assert done.returncode == 130
    assert done.stderr.decode().strip() == "Interrupted. To go on, repeat the command."
