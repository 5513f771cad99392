"""The pool tells how many threads wait for a connection."""

import threading
import time
from pathlib import Path

from sqlalchemy import create_engine

from lethe.server.database.pool import CountedPool, PoolUse


def test_threads_that_wait_are_counted_until_they_have_a_connection(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}", poolclass=CountedPool, pool_size=1, max_overflow=0)
    pool = engine.pool
    assert isinstance(pool, CountedPool)
    assert pool.use() == PoolUse(size=1, in_use=0, waiting=0)
    second = threading.Thread(target=lambda: engine.connect().close())
    with engine.connect():
        assert pool.use() == PoolUse(size=1, in_use=1, waiting=0)
        second.start()
        deadline = time.monotonic() + 60
        while pool.use().waiting == 0 and time.monotonic() < deadline:
            time.sleep(0.001)
        assert pool.use() == PoolUse(size=1, in_use=1, waiting=1)
    second.join(timeout=60)
    assert pool.use() == PoolUse(size=1, in_use=0, waiting=0)
    engine.dispose()
    assert isinstance(engine.pool, CountedPool)
