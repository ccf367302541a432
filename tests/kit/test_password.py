"""Passwords: never more hashes at once than there is memory for."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from app.kit.errors import AppError
from app.kit.password import WAITING_EACH, Hasher, check_password, normalized


async def test_a_hash_holds_its_parameters_and_is_never_the_same() -> None:
    hasher = Hasher(memory_mib=8, rounds=1, at_once=1)
    one, other = await hasher.hash("correct horse"), await hasher.hash("correct horse")
    assert one != other
    assert one.startswith("$argon2id$v=19$m=8192,t=1,p=1$")
    assert await hasher.verify(one, "correct horse")
    assert not await hasher.verify(one, "correct horsf")
    assert not hasher.is_old(one)
    assert Hasher(memory_mib=16, rounds=1, at_once=1).is_old(one)
    assert Hasher(memory_mib=8, rounds=2, at_once=1).is_old(one)


async def test_a_wrong_password_takes_the_same_work_whatever_the_hash_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a clock would tell whose hash is older than the parameters, and so who has an account."""
    spent: list[int] = []

    def count(*_: object, time_cost: int, memory_cost: int, **__: object) -> None:
        spent.append(time_cost * memory_cost)

    monkeypatch.setattr("app.kit.password.hash_secret_raw", count)
    hasher = Hasher(memory_mib=16, rounds=3, at_once=1)
    for memory_mib, rounds, missing in ((16, 3, []), (8, 3, [8 * 1024 * 3]), (8, 1, [40 * 1024 - 1]), (24, 2, [])):
        spent.clear()
        known = await Hasher(memory_mib=memory_mib, rounds=rounds, at_once=1).hash("correct horse")
        assert await hasher.verify(known, "correct horse")
        assert spent == [], "who is right is known anyway"
        assert await hasher.verify(known, "correct horsf") is False
        assert spent == missing, (memory_mib, rounds)
    spent.clear()
    assert await hasher.verify(None, "correct horse") is False
    assert spent == []
    assert await hasher.verify("$argon2id$broken", "correct horse") is False
    assert spent == [16 * 1024 * 3]
    spent.clear()
    heavy = await Hasher(memory_mib=32, rounds=3, at_once=1).hash("correct horse")
    assert await hasher.verify(heavy, "correct horsf") is False
    assert spent == []
    assert await hasher.verify(None, "correct horse") is False
    assert spent == [16 * 1024 * 3], "parameters were lowered, and it is known now that there are heavier ones"


async def test_nobodys_hash_takes_the_same_work_and_fits_nothing() -> None:
    hasher = Hasher(memory_mib=8, rounds=1, at_once=1)
    for password in ("", "correct horse", "\0", "x" * 300):
        assert await hasher.verify(None, password) is False
    assert hasher._nobodys.rsplit("$", 2)[0] == (await hasher.hash("x")).rsplit("$", 2)[0]
    assert not hasher.is_old(hasher._nobodys)


@pytest.mark.parametrize("broken", ["$argon2id$", "", "x", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "$2b$12$" + "x" * 53])
async def test_a_broken_hash_fits_nothing(broken: str) -> None:
    assert await Hasher(memory_mib=8, rounds=1, at_once=1).verify(broken, "correct horse") is False


class Gated(Hasher):
    """Work that waits until it may end, and counts how much of it runs."""

    def __init__(self, at_once: int) -> None:
        super().__init__(memory_mib=8, rounds=1, at_once=at_once)
        self.gate, self.lock = threading.Event(), threading.Lock()
        self.running = self.most = self.begun = 0

    def _verify(self, known: str | None, password: str) -> bool:
        with self.lock:
            self.running += 1
            self.begun += 1
            self.most = max(self.most, self.running)
        self.gate.wait(20)
        with self.lock:
            self.running -= 1
        return True


async def until(condition: object) -> None:
    ends = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


async def test_no_more_run_at_once_and_no_more_wait_than_allowed() -> None:
    hasher = Gated(2)
    room = 2 * (1 + WAITING_EACH)
    asked = [asyncio.create_task(hasher.verify(None, "x")) for _ in range(room)]
    await until(lambda: hasher.running == 2)
    with pytest.raises(AppError) as refused:
        await hasher.verify(None, "x")
    assert refused.value.code_name == "UNAVAILABLE"
    assert (refused.value.extensions or {})["retryAfter"] > 0
    hasher.gate.set()
    assert all(await asyncio.gather(*asked))
    assert hasher.most == 2
    await until(lambda: hasher._under_way == 0)
    assert await hasher.verify(None, "x")


async def test_who_goes_away_makes_no_room_that_is_not_there() -> None:
    """A cancelled request whose thread still hashes counts until it is done."""
    hasher = Gated(2)
    for _ in range(20):
        asked = [asyncio.create_task(hasher.verify(None, "x")) for _ in range(4)]
        await until(lambda: hasher.running == 2)
        for task in asked:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    assert hasher._under_way >= 2
    assert hasher.most == 2
    hasher.gate.set()
    await until(lambda: hasher._under_way == 0)
    assert hasher.begun < 10, "what waited when its caller went is not begun"


async def test_after_the_end_nothing_is_begun() -> None:
    hasher = Hasher(memory_mib=8, rounds=1, at_once=1)
    hasher.close()
    with pytest.raises(AppError):
        await hasher.hash("correct horse")


def test_a_password_is_the_same_however_it_is_typed() -> None:
    assert normalized("A\u030a\u1e9b\u0323 ﬁ") == normalized("\u00c5\u1e69 fi")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse",
        "x1y2z3 and more",
        "ünïcödé wörds",
        "tr0ub4dor&3xyz",
        "a long one, and then " * 9,
        "8f2c1d9b77ae",
        "我的密码是很长的一个句子啊",
    ],
)
def test_any_long_enough_password_will_do(password: str) -> None:
    check_password(password, "ada@example.com", field="password")


@pytest.mark.parametrize(
    "password",
    [
        "password1234", "Password1234!", "P4ssw0rd1234", "123456789012", "1234567890123456", "qwertyuiopas", "iloveyou1234",
        "letmein123456", "passwordpassword", "abcdefghijkl", "x1y2z3x1y2z3", "lovelace2026", "Liverpool1234",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff441234", "p" * 100 + "qrs" * 30, "0123456789ab" * 16,
    ],
)  # fmt: skip
def test_what_is_tried_first_is_refused(password: str) -> None:
    with pytest.raises(AppError) as refused:
        check_password(password, "Ada.Lovelace@example.com", field="password")
    assert "first passwords" in refused.value.message
    assert password not in refused.value.message


@pytest.mark.parametrize(
    "password", ["", "x" * 11, "abc" * 3, "aaaaaaaaaaaaaaaa", "ada.lovelace@example.com", " Ada.Lovelace ", "é" * 201]
)
def test_a_password_that_is_none_is_refused(password: str) -> None:
    with pytest.raises(AppError) as refused:
        check_password(password, "Ada.Lovelace@example.com", field="password")
    assert refused.value.code_name == "BAD_INPUT"
