"""The demo's scans: each end that a scan may have, and something to see of all that is built on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app import seed
from app.core.account import get_account_by_email
from app.core.wallet import buy, check_books
from app.kit.db import open_as
from app.scans import demo
from app.settings import Settings
from tests.conftest import Api
from tests.factory.kit import pool_of

SHOWN = """{
  scans { edges { node { id state failure maskedUrl visibility result { verdict score reasoning } } } }
  monitors { edges { node { maskedUrl latestScan { id result { verdict } } pendingScan { id } } } }
  disputes { edges { node { state reason scan { maskedUrl } } } }
  publishedScans { edges { node { maskedUrl verdict } } }
  notifications(kind: SCAN_CHANGED) { edges { node { text { title body } } } }
  wallet { available reserved }
}"""


async def test_it_has_something_of_everything(shared: Api, tmp_path: Path) -> None:
    """Judged by the engines as they are, paid for, proven; and loaded once, however often."""
    emails = list(demo.STORIES)
    people = {email: await shared.person(email.partition("@")[0]) for email in emails}
    async with open_as(shared.database.url(), "fivefold_owner") as (pool, db):
        accounts = {email: await get_account_by_email(db, email=email) for email in emails}
        dbs = {email: await seed.as_person(pool, db, account) for email, account in accounts.items() if account}
        try:
            for person in dbs.values():
                async with person.transaction():
                    await buy(person, seed.CREDITS, key="demo")
            for _ in range(2):
                await demo.load(dbs, Settings(), accounts[emails[0]].created_at)  # type: ignore[union-attr]
        finally:
            for person in dbs.values():
                await person.close()
    data: dict[str, Any] = (await shared(SHOWN, token=people[emails[0]].token)).data
    scans = [edge["node"] for edge in data["scans"]["edges"]]
    assert [scan["state"] for scan in scans].count("FAILED") == 1
    verdicts = [scan["result"] and scan["result"]["verdict"] for scan in reversed(scans)]
    assert (verdicts[0], verdicts[2], verdicts[3], verdicts[5]) == ("HARMLESS", "MALICIOUS", None, "MALICIOUS")
    assert "SUSPICIOUS" in verdicts
    assert scans[3]["maskedUrl"] == "http://paypal.com.account-verify.example/login?token=***"
    (monitor,), (dispute,), (told,) = (
        [edge["node"] for edge in data[name]["edges"]] for name in ("monitors", "disputes", "notifications")
    )
    assert (monitor["latestScan"]["result"]["verdict"], monitor["pendingScan"]) == ("MALICIOUS", None)
    assert (dispute["state"], dispute["scan"]["maskedUrl"].partition("?")[0]) == (
        "OPEN",
        "https://heron-post.example/track",
    )
    assert told["text"]["title"] == "shop.rowing-club.example: changed"
    assert [edge["node"]["verdict"] for edge in data["publishedScans"]["edges"]] == ["HARMLESS"]
    related = "query($id: ID!) { relatedPublishedScans(scanId: $id, by: ADDRESS) { edges { node { maskedUrl } } } }"
    answer = (await shared(related, {"id": scans[0]["id"]}, token=people[emails[0]].token)).data["relatedPublishedScans"]
    assert answer == {"edges": [{"node": {"maskedUrl": data["publishedScans"]["edges"][0]["node"]["maskedUrl"]}}]}
    assert data["wallet"] == {"available": str(seed.CREDITS - 5), "reserved": "0"}
    await check_books(pool_of(shared))
