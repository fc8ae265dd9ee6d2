"""The jobs of the shop, and what their handlers use."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
from attrs import frozen
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

import bgjobs
from shop.database import FILE, Order, create_tables, make_engine

WAREHOUSE = os.environ.get("WAREHOUSE_URL", "http://127.0.0.1:8000/warehouse")


@frozen
class Resources:
    """What the handlers of one process share."""

    sessions: async_sessionmaker[AsyncSession]
    warehouse: httpx2.AsyncClient


@asynccontextmanager
async def open_resources(_client: bgjobs.Client) -> AsyncGenerator[Resources]:
    """Open the database and the HTTP client before the first job, and close them at the end."""
    engine = make_engine()
    try:
        await create_tables(engine)
        async with httpx2.AsyncClient(base_url=WAREHOUSE, timeout=10) as warehouse:
            yield Resources(async_sessionmaker(engine), warehouse)
    finally:
        await engine.dispose()


# The warehouse may be away for a while. Any other error is a fault that a retry does not mend.
@bgjobs.worker(max_retries=5, retry_on=(httpx2.TransportError, httpx2.HTTPStatusError))
async def ship(context: bgjobs.JobContext[Resources], order_id: int) -> None:
    """Ask the warehouse for a parcel."""
    async with context.resources.sessions.begin() as session:
        order = await session.get_one(Order, order_id)
        if order.parcel is None:  # a run before this one may have been cut off
            answer = await context.resources.warehouse.put(f"/parcels/{order_id}")
            answer.raise_for_status()
            order.parcel = answer.json()["parcel"]


@frozen
class Sales:
    """What the report finds."""

    orders: int
    cents: int
    best_customer: str | None


@bgjobs.worker(keep_result=True, max_silence=60)
async def report(context: bgjobs.JobContext[Resources]) -> Sales:
    """Add up the orders of each customer."""
    orders, cents, best = 0, 0, (0, "")
    async with context.resources.sessions() as session:
        customers = (await session.scalars(select(Order.customer).distinct())).all()
        async for customer in context.progress(customers):
            sums = select(func.count(), func.sum(Order.cents)).where(Order.customer == customer)
            count, amount = (await session.execute(sums)).one()
            orders, cents = orders + count, cents + amount
            best = max(best, (amount, customer))
    return Sales(orders, cents, best[1] or None)


store = bgjobs.SQLiteStore(FILE)
config = bgjobs.Config(
    store=store,
    queues=[bgjobs.Queue("shop", workers=[ship, report])],
    lifespan=open_resources,
    event_loop="asyncio",  # which SQLAlchemy needs
)
web = bgjobs.Config(store=store, enqueue_only=[ship, report])
