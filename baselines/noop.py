"""Does nothing: the floor of every leaderboard."""


def unlearning(net, retain, forget, validation):
    return net
