"""From files to a scored submission by the host's commands: a CASIA-SURF tree and digits; test_docs.py has a folder."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.photographs import make_casia_surf, make_image_folder
from tests.system.conftest import Installation, wait

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(600)]

RUNS = 8
COMMON = f"""
[model]
architecture = "resnet-small"
[training]
epochs = 1
batch_size = 32
[evaluation]
runs = {RUNS}
oracles = {RUNS}
ceiling_oracles = {RUNS}
[audits]
runs = 0
[measures]
always = false
[leaks]
step_s = 0
"""
FOLDER = """
[data]
source = "image-folder"
image_size = 16
classes = 3
[split]
seed = 1
[practice]
identities = 8
oracles = 0
"""
SURF = """
[data]
source = "casia-surf"
image_size = 16
classes = 3
[split]
forget_by = "published"
[practice]
identities = 8
oracles = 0
"""
DIGITS = """
[data]
source = "digits"
image_size = 16
[split]
seed = 1
forget_by = "example"
forget_fraction = 0.02
[practice]
identities = 200
oracles = 0
"""
FINE_TUNE = """
import torch

def unlearning(net, retain, forget, validation):
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for inputs, targets in retain:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
"""
Make = Callable[[Path], object]


@pytest.mark.parametrize(
    ("slug", "data", "make"),
    [
        ("surf-tree", SURF, lambda root: make_casia_surf(root, people=32, each=4)),
        ("digits", DIGITS, None),
    ],
    ids=["casia-surf", "digits"],
)
def test_from_files_to_a_score(embedded: Installation, tmp_path: Path, slug: str, data: str, make: Make | None) -> None:
    specification = tmp_path / f"{slug}.toml"
    specification.write_text(f'slug = "{slug}"\ntitle = "Own data"\n{data}{COMMON}')
    options = []
    if make is not None:
        make(tmp_path / "data")
        options = ["--data", str(tmp_path / "data")]
    created = embedded.lethe("admin", "competition", "create", str(specification), *options).stdout
    assert f"next: lethe admin oracles seed {slug}" in created
    embedded.lethe("admin", "oracles", "seed", slug)
    embedded.lethe("admin", "competition", "open", slug)
    with embedded.register(f"host-of-{slug}") as client:
        files = {"file": ("submission.py", FINE_TUNE.encode())}
        answer = client.post(f"/competitions/{slug}/submissions", files=files)
        assert answer.status_code == 202, answer.text
        scored = wait(client, answer.json()["id"])
    assert (scored["state"], scored["runs_done"]) == ("scored", RUNS), scored
    assert scored["score"] >= 0


def test_mistakes_stop_before_training_with_one_line(prepared: Installation, tmp_path: Path) -> None:
    specification = tmp_path / "wrong.toml"
    specification.write_text(f'slug = "wrong"\ntitle = "Wrong"\n{FOLDER}{COMMON}')
    make_image_folder(tmp_path / "data", people=24)
    (tmp_path / "data/images/person-03/009.jpg").write_bytes(b"no picture")
    create = ("admin", "competition", "create", str(specification))
    without = prepared.lethe(*create, check=False)
    assert (without.returncode, without.stdout) == (1, "")
    assert "add --data FOLDER" in without.stderr
    damaged = prepared.lethe(*create, "--data", str(tmp_path / "data"), check=False)
    assert damaged.returncode == 1
    assert "lethe: 1 file cannot be used: images/person-03/009.jpg: is no JPEG" in damaged.stderr
    assert "Traceback" not in damaged.stderr
    assert "first models" not in damaged.stderr
