"""Names its tensors by numbers, by nothing and by an object."""

LAYER = "result-check"
EXPECTED = "exception"
HARNESS = "torch"


def unlearning(net, retain, forget, validation):
    state = dict(net.state_dict())
    state = {1: state["fc.bias"], None: state["fc.bias"], object(): state["fc.bias"]}
    net.state_dict = lambda: state
