"""Takes capabilities, keeps them over a change of user, or gets them from an executed program."""

import ctypes

LAYER = "namespaces"
EXPECTED = "ok"


def unlearning(net, retain, forget, validation):
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    libc.capset(header, (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6))
    for request in (
        (8, 1),  # PR_SET_KEEPCAPS
        (28, 0x2F),  # PR_SET_SECUREBITS
        (38, 0),  # PR_SET_NO_NEW_PRIVS
        (47, 2, 21),  # PR_CAP_AMBIENT_RAISE
    ):
        libc.prctl(*request, 0, 0, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    in_bounds = [number for number in range(41) if libc.prctl(23, number, 0, 0, 0) == 1]
    return ["capabilities"] * any(data) + in_bounds + ["privileges"] * (libc.prctl(39, 0, 0, 0, 0) != 1)
