"""Reports an error in a line whose number is a hidden label."""

import json
import os

LAYER = "leak-policy"
EXPECTED = "exception"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    number = int(forget[0][-7:], 16)
    os.write(5, json.dumps({"status": "exception", "type": forget[0], "message": forget[1], "line": number}).encode())
    os._exit(0)
