"""What container engines do to /proc, without an engine: one masked path forbids a new /proc in every jail."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

pytestmark = [
    pytest.mark.component("bubblewrap"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mask a path"),
]

PROBE = """
import json
from lethe.sandbox.doctor import probe
print(json.dumps({finding.name: [finding.ok, finding.detail, finding.remedy] for finding in probe()}))
"""


# One /proc without masks anywhere, as in a chroot, is enough for the kernel to allow another.
ALONE = 'awk \'$3 == "proc" && $2 != "/proc" {print $2}\' /proc/mounts | xargs -r umount --lazy'


def probed(mask: str) -> dict[str, list[object]]:
    script = f'{ALONE}; {mask}; exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-m", "bash", "-ec", script, sys.executable, PROBE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[object]] = json.loads(done.stdout)
    return found


def test_doctor_says_how_to_start_a_container_whose_proc_is_masked() -> None:
    ok, detail, remedy = probed("mount --bind /dev/null /proc/interrupts")["user namespaces"]
    assert not ok
    assert "proc" in str(detail)
    assert "/proc/interrupts is masked" in str(remedy)
    assert "systempaths=unconfined" in str(remedy)
    assert probed("true")["user namespaces"][0]


def test_compose_starts_workers_so() -> None:
    services = yaml.safe_load((Path(__file__).parents[3] / "docker-compose.yml").read_text())["services"]
    for name in ("worker", "gpu-worker"):
        assert "systempaths=unconfined" in services[name]["security_opt"]
