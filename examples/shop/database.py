"""The tables of the shop, which SQLAlchemy reads and writes."""

import os

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

FILE = os.environ.get("SHOP_FILE", "shop.db")


class Base(DeclarativeBase):
    """The base class of the tables."""


class Order(Base):
    """What a customer has bought."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str]
    cents: Mapped[int]
    parcel: Mapped[str | None]
    """The number that the warehouse has given; None until the order is shipped."""


def make_engine() -> AsyncEngine:
    return create_async_engine(f"sqlite+aiosqlite:///{FILE}")


async def create_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
