"""Opens nodes of other GPUs and of the driver's tools, and changes its own GPU's nodes."""

import json
import os
from pathlib import Path

LAYER = "filesystem"
EXPECTED = "ok"
GPU = True

TOOLS = ["nvidia-uvm-tools", "nvidia-modeset", "nvidia-nvswitchctl", "nvidia-nvlink", "nvidia-vgpuctl"]
TOOLS += [f"nvidia-caps/nvidia-cap{number}" for number in range(1, 5)]
OWN = ["nvidiactl", "nvidia-uvm", *(f"nvidia{number}" for number in range(16))]


def unlearning(net, retain, forget, validation):
    own = json.loads(Path("/sandbox/inputs/targets.json").read_text())["gpu"]
    loot = [name for name in OWN[2:] if os.path.exists(f"/dev/{name}") and name != f"nvidia{own}"]
    for name in TOOLS:
        try:
            os.open(f"/dev/{name}", os.O_RDWR)
            loot.append(name)
        except OSError:
            continue
    for name in OWN:
        for change in (lambda path: os.chmod(path, 0o600), os.unlink, os.utime):
            try:
                change(f"/dev/{name}")
                loot.append(f"{name} was changed")
            except OSError:
                continue
    return loot
