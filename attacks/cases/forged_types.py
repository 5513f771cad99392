"""Reports an error whose parts are of other types and sizes than any error's."""

import json
import os

LAYER = "pipes"
EXPECTED = "exception"

REPORT_PIPE = 5


def unlearning(net, retain, forget, validation):
    os.write(
        REPORT_PIPE,
        json.dumps({"status": "exception", "type": ["T"], "message": {"m": 1}, "line": 1e300, "traceback": 7}).encode(),
    )
    os._exit(0)
