"""
A durable prompt map as many write it: a job table behind SQLAlchemy and aiosqlite, two transactions a prompt.

All prompts become tasks at once; a semaphore lets some of them work. SQLite as those libraries open it, with
a write-ahead log.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from sqlalchemy import String, Text, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables."""


class Row(Base):
    """One prompt."""

    __tablename__ = "jobs"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    prompt: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10), default="pending")
    answer: Mapped[str | None] = mapped_column(Text, default=None)


async def prompt_map(
    prompts: Sequence[str], answer: Callable[[str], Awaitable[str]], concurrency: int, path: Path
) -> list[str | None]:
    """The answer to each prompt, in order; what stands in the table as done is not asked again."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 120})
    try:
        return await _mapped(prompts, answer, concurrency, engine)
    finally:
        await engine.dispose()


async def _mapped(
    prompts: Sequence[str], answer: Callable[[str], Awaitable[str]], concurrency: int, engine: AsyncEngine
) -> list[str | None]:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.execute(text("PRAGMA journal_mode = WAL"))
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    keys = [hashlib.sha1(prompt.encode(), usedforsecurity=False).hexdigest() for prompt in prompts]
    async with sessions() as session, session.begin():
        there = set(await session.scalars(select(Row.key)))
        missing = zip(keys, prompts, strict=True)
        session.add_all(Row(key=key, prompt=prompt) for key, prompt in missing if key not in there)
    async with sessions() as session:
        waiting = list(await session.scalars(select(Row).where(Row.status != "done")))
    turns = asyncio.Semaphore(concurrency)

    async def one(row: Row) -> None:
        async with turns:
            async with sessions() as session, session.begin():
                await session.execute(update(Row).where(Row.key == row.key).values(status="inflight"))
            said = await answer(row.prompt)
            async with sessions() as session, session.begin():
                done = {"status": "done", "answer": said}
                await session.execute(update(Row).where(Row.key == row.key).values(**done))

    await asyncio.gather(*(one(row) for row in waiting))
    async with sessions() as session:
        rows = await session.execute(select(Row.key, Row.answer))
    found: dict[str, str | None] = {row.key: row.answer for row in rows}
    return [found[key] for key in keys]
