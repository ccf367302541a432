"""Demo data of the scans product: scans that ended in each way, a monitor that saw a change, a dispute, a publication.

Nothing is fetched: what would have been seen is written here, and everything else goes through the functions of the API and of
the worker, judging included. One transaction for each person, so that a demo that was stopped half-way has all or nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from uuid import UUID

from app.core.data_key import derive_key, seal
from app.core.wallet import release_all, settle_all
from app.kit.db import Db
from app.kit.page import page
from app.kit.vault import new_id
from app.scans import monitor
from app.scans.access import record_all_accesses
from app.scans.comparison import ScanChange
from app.scans.dispute import DisputeClaim, insert_dispute
from app.scans.flow import LEASE, MOST_ATTEMPTS, PATIENCE, ScanSettings, begin_analysis, end_scan, take_scan
from app.scans.judgement import Engines, Judgement, followed, judge
from app.scans.observation import FetchFailure, Hop, Observation
from app.scans.publication import insert_publication, insert_publication_address
from app.scans.scan import URL_KEY, ScanState, ScanVisibility, page_scan
from app.scans.scan_result import Outcome, record_results
from app.scans.submission import SubmitScanInput, submit
from app.scans.url import expression_hash, parse_url, url_hash

ADDRESS = ip_address("93.184.215.14")
WORDS = "The club meets on Sundays at the lake. New members are welcome, and boats are lent to everybody who can swim."
ROWING = (
    f"<!doctype html><html lang=en><title>Rowing club</title><h1>Rowing club</h1><p>{WORDS}</p><a href=/news>News</a></html>"
)
PARCEL = """<!doctype html><html lang=en><title>Your parcel is waiting</title><h1>Your parcel could not be delivered</h1>
<p>Pay the customs fee of 1.99 and your parcel will be delivered.</p>
<form action="/pay" method="post"><input name="name"><input name="card" autocomplete="cc-number"><button>Pay now</button></form>
</html>"""
LOGIN = """<!doctype html><html lang=en><title>PayPal: Log in</title><h1>PayPal</h1>
<p>Your account has been limited. Confirm your identity within 24 hours or your account will be closed.</p>
<form action="https://collect.example.net/in.php" method="post"><input name="email" type="email">
<input name="password" type="password"><input name="card" autocomplete="cc-number"><button>Log in</button></form></html>"""


@dataclass(frozen=True)
class Story:
    """An address, and what would have been seen of it: a page, or why there was none."""

    url: str
    page: str = ""
    failure: FetchFailure | None = None


SHOP = "https://shop.rowing-club.example/"
STORIES = {
    "ada@example.com": [
        Story("https://rowing-club.example/", ROWING),
        Story("https://heron-post.example/track?id=4711", PARCEL),
        Story("http://paypal.com.account-verify.example/login?token=9f8a7c6b5d4e3f2a1b0c", LOGIN),
        Story("https://nobody-is-there.example/", failure=FetchFailure.NAME_NOT_FOUND),
        Story(SHOP, ROWING),
        Story(SHOP, LOGIN),
    ],
    "ben@example.com": [Story("https://recipes.example/apple-cake", ROWING.replace("Rowing club", "Apple cake"))],
}


async def load(people: dict[str, Db], settings: ScanSettings, now: datetime) -> None:
    """Of each person who has none yet; ``people`` maps e-mail to a Db as that person."""
    for email, stories in STORIES.items():
        db = people[email]
        async with db.transaction():
            if not (await page(page_scan, db, 1, None, host=None)).rows:
                scans = [await _tell(db, settings, story, f"demo-scan-{place}") for place, story in enumerate(stories)]
                if email == "ada@example.com":
                    await _more(db, settings, scans, now)


async def _tell(db: Db, settings: ScanSettings, story: Story, key: str) -> UUID:
    """One scan, from its submission to its end."""
    made = (await submit(db, settings, SubmitScanInput(url=story.url, idempotency_key=key))).scan
    (taken,) = await take_scan(db, job_id=0, most_attempts=MOST_ATTEMPTS, patience=PATIENCE, lease=LEASE, limit=1)
    seen, version, judgement = _seen(story), taken.version, None
    await record_all_accesses(db, [(made.id, seen)], await derive_key(db, settings, URL_KEY))
    if story.failure is None:
        judgement = await judge(parse_url(story.url), seen, Engines(followed(settings.scan_feed)))
        (moved,) = await begin_analysis(db, ids=[made.id], versions=[version])
        version = moved.version
    await _end(db, made.id, version, seen, judgement, story.failure)
    return made.id


async def _end(
    db: Db, scan_id: UUID, version: int, seen: Observation, judgement: Judgement | None, failure: FetchFailure | None
) -> None:
    state = ScanState.FAILED if judgement is None else ScanState.COMPLETED
    (ended,) = await end_scan(
        db,
        ids=[scan_id],
        versions=[version],
        states=[state.value],
        failures=[failure.name if failure else None],
    )
    if judgement is None:
        await release_all(db, [ended.reservation_id])
    else:
        await settle_all(db, [ended.reservation_id])
        await record_results(db, [Outcome(scan_id, seen, judgement)])


def _seen(story: Story) -> Observation:
    body = story.page.encode()
    port = 443 if story.url.startswith("https:") else 80
    hop = Hop(0, story.url, None if story.failure else ADDRESS, port, None if story.failure else 200, story.failure, 42)
    return Observation(
        url=story.url,
        hops=(hop,),
        final_url=story.url,
        status=hop.status,
        headers={"server": "nginx"} if body else {},
        content_type="text/html" if body else None,
        content_sha256=hashlib.sha256(body).digest() if body else None,
        size=len(body),
        body=body,
        failure=story.failure,
    )


async def _more(db: Db, settings: ScanSettings, scans: list[UUID], now: datetime) -> None:
    """A monitor that saw its page change, a verdict that is disputed, and one that everybody may see."""
    harmless, disputed, *_, before, after = scans
    url, monitor_id = parse_url(SHOP), new_id()
    await monitor.insert_monitor(
        db,
        id=monitor_id,
        interval_hours=24,
        host=url.masked_host,
        masked_url=url.masked,
        alert_on=[each.name for each in ScanChange if each is not ScanChange.CONTENT],
        url_hash=url_hash(await derive_key(db, settings, URL_KEY), url.canonical),
        url_sealed=await seal(db, settings, monitor.TABLE, "url_sealed", monitor_id, url.canonical.encode()),
    )
    for scan_id in (before, after):
        await monitor.update_pending(db, id=monitor_id, scan_id=scan_id, due_at=now + timedelta(days=1))
        await monitor.compare_next(db)
    reason = "The customs office itself sent me this address."
    await insert_dispute(db, scan_id=disputed, claim=DisputeClaim.FALSE_ALARM.value, reason=reason)
    expression = parse_url(STORIES["ada@example.com"][0].url).expressions()[0]
    shown = await insert_publication(
        db,
        scan_id=harmless,
        visibility=ScanVisibility.PUBLIC.value,
        expression_hash=expression_hash(expression),
        token_hash=None,
    )
    assert shown is not None
    await insert_publication_address(db, id=shown.id, scan_id=harmless)
