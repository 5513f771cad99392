"""Pages of the API's lists: how a request asks for one, and how it is answered."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

Item = TypeVar("Item")

PageLimit = Annotated[int, Query(ge=1, le=100, description="Items on a page")]
PageCursor = Annotated[
    str | None, Query(max_length=100, description="`next_cursor` of the previous page; leave it out for the first page")
]


class Page(BaseModel, Generic[Item]):
    """Newest first."""

    items: list[Item]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last one")
