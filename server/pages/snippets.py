"""The code and the commands that a participant copies from the pages."""

import json
import shlex
from dataclasses import dataclass

from evaluator.contract.submission import FILENAME

STARTER = '''\
import torch
from torch import nn


def unlearning(net, retain, forget, validation):
    """Make net behave as if it had never seen the images in forget."""
    device = next(net.parameters()).device
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    net.train()
    for epoch in range(2):
        for inputs, targets in retain:
            inputs, targets = inputs.to(device), targets.to(device)
            optimizer.zero_grad()
            loss_of(net(inputs), targets).backward()
            optimizer.step()
    net.eval()
    return net
'''


@dataclass(frozen=True)
class Commands:
    """POSIX shell commands, ready to paste but for the words in capitals. `export` tells `lethe` where and who."""

    register: str
    export: str
    upload: str
    status: str
    submit: str


def commands(base_url: str, slug: str) -> Commands:
    """The commands for the competition `slug`; the address is quoted for a POSIX shell."""
    api = f"{base_url.rstrip('/')}/api/v1"
    person = json.dumps({"username": "YOUR_NAME", "email": "you@example.org", "password": "A_LONG_PASSWORD"})
    authorization = '-H "Authorization: Bearer $LETHE_TOKEN"'
    return Commands(
        register=f"curl {shlex.quote(f'{api}/users')} \\\n  -H 'Content-Type: application/json' \\\n  -d '{person}'",
        export=f"export LETHE_SERVER={shlex.quote(base_url.rstrip('/'))}\nexport LETHE_TOKEN=lethe_YOUR_TOKEN",
        upload=f"curl {authorization} \\\n  -F file=@{FILENAME} \\\n"
        f"  {shlex.quote(f'{api}/competitions/{slug}/submissions')}",
        status=f"curl {authorization} \\\n  {shlex.quote(f'{api}/submissions/')}SUBMISSION_ID",
        submit=f"lethe submit {FILENAME} -c {shlex.quote(slug)} --watch",
    )
