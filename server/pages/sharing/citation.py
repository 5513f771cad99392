"""How a competition, and after the reveal a submission, is cited: entries of BibTeX."""

from urllib.parse import quote

from lethe.evaluator.contract.states import SubmissionState
from lethe.server.competitions.phases import Phase, phase
from lethe.server.competitions.schemas import CompetitionFacts
from lethe.server.models import Competition, Submission
from lethe.server.plain_text import one_line
from lethe.server.submissions.schemas import SubmissionView

MEDIA_TYPE = "application/x-bibtex; charset=utf-8"
PLATFORM = "Lethe, a competition server for machine unlearning"
_COMMANDS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",  # BibTeX counts the brace of `\{`, too
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{character: f"\\{character}" for character in "$&#_%"},
    }
)
_OF_ADDRESSES = "%/:?#[]@!$&()*+,;="


def competition_bibtex(facts: CompetitionFacts, site: str) -> str:
    """Return the entry of a published competition on `site`, with the paper that its specification names."""
    assert facts.opened_at is not None  # noqa: S101 - it is published
    paper = facts.links.get("paper")
    fields = {
        "title": f"{{{bibtex_text(facts.title)}}}",
        "year": str(facts.opened_at.year),
        "howpublished": bibtex_text(PLATFORM),
        "url": _address(f"{site}/competitions/{facts.slug}"),
    }
    return _entry(facts.slug, fields | ({"note": rf"Paper: \url{{{_address(paper)}}}"} if paper else {}))


def is_citable(competition: Competition, submission: Submission) -> bool:
    """Return whether a submission can be cited: after the reveal, if it has a score."""
    return phase(competition) is Phase.REVEALED and submission.state == SubmissionState.SCORED


def submission_bibtex(view: SubmissionView, competition_title: str, site: str) -> str:
    """Return the entry of a submission: its team, its method or file, and the address of the competition.

    The address is that of its source, once that is published.
    """
    page = f"{site}/competitions/{view.competition}"
    fields = {
        "author": f"{{{bibtex_text(view.team)}}}",
        "title": f"{{{bibtex_text(view.method or view.filename)}}}",
        "year": str(view.created_at.year),
        "howpublished": f"Submission to {{{bibtex_text(competition_title)}}}, {bibtex_text(PLATFORM)}",
        "url": _address(f"{page}/sources/{view.id}" if view.licence else page),
    }
    further = {"note": rf"\url{{{_address(view.link)}}}"} if view.link else {}
    return _entry(f"{view.competition}-{view.id.hex[:8]}", fields | further)


def bibtex_text(text: str) -> str:
    """Return a text of people as one line that BibTeX and LaTeX typeset as it is, with balanced braces."""
    return one_line(text).translate(_COMMANDS)


def _address(text: str) -> str:
    return quote(text, safe=_OF_ADDRESSES)


def _entry(key: str, fields: dict[str, str]) -> str:
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key},\n{lines}}}\n"
