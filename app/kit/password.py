"""Passwords: Argon2id, in so many threads as memory allows for and no more.

A hash takes tens of mebibytes and a tenth of a second, so whoever may ask for hashes may ask for all of the memory and all of
the processors. Only so many run at once, some more wait, and the rest are told to come back.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import hash_secret_raw

from app.kit.errors import AppError, ErrorCode

T = TypeVar("T")

SHORTEST = 12
"""What can be guessed offline from a stolen hash is shorter. No rule about digits and signs: those make passwords worse."""
LONGEST = 200
"""Room for any passphrase, and no more work than for a short one."""
FEWEST_GUESSES = 10**8
"""What is found with fewer guesses is on a list, or a variation of something that is: zxcvbn knows 30,000 passwords, names and
words, keyboards, dates, repetitions, and how people disguise them."""
LOOKED_AT = 40
"""So many characters are looked at: the work grows with the square, and what is good so far is good enough."""
WAITING_EACH = 16
"""So many wait for each that runs: some seconds of work. Who came later would wait longer than a person does."""
LANES = 1
"""One thread for each hash: the pool is what keeps the processors busy."""
SALT_BYTES, HASH_BYTES = 16, 32


class Hasher:
    """Hashes and verifies. ``memory_mib`` and ``rounds`` are those of new hashes; older ones say themselves what they took."""

    def __init__(self, *, memory_mib: int, rounds: int, at_once: int) -> None:
        self._argon = PasswordHasher(
            time_cost=rounds,
            memory_cost=memory_mib * 1024,
            parallelism=LANES,
            hash_len=HASH_BYTES,
            salt_len=SALT_BYTES,
            type=Type.ID,
        )
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")
        self._most = at_once * (1 + WAITING_EACH)
        self._under_way = 0
        parameters = f"m={memory_mib * 1024},t={rounds},p={LANES}"
        self._nobodys = f"$argon2id$v=19${parameters}${_encoded(SALT_BYTES)}${_encoded(HASH_BYTES)}"
        self._rounds, self._work = rounds, memory_mib * 1024 * rounds

    async def hash(self, password: str) -> str:
        """A hash that holds its parameters and its salt. Raises UNAVAILABLE when too many wait."""
        return await self._run(lambda: self._argon.hash(normalized(password)))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether it is the password of ``known``. Raises UNAVAILABLE.

        Without one, the same work is done for nothing, and of an older hash, which takes less, what is missing: else a clock
        could tell those who have not signed in for long from those who are nobody.
        """
        return await self._run(lambda: self._verify(known, password))

    def is_old(self, known: str) -> bool:
        """Whether it was made with other parameters than new ones are."""
        return self._argon.check_needs_rehash(known)

    def close(self) -> None:
        """What runs is finished; what waits is not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, known: str | None, password: str) -> bool:
        try:
            return self._argon.verify(known or self._nobodys, normalized(password)) and known is not None
        except (VerificationError, InvalidHashError):
            self._make_up(known or self._nobodys, password)
        return False

    def _make_up(self, known: str, password: str) -> None:
        """What refusing ``known`` took less than the heaviest hash that was refused, or than a new one.

        Time grows with the product of memory and rounds. Hashes are heavier than new ones after parameters were lowered.
        """
        try:
            found = extract_parameters(known)
            done = found.memory_cost * found.time_cost
        except InvalidHashError:
            done = 0
        self._work = max(self._work, done)
        work = self._work - done
        if work > 0:
            hash_secret_raw(
                normalized(password).encode(),
                secrets.token_bytes(SALT_BYTES),
                time_cost=self._rounds,
                memory_cost=max(work // self._rounds, 8 * LANES),
                parallelism=LANES,
                hash_len=HASH_BYTES,
                type=Type.ID,
            )

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._most:
            raise TooManyPasswords
        loop = asyncio.get_running_loop()
        self._under_way += 1
        try:
            future = self._threads.submit(work)
        except RuntimeError:  # the process is about to end
            self._under_way -= 1
            raise TooManyPasswords from None
        # Counted until the thread is done with it: a caller who goes away does not make room that is not there.
        future.add_done_callback(lambda _: loop.is_closed() or loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def _done(self) -> None:
        self._under_way -= 1


class TooManyPasswords(AppError):
    """More passwords are being checked than there is room for."""

    def __init__(self) -> None:
        super().__init__(ErrorCode.UNAVAILABLE, "Too many people are signing in at this moment. Try again in a few seconds.")
        self.extensions = {**(self.extensions or {}), "retryAfter": 5}


def normalized(password: str) -> str:
    """The same characters, however a keyboard composes them (NFKC, as NIST SP 800-63B has it)."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, email: str, *, field: str) -> None:
    """Raise BAD_INPUT for one that is too short, too long, the address itself, or among the first that are tried."""
    if not SHORTEST <= len(normalized(password)) <= LONGEST or len(password) > LONGEST:
        raise AppError(ErrorCode.BAD_INPUT, f"A password has {SHORTEST} to {LONGEST} characters.", field=field)
    if len(set(password)) < 4:
        raise AppError(ErrorCode.BAD_INPUT, "A password has at least four different characters.", field=field)
    address = email.lower()
    if normalized(password).lower().strip() in (address, address.partition("@")[0]):
        raise AppError(ErrorCode.BAD_INPUT, "The password is the address itself. Choose another.", field=field)
    from zxcvbn import zxcvbn  # its lists take 13 MB, in processes that are never asked for a new password too

    own = [address, *re.split(r"[^a-z0-9]+", address)]
    if zxcvbn(normalized(password)[:LOOKED_AT], user_inputs=own)["guesses"] < FEWEST_GUESSES:
        message = (
            "This is one of the first passwords that anybody would try: a common word, a row of keys or a date with a little "
        )
        raise AppError(
            ErrorCode.BAD_INPUT,
            message + "added. Put some words together that have nothing to do with each other.",
            field=field,
        )


def _encoded(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()
