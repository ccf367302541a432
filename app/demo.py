"""demo: everything on one machine, from an empty folder to a dashboard in the browser."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import orjson

from app import seed, serve
from app.core.account import get_account_by_email
from app.kit import bootstrap, log, migrate
from app.kit.db import open_as
from app.kit.embedded import Embedded
from app.kit.password import Hasher
from app.kit.token import KeyRing, create_key
from app.kit.vault import create_key as create_vault_key
from app.people import give_password
from app.settings import Settings

DATABASE = "fivefold"
TOKEN_LIFETIME = timedelta(days=30)
ORIGINS = ["http://localhost:*", "http://127.0.0.1:*", "https://localhost:*"]


def run(host: str, port: int, data: Path, say: Callable[[str], None], progress: seed.Progress) -> None:
    """Start PostgreSQL on ``data``, prepare it, seed it and serve. Returns when a signal came and both have stopped."""
    opened = serve.listen(host, port)
    data.mkdir(parents=True, exist_ok=True)
    key = data / "jwt.pem"
    if not key.exists():
        create_key(key)
    sealing = data / "audit.pem"
    if not sealing.exists():
        create_key(sealing)
    vault = data / "vault.key"
    if not vault.exists():
        create_vault_key(vault)
    say("Starting PostgreSQL ...")
    with Embedded.start(data / "postgres") as server:
        admin = server.url(DATABASE)
        say("Preparing the database ...")
        bootstrap.run(admin)
        migrate.up(admin)
        say("Loading demo data ...")
        settings = Settings(
            database_url=server.url(DATABASE, "fivefold_api"),
            jwt_keys=[key],
            vault_keys=[vault],
            allowed_origins=ORIGINS,
            graphiql=True,
            log_format="text",
        )
        asyncio.run(seed.load_demo(admin, progress, settings))
        password = secrets.token_urlsafe(12)  # another at each start: whoever finds an old one has nothing
        hasher = Hasher(memory_mib=settings.password_memory_mib, rounds=settings.password_rounds, at_once=1)
        asyncio.run(give_password(admin, hasher, [seed.CURATOR[0], *(email for email, *_ in seed.PEOPLE)], password))
        token = _write_facts(data, host, port, admin, KeyRing([key]), password)
        shown = f"http://{'localhost' if host in ('127.0.0.1', '0.0.0.0', '::1') else host}:{port}/graphql"  # noqa: S104
        say(f"\nGraphiQL and API:  {shown}\nToken:             {token}")
        say(f"To sign in:        {seed.PEOPLE[0][0]} with the password {password}")
        say(f"Mail goes to:      {data / 'mail'}\nFor scripts:       {data / 'demo.json'}")
        say("Stop with Ctrl-C.\n")
        log.configure(settings.log_format)
        with _worker(server.url(DATABASE, "fivefold_worker"), vault, sealing, data / "mail"):
            serve.run(settings, opened, console_token=token)
    say("Stopped.")


@contextmanager
def _worker(url: str, vault: Path, audit: Path, mail: Path) -> Iterator[None]:
    """The jobs, in a process of their own as everywhere. Mail becomes files, unless the environment says where it goes."""
    environment = {**os.environ, "DATABASE_URL": url, "FIVEFOLD_VAULT_KEYS": str(vault), "FIVEFOLD_LOG_FORMAT": "text"}
    environment.setdefault("FIVEFOLD_AUDIT_KEY", str(audit))
    if not environment.get("FIVEFOLD_SMTP_URL"):
        environment.setdefault("FIVEFOLD_MAIL_FOLDER", str(mail))
    # A group of its own: Ctrl-C is ours to pass on, once the server has stopped.
    process = subprocess.Popen([sys.executable, "-m", "app", "worker"], env=environment, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _write_facts(data: Path, host: str, port: int, admin: str, keys: KeyRing, password: str) -> str:
    """Write DIR/demo.json, readable by its owner alone, and return the first person's token."""
    emails = [seed.PEOPLE[0][0], seed.PEOPLE[1][0], seed.CURATOR[0]]
    token, other, curator = asyncio.run(tokens(admin, keys, emails))
    facts = {
        "url": f"http://{host}:{port}/graphql",
        "token": token,
        "other_token": other,
        "curator_token": curator,
        "email": emails[0],
        "password": password,
        "database_url": admin,
    }
    path = data / "demo.json"
    path.touch(mode=0o600)
    path.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2) + b"\n")
    return token


async def tokens(url: str, keys: KeyRing, emails: list[str]) -> list[str]:
    """A token for each of these people."""
    found = []
    async with open_as(url, "fivefold_owner") as (_, db):
        for email in emails:
            account = await get_account_by_email(db, email=email)
            assert account is not None
            found.append(keys.sign(str(account.id), lifetime=TOKEN_LIFETIME))
    return found
