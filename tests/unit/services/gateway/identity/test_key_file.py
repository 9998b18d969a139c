"""Keys come and go with their file."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.clock import ManualClock
from services.gateway.identity.api_keys import ApiKey, load_api_keys
from services.gateway.identity.key_file import followed_keys


def write(path: Path, *names: str) -> None:
    entries = [
        {
            "tenant": "acme",
            "name": name,
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
            "scopes": ["read"],
        }
        for name in names
    ]
    path.write_text(json.dumps(entries))


def spoil(path: Path) -> None:
    path.write_text("[{")


def empty(path: Path) -> None:
    """As while it is being written."""
    path.write_text("")


def remove(path: Path) -> None:
    path.unlink()


def move_link(link: Path, target: str) -> None:
    """As Kubernetes does: a new link is made and renamed over the old one."""
    new = link.with_name("new")
    new.symlink_to(target)
    new.rename(link)


class Ticks(ManualClock):
    """A clock on which a sleeper waits for the test to say so."""

    def __init__(self) -> None:
        super().__init__()
        self.tick = asyncio.Semaphore(0)
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await self.tick.acquire()
        self.asleep.clear()

    async def pass_once(self) -> None:
        """Lets the sleeper go round once."""
        await self.asleep.wait()
        self.asleep.clear()
        self.tick.release()
        await self.asleep.wait()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    write(path, "a")
    return path


async def test_a_changed_file_changes_the_keys_and_a_faulty_one_does_not(file: Path) -> None:
    applied: list[list[str]] = []
    clock = Ticks()

    def load() -> Sequence[ApiKey]:
        return load_api_keys("", file)

    def apply(keys: Sequence[ApiKey]) -> None:
        applied.append([key.name for key in keys])

    with capture_logs() as logs:
        async with followed_keys(load(), load, apply, clock):
            await clock.pass_once()
            assert applied == [], "nothing has changed"
            write(file, "a", "b")
            await clock.pass_once()
            spoil(file)
            await clock.pass_once()
            await clock.pass_once()
            remove(file)
            await clock.pass_once()
            empty(file)
            await clock.pass_once()
            write(file, "b")
            await clock.pass_once()
            write(file)
            await clock.pass_once()
    assert applied == [["a", "b"], ["b"], []]
    assert [line["event"] for line in logs] == [
        "api_keys_reloaded",
        "api_keys_not_reloaded",
        "api_keys_not_reloaded",
        "api_keys_not_reloaded",
        "api_keys_reloaded",
        "api_keys_reloaded",
    ]


async def test_a_file_replaced_by_moving_a_link_is_noticed(tmp_path: Path) -> None:
    for number, names in enumerate((["a"], ["b"])):
        (tmp_path / f"version{number}").mkdir()
        write(tmp_path / f"version{number}" / "keys.json", *names)
    link = tmp_path / "current"
    link.symlink_to("version0")
    applied: list[Sequence[ApiKey]] = []
    clock = Ticks()

    def load() -> Sequence[ApiKey]:
        return load_api_keys("", link / "keys.json")

    async with followed_keys(load(), load, applied.append, clock):
        await clock.asleep.wait()
        move_link(link, "version1")
        await clock.pass_once()
    assert [[key.name for key in keys] for keys in applied] == [["b"]]
