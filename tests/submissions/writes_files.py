"""Writes wherever notebooks write: beside itself, into Kaggle's folders, into temporary ones."""

import json
import os
import tempfile
from pathlib import Path

import torch


def unlearning(net, retain, forget, validation):
    os.makedirs("checkpoints/epoch0", exist_ok=True)
    torch.save(net.state_dict(), "checkpoints/epoch0/net.pt")
    Path("/kaggle/working/log.json").write_text(json.dumps({"epoch": 0}))
    assert json.loads(Path("log.json").read_text()) == {"epoch": 0}
    os.makedirs("/kaggle/tmp/more", exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "x"), "w") as file:
        file.write("x")
    with open(os.path.expanduser("~/history.csv"), "a") as file:
        print("epoch,loss", file=file)
    state = torch.load("checkpoints/epoch0/net.pt", weights_only=True)
    state["fc.bias"] += 0.1
    net.load_state_dict(state)
