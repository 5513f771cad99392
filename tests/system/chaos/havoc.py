"""The seeded script of disturbances: what is killed, restarted, emptied or taken away, and when."""

import contextlib
import random
import threading
import time
from collections import Counter

from tests.system.chaos.stand import FORK_SERVER, INFERENCE, Stand

# How often each happens in relation to the others.
SCRIPT = {
    "worker": 6,
    "fork server": 4,
    "inference": 2,
    "control": 3,
    "api": 3,
    "redis restarted": 2,
    "redis emptied": 2,
    "postgres away": 1,
}
LONGEST_START_S = 30


class Havoc:
    """Disturbs until `kills` kills are done or `stop` is called; `done` counts what happened."""

    def __init__(self, stand: Stand, *, seed: int, kills: int, pause_s: tuple[float, float], away_s: float) -> None:
        self.done: Counter[str] = Counter()
        self._stand = stand
        self._random = random.Random(seed)  # noqa: S311 - a seeded script
        self._kills = kills
        self._pause_s = pause_s
        self._away_s = away_s
        self._stop = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="havoc", daemon=True)

    def start(self) -> None:
        self._stand.meddler.meddling.set()
        self._thread.start()

    @property
    def kills(self) -> int:
        """Processes killed so far, servers included."""
        return sum(count for name, count in self.done.items() if name != "redis emptied")

    def wait(self) -> None:
        """Return when the script has ended; raises what went wrong in it."""
        self._thread.join()
        self._stand.meddler.meddling.clear()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self._stop.set()
        self.wait()

    def _run(self) -> None:
        try:
            while self.kills < self._kills and not self._stop.wait(self._random.uniform(*self._pause_s)):
                name = self._random.choices(list(SCRIPT), weights=list(SCRIPT.values()))[0]
                if self._disturb(name):
                    self.done[name] += 1
                # Killing faster than a slow machine can start processes would only prove that nothing runs then.
                with contextlib.suppress(TimeoutError):
                    self._stand.wait_until_up(LONGEST_START_S)
        except BaseException as error:  # noqa: BLE001 - raised again by wait
            self.failure = error

    def _disturb(self, name: str) -> bool:
        stand = self._stand
        worker = self._random.choice(stand.workers)
        if name == "worker":
            return stand.kill(worker)
        if name == "fork server":
            return stand.kill_below(worker, FORK_SERVER)
        if name == "inference":
            return stand.kill_below(worker, INFERENCE)
        if name in {"control", "api"}:
            return stand.kill("control" if name == "control" else "serve")
        if name == "redis emptied":
            stand.redis.flush()
            return True
        service = stand.redis if name == "redis restarted" else stand.postgres
        service.crash()
        time.sleep(self._away_s if service is stand.postgres else self._random.uniform(0, 2))
        service.start()
        return True
