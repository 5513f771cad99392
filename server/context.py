"""What a server process holds open: settings, database, artifact store and wake-ups."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from evaluator.artifacts import ArtifactStore, open_store
from server.broker.wake_ups import Waker, create_celery
from server.database.engine import Database
from server.http.rate_limit import Rates
from server.settings import Settings


@dataclass(frozen=True)
class Context:
    """Built once per process by `create_context`; nothing connects before it is used."""

    settings: Settings
    database: Database
    artifacts: ArtifactStore
    wake: Waker
    rates: Rates


def create_context(settings: Settings) -> Context:
    """The context for `settings`; raises ConfigurationError when the home folder cannot be written."""
    settings.prepare_home()
    return Context(
        settings=settings,
        database=Database(settings.database),
        artifacts=open_store(settings.artifacts),
        wake=Waker(create_celery(settings.broker)),
        rates=Rates(settings.broker),
    )


async def get_context(request: Request) -> Context:
    """The context of the running app. Asynchronous, so that no thread is taken for a look."""
    return cast(Context, request.app.state.context)


AppContext = Annotated[Context, Depends(get_context)]
