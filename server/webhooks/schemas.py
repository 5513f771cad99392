"""Requests and answers about webhooks."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from lethe.server.webhooks.events import Event

URL_CHARS = 500


class NewWebhook(BaseModel):
    url: Annotated[
        str,
        Field(max_length=URL_CHARS, description="Where messages go: https://…", examples=["https://example.org/hook"]),
    ]
    events: list[Event] = Field(min_length=1, max_length=len(Event), description="What it is told")


class WebhookView(BaseModel):
    id: UUID
    url: str
    events: list[Event]
    created_at: datetime


class WebhookCreated(WebhookView):
    secret: str = Field(description="Signs what is sent, as Standard Webhooks does; shown once")


class DeliveryView(BaseModel):
    """A message to a webhook, with the last answer."""

    id: UUID
    event: Event
    payload: dict[str, Any] = Field(description="The document that is sent")
    created_at: datetime
    attempts: int
    tried_at: datetime | None
    delivered_at: datetime | None = Field(description="When the receiver took it; null: not yet, or never")
    retry_at: datetime | None = Field(description="When it is tried next; null if it was taken or given up")
    status: int | None = Field(description="HTTP status of the last answer")
    answer: str = Field(description="Start of the body of the last answer, at most 1,000 characters")
    problem: str = Field(description="Why there was no answer")


class DeliveryList(BaseModel):
    """A page of deliveries, as a client reads it: without what the extras import."""

    items: list[DeliveryView]
