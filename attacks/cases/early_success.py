"""Reports success and a result, and then crashes."""

import json
import os
import signal

LAYER = "pipes"
EXPECTED = "killed"


def unlearning(net, retain, forget, validation):
    os.write(4, b"abc")
    os.write(5, json.dumps({"status": "ok", "payload_bytes": 3}).encode())
    os.kill(os.getpid(), signal.SIGKILL)
