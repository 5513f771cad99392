"""Leaves out the tensors that it would rather not change."""

LAYER = "result-check"
EXPECTED = "wrong_architecture"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    del state["fc.bias"], state["bn1.running_var"]
    net.state_dict = lambda: state
