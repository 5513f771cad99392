"""How a network is named between processes, from a shipped architecture to a host's own source. Standard library only.

A network travels as one text, so that everything that could change its weights is in the identity of a bank: the name
of a shipped one as it is, any other as JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

BUILT_IN: Final = ("resnet-small", "resnet18")
TORCHVISION: Final = "torchvision:"
"""What the names of torchvision's classification models begin with."""
BUILD: Final = "build"
"""The function of a module: `build(classes, **options) -> nn.Module`."""


@dataclass(frozen=True)
class Network:
    """A network by name, with the options that its constructor gets; with `source`, a module that has `build`."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""

    @property
    def text(self) -> str:
        """The text that stands for the network; equal networks have equal texts."""
        if not self.options and not self.source:
            return self.name
        document = {"name": self.name, "options": dict(self.options), "source": self.source}
        return json.dumps({key: value for key, value in document.items() if value}, sort_keys=True)


def read_network(text: str) -> Network:
    """The network of a text that `Network.text` gave; raises ValueError for another one."""
    if not text.startswith("{"):
        return Network(text)
    try:
        found = Network(**json.loads(text))
    except TypeError as error:
        raise ValueError(f"no network: {error}") from error
    if not (isinstance(found.name, str) and isinstance(found.source, str) and isinstance(found.options, dict)):
        raise ValueError("no network: name and source must be texts, options a table")  # noqa: TRY004 - as of any wrong text
    return found
