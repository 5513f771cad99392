"""A file that needs a package outside of the base set, from upload to score; then again without any package index."""

import shutil

import pytest

from tests.integration.package_index import Index
from tests.system.conftest import RUNS, Installation, submit, wait

# A package of the default allow-list, with content of the test's own: no index is asked for the real one.
PACKAGE = "def shrink(tensor, factor):\n    return tensor * factor\n"
SOURCE = """
# /// script
# dependencies = ["einops>=0.8"]
# ///
import torch
from einops import shrink


def unlearning(net, retain, forget, validation):
    with torch.no_grad():
        for weight in net.fc.parameters():
            weight.copy_(shrink(weight + 0.01 * torch.randn_like(weight), FACTOR))
"""

pytestmark = [pytest.mark.component("bubblewrap"), pytest.mark.timeout(600)]


def test_package_from_upload_to_score_and_offline_afterwards(embedded: Installation, index: Index) -> None:
    index.add_wheel("einops", "0.8.2", {"einops/__init__.py": PACKAGE})
    with embedded.register("eve") as eve:
        first = wait(eve, submit(eve, SOURCE.replace("FACTOR", "0.9"))["id"])
        assert (first["state"], first["runs_done"]) == ("scored", RUNS), first
        log = eve.get(f"/submissions/{first['id']}/log").json()
        assert log["packages"] == ["einops==0.8.2"]
        assert log["advice"] == []
        shutil.rmtree(index.root)
        offline = wait(eve, submit(eve, SOURCE.replace("FACTOR", "0.8"))["id"])
        assert (offline["state"], offline["runs_done"]) == ("scored", RUNS), offline
