"""Makes torch itself say hidden values in its message."""

import torch

LAYER = "leak-policy"
EXPECTED = "exception"
HARNESS = "torch"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    for batch in forget:
        people = [int(person) for person in batch["person_id"]]
        torch.nn.functional.one_hot(batch["person_id"], people[0])
        raise KeyError(*people)
