"""The code and the commands that a participant copies from the pages."""

import json
import shlex
from dataclasses import dataclass

from lethe.evaluator.contract.submission import FILENAME

STARTER = '''\
"""A starter submission: one file that defines `unlearning`.

It trains for two epochs on the retain set. The function is called many times,
each time in a new process with its own seed (all generators are seeded before
the call), without network. Its arguments are all that it has to learn from.

net          the trained torch.nn.Module, already on its device; change it in
             place, or return another one whose state dict has the same names
             and shapes
retain       DataLoader of what the network may remember
forget       DataLoader of what it must forget
validation   DataLoader of images that it was not trained on

Images are float32 (B, 3, H, W) with values from 0 to 255; the competition's
page says how a batch reads and which parameters are filled in by name.
Other packages: a PEP 723 block at the top.
"""

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
    """POSIX shell commands, ready to paste except for the words in capitals; `export` sets the server and the token."""

    install: str
    login: str
    register: str
    export: str
    upload: str
    status: str
    submit: str
    check: str


def commands(base_url: str, slug: str) -> Commands:
    """Return the commands for the competition `slug`; the address is quoted for a POSIX shell."""
    api = f"{base_url.rstrip('/')}/api/v1"
    person = json.dumps({"username": "YOUR_NAME", "email": "you@example.org", "password": "A_LONG_PASSWORD"})
    authorization = '-H "Authorization: Bearer $LETHE_TOKEN"'
    return Commands(
        install="pip install .",
        login=f"export LETHE_SERVER={shlex.quote(base_url.rstrip('/'))}\nlethe login",
        register=f"curl {shlex.quote(f'{api}/users')} \\\n  -H 'Content-Type: application/json' \\\n  -d '{person}'",
        export=f"export LETHE_SERVER={shlex.quote(base_url.rstrip('/'))}\nexport LETHE_TOKEN=lethe_YOUR_TOKEN",
        upload=f"curl {authorization} \\\n  -F file=@{FILENAME} \\\n"
        f"  {shlex.quote(f'{api}/competitions/{slug}/submissions')}",
        status=f"curl {authorization} \\\n  {shlex.quote(f'{api}/submissions/')}SUBMISSION_ID",
        submit=f"lethe submit {FILENAME} -c {shlex.quote(slug)} --watch",
        check=f"lethe check {FILENAME} -c {shlex.quote(slug)} --server {shlex.quote(base_url.rstrip('/'))}",
    )
