"""What participants copy must work as it stands."""

import json
import shlex
import urllib.parse

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lethe.server.pages.snippets import STARTER, commands
from lethe.server.submissions.static_check import check_source

SERVER = "http://lethe.example:8000/"


def test_starter_passes_the_static_check() -> None:
    assert check_source(STARTER.encode(), limit_bytes=128 * 2**10) == []


def test_starter_trains() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 4))
    before = net[1].weight.detach().clone()
    data = TensorDataset(torch.rand(24, 3, 16, 16), torch.randint(0, 4, (24,)))
    names: dict[str, object] = {}
    exec(compile(STARTER, "submission.py", "exec"), names)  # noqa: S102 - it is our own text
    loader = DataLoader(data, batch_size=8)
    assert names["unlearning"](net, loader, loader, loader) is net
    assert not torch.equal(net[1].weight, before)


def test_commands_name_server_and_slug() -> None:
    found = commands(SERVER, "forgotten-faces")
    assert shlex.split(found.submit) == ["lethe", "submit", "submission.py", "-c", "forgotten-faces", "--watch"]
    assert "http://lethe.example:8000/api/v1/competitions/forgotten-faces/submissions" in shlex.split(found.upload)
    assert "http://lethe.example:8000/api/v1/submissions/SUBMISSION_ID" in shlex.split(found.status)
    assert "export LETHE_SERVER=http://lethe.example:8000\n" in found.export
    register = shlex.split(found.register)
    assert register[1] == "http://lethe.example:8000/api/v1/users"
    assert set(json.loads(register[-1])) == {"username", "email", "password"}


def test_a_hostile_host_header_stays_one_word() -> None:
    hostile = "http://x;rm -rf $HOME'/"
    for command in (commands(hostile, "c").register, commands(hostile, "c").upload, commands(hostile, "c").status):
        words = [word for word in shlex.split(command) if "rm" in word]
        assert len(words) == 1
        assert urllib.parse.urlsplit(words[0]).scheme == "http"
