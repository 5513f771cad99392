"""The pool of database connections, and how much of it is in use."""

import threading
from dataclasses import dataclass
from typing import Any

from sqlalchemy.pool import PoolProxiedConnection, QueuePool


@dataclass(frozen=True)
class PoolUse:
    """Connections that a process may have, those in use, and threads that wait for one."""

    size: int
    in_use: int
    waiting: int


class CountedPool(QueuePool):
    """SQLAlchemy's pool, which also counts the threads that wait for a connection."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asking = 0
        self._count = threading.Lock()

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, as soon as one is free."""
        with self._count:
            self._asking += 1
        try:
            return super().connect()
        finally:
            with self._count:
                self._asking -= 1

    def use(self) -> PoolUse:
        """Return how much of the pool is in use now."""
        in_use = self.checkedout()
        return PoolUse(self.size(), in_use, self._asking if in_use >= self.size() else 0)
