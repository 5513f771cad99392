"""Which modules of hosts may run on this machine: those whose source and options were shown here and accepted."""

from hashlib import sha256
from pathlib import Path

from lethe.evaluator.contract.practice import PracticeFacts
from lethe.server.errors import ConfigurationError

FOLDER = "trusted-networks"


class NetworkUnconfirmed(ConfigurationError):
    """The network is a host's module that nobody has accepted here; the message says how."""


def is_trusted(facts: PracticeFacts, folder: Path) -> bool:
    """Whether building the network runs nothing but Lethe and torchvision, or a source that was accepted."""
    return not facts.network.source or _mark(facts, folder).is_file()


def trust(facts: PracticeFacts, folder: Path) -> None:
    """Keep that the source was accepted, under `folder`; another source, or other options, ask again."""
    mark = _mark(facts, folder)
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(facts.network.source, encoding="utf-8")


def require_trusted(facts: PracticeFacts, folder: Path) -> None:
    """Raise NetworkUnconfirmed unless `is_trusted`."""
    if not is_trusted(facts, folder):
        raise NetworkUnconfirmed(
            f"the network of {facts.slug} is the host's own module, which would run on this machine: lethe practice "
            f"{facts.slug} shows its source and asks"
        )


def _mark(facts: PracticeFacts, folder: Path) -> Path:
    return folder / FOLDER / f"{sha256(facts.network.text.encode()).hexdigest()}.py"
