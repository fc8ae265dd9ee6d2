"""The web processes of the shop: they store orders and show reports, and run no jobs."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypedDict
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

import bgjobs
from shop.database import Order, create_tables, make_engine
from shop.jobs import report, ship, web


class State(TypedDict):
    """What the requests share."""

    client: bgjobs.Client
    sessions: async_sessionmaker[AsyncSession]


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncGenerator[State]:
    engine = make_engine()
    try:
        await create_tables(engine)
        async with bgjobs.connect(web) as client:
            yield State(client=client, sessions=async_sessionmaker(engine))
    finally:
        await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def place_order(request: Request, customer: str, cents: int) -> dict[str, int]:
    async with request.state.sessions.begin() as session:
        order = Order(customer=customer, cents=cents)
        session.add(order)
        await session.flush()  # which numbers it
        number = order.id
    await request.state.client.enqueue(ship.request(number).unique(f"order-{number}"))
    return {"order": number}


@app.get("/orders/{number}")
async def show_order(request: Request, number: int) -> dict[str, str | None]:
    async with request.state.sessions() as session:
        order = await session.get(Order, number)
    if order is None:
        raise HTTPException(404)
    return {"customer": order.customer, "parcel": order.parcel}


@app.post("/reports")
async def begin_report(request: Request) -> RedirectResponse:
    job = await request.state.client.enqueue(report.request())
    return RedirectResponse(f"/reports/{job.id}", status_code=303)


PAGE = "<!doctype html><title>Report</title>{refresh}<h1>Report</h1><p>{text}"
REFRESH = '<meta http-equiv="refresh" content="1">'


@app.get("/reports/{job_id}")
async def show_report(request: Request, job_id: UUID) -> HTMLResponse:
    job = await request.state.client.find(job_id, worker=report)
    match job:
        case None:
            raise HTTPException(404)
        case bgjobs.SucceededJob():
            sales = job.result
            text = f"{sales.orders} orders, {sales.cents / 100:.2f} euros in all"
        case bgjobs.FailedJob() | bgjobs.CancelledJob():
            text = f"There is no report: it {job.state}."
        case bgjobs.Job(progress=bgjobs.Progress(fraction=float(done))):
            text = f'<progress value="{done:.2f}">{done:.0%}</progress>'
        case _:
            text = f"The report is {job.state}."
    refresh = REFRESH if isinstance(job, bgjobs.Job) else ""
    return HTMLResponse(PAGE.format(refresh=refresh, text=text))


@app.put("/warehouse/parcels/{order}")
async def stand_in_for_the_warehouse(order: int) -> dict[str, str]:
    """Answer as the warehouse does, so that the example needs no other service."""
    return {"parcel": f"P-{order:05}"}
