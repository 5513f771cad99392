"""Resources of a server process: settings, database, artifact store, wake-ups, and one object of each later room."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import RLock
from typing import Annotated, Any, Self, TypeVar, cast

from fastapi import Depends, Request

from lethe.evaluator.artifacts import ArtifactStore, ArtifactStoreAway, ArtifactStoreUnusable, open_store
from lethe.server.broker.wake_ups import Waker, create_celery
from lethe.server.database.engine import Database
from lethe.server.errors import ConfigurationError
from lethe.server.http.rate_limit import Rates
from lethe.server.logs import get_logger
from lethe.server.settings import Settings

log = get_logger(__name__)
One = TypeVar("One")


@dataclass(frozen=True)
class Context:
    """Built once per process by `create_context`; nothing connects before it is used."""

    settings: Settings
    database: Database
    artifacts: ArtifactStore
    wake: Waker
    rates: Rates
    _objects: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)

    def one(self, make: Callable[[Self], One]) -> One:
        """Return the process's one result of `make`, a class or a function of a module; the first call makes it.

        Rooms keep their state of the process with it, so that the context need not know them.
        """
        with self._lock:
            if make not in self._objects:
                self._objects[make] = make(self)
            return cast(One, self._objects[make])

    def dispose(self) -> None:
        """Close the database's connections and drop every object that `one` made."""
        with self._lock:
            self._objects.clear()
        self.database.dispose()


def create_context(settings: Settings) -> Context:
    """Return the context for `settings`; raises ConfigurationError when the home folder cannot be written."""
    settings.prepare_home()
    return Context(
        settings=settings,
        database=Database(settings.database),
        artifacts=open_store(settings.artifacts),
        wake=Waker(create_celery(settings.broker)),
        rates=Rates(settings.broker),
    )


def require_write_once(store: ArtifactStore) -> None:
    """Raise ConfigurationError when the store answers and cannot be used; log one that is away, and go on."""
    try:
        store.prove()
    except ArtifactStoreUnusable as error:
        raise ConfigurationError(f"LETHE_ARTIFACTS_URL: {error}") from error
    except ArtifactStoreAway as error:
        log.warning("artifacts_unavailable", error=str(error))


async def get_context(request: Request) -> Context:
    """Return the context of the running app. Asynchronous, so that it takes no thread."""
    return cast(Context, request.app.state.context)


AppContext = Annotated[Context, Depends(get_context)]
