"""The hub's HTTP interface: what is on the shelves, and who came to look."""

import os
import platform
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from redis.asyncio import Redis

from app.shelves import Shelves

GREETING = "What is in the larder today?"


@asynccontextmanager
async def lifespan(app: FastAPI):
    app.state.shelves = await Shelves.open(os.environ["DATABASE_URL"])
    app.state.visits = Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    yield
    await app.state.visits.aclose()
    await app.state.shelves.close()


app = FastAPI(title="hub", lifespan=lifespan)


class NewItem(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=60)
    quantity: int = Field(default=1, ge=1, le=999)
    shelf: str = Field(default="top shelf", min_length=1, max_length=40)


@app.get("/healthz")
async def healthz():
    """Ready means: both stores answer."""
    await app.state.shelves.ping()
    await app.state.visits.ping()
    return {"status": "ready"}


@app.get("/larder")
async def larder():
    """Everything the page shows, and one more visit on the counter."""
    visits = await app.state.visits.incr("visits")
    redis = await app.state.visits.info("server")
    return {
        "greeting": GREETING,
        "items": await app.state.shelves.items(),
        "visits": visits,
        "served_by": {
            "postgres": app.state.shelves.version,
            "redis": redis["redis_version"],
            "python": platform.python_version(),
        },
    }


@app.post("/items", status_code=201)
async def put(item: NewItem):
    """Put something on a shelf; more of the same adds up."""
    return await app.state.shelves.put(item.name, item.quantity, item.shelf)


@app.post("/items/{item_id}/take")
async def take(item_id: int):
    """Take one of it; the last one takes the line off the shelf."""
    left = await app.state.shelves.take(item_id)
    if left is None:
        raise HTTPException(404, f"no item {item_id} on any shelf")
    return {"id": item_id, "left": left}
