"""A web shop: an order and the job of its e-mail are stored together, or neither is.

    cd examples
    hypercorn --worker-class trio web_app:app       on Trio
    uvicorn web_app:app                             the same on asyncio
    curl -X POST http://127.0.0.1:8000/orders/ada

There are two pieces to sell: the third order is refused, and no e-mail is sent for it.
"""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing

from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import bgjobs

DATABASE = "shop.db"
TABLES = """
create table if not exists orders (id integer primary key, customer text not null);
create table if not exists stock (pieces integer not null check (pieces >= 0));
insert into stock select 2 where not exists (select 1 from stock);
"""

store = bgjobs.SQLiteStore(DATABASE)


@bgjobs.worker
async def confirm(order: int, customer: str) -> None:
    print(f"e-mail to {customer}: thank you for order {order}")


config = bgjobs.Config(store=store, queues=[bgjobs.Queue("e-mail", workers=[confirm])])


def place_order(customer: str) -> int:
    # The inner `with` commits, or rolls back what raises: the order and its job alike.
    with closing(sqlite3.connect(DATABASE)) as connection, connection:
        added = connection.execute("insert into orders (customer) values (?)", [customer])
        order = added.lastrowid or 0
        store.enqueue_in(connection, [confirm.request(order, customer)])
        connection.execute("update stock set pieces = pieces - 1")  # refused below 0
    return order


async def create_order(request: Request) -> JSONResponse:
    customer: str = request.path_params["customer"]
    try:
        order = await to_thread.run_sync(place_order, customer)
    except sqlite3.IntegrityError:
        return JSONResponse({"error": "sold out"}, status_code=409)
    return JSONResponse({"order": order}, status_code=201)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[None]:
    with closing(sqlite3.connect(DATABASE)) as connection:
        connection.executescript(TABLES)
    async with bgjobs.run(config) as bg:
        app.state.bg = bg  # for other endpoints: await request.app.state.bg.enqueue(...)
        yield


orders = Route("/orders/{customer}", create_order, methods=["POST"])
app = Starlette(routes=[orders], lifespan=lifespan)
