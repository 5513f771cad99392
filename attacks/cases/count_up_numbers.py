"""Makes files, processes, threads, pipes and sockets by the thousand, so that later ones get other numbers."""

import os
import socket
import threading

LAYER = "isolation-between-runs"
EXPECTED = "ok"
OBSERVED = True


def unlearning(net, retain, forget, validation):
    for number in range(3000):
        one, other = os.pipe()
        os.close(one)
        os.close(other)
        for end in socket.socketpair():
            end.close()
        with open(f"/tmp/{number % 50}", "w"):
            pass
        os.unlink(f"/tmp/{number % 50}")
        os.close(os.eventfd(0))
    for _ in range(30):
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        thread = threading.Thread(target=os.getpid)
        thread.start()
        thread.join()
