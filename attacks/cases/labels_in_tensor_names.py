"""Names tensors by hidden persons, so that the refusal would name them."""

import torch

LAYER = "leak-policy"
EXPECTED = "wrong_architecture"
HARNESS = "torch"
SCENE = "run"


def unlearning(net, retain, forget, validation):
    state = {str(int(person)): torch.ones(1) for batch in forget for person in batch["person_id"]}
    net.state_dict = lambda: state
