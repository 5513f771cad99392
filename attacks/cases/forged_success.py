"""Reports a result that it did not send."""

import json
import os

LAYER = "pipes"
EXPECTED = "exit"

REPORT_PIPE = 5


def unlearning(net, retain, forget, validation):
    os.write(REPORT_PIPE, json.dumps({"status": "ok", "payload_bytes": 1 << 40}).encode())
    os._exit(0)
