"""Sessions: what a thief of a token gets, what ends when, and that an ended session is ended at once."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.identity import find_valid
from app.core.session import RefreshToken, Tokens, sessions_by_id
from app.core.upkeep import delete_old_sessions
from app.kit.context import Actor
from app.kit.graphql import global_id
from app.kit.http import network_of
from app.kit.token import KeyRing, create_key
from tests.conftest import Answer, Api
from tests.factory.core import Person
from tests.factory.jobs import worker_db
from tests.factory.kit import db_of, pool_of
from tests.factory.session import sign_in

VIEWER = "{ viewer { account { email } } }"
SESSIONS = """
{ sessions { edges { node { id method client address current createdAt refreshedAt idleUntil expiresAt endedAt } } } }
"""
REFRESH = """
mutation Refresh($token: String!) {
  refreshSession(input: {refreshToken: $token}) {
    tokens { accessToken accessExpiresAt refreshToken refreshExpiresAt }
  }
}
"""
SIGN_OUT = "mutation { signOut { session { id endedAt } } }"
REVOKE = "mutation Revoke($id: ID!) { revokeSession(id: $id) { session { id endedAt } } }"
EVERYWHERE = "mutation Everywhere($keep: Boolean!) { signOutEverywhere(keepCurrent: $keep) { revoked } }"
AUDIT = '{ auditEvents(object: "core.account") { edges { node { action actorId objectId detail } } } }'


async def refresh(api: Api, token: str, agent: str = "Firefox") -> Answer:
    return await api(REFRESH, {"token": token}, User_Agent=agent)


async def works(api: Api, access: str) -> bool:
    answer = await api(VIEWER, token=access)
    assert answer.codes in ([], ["UNAUTHENTICATED"])
    return not answer.codes


async def told(api: Api, person: Person) -> list[str]:
    """What the person's own audit says of the account, the newest first."""
    events = (await api(AUDIT, token=person.token)).data["auditEvents"]["edges"]
    assert {event["node"]["objectId"] for event in events} <= {global_id("Account", str(person.account_id))}
    return [event["node"]["action"] for event in events]


def id_of(tokens: Tokens) -> str:
    return global_id("Session", jwt.decode(tokens.access_token, options={"verify_signature": False})["sid"])


async def test_a_session_is_two_tokens_and_a_row(shared: Api) -> None:
    ada = await shared.person("ada")
    tokens = await sign_in(shared, ada, agent="Firefox", network="2001:db8::/64")
    assert await works(shared, tokens.access_token)
    claims = jwt.decode(tokens.access_token, options={"verify_signature": False})
    assert (claims["exp"], claims["exp"] - claims["iat"]) == (tokens.access_expires_at.timestamp(), 900)
    (node,) = [e["node"] for e in (await shared(SESSIONS, token=tokens.access_token)).data["sessions"]["edges"]]
    assert (node["id"], node["client"], node["address"], node["method"]) == (
        id_of(tokens),
        "Firefox",
        "2001:db8::/64",
        "PASSWORD",
    )
    assert (node["current"], node["endedAt"]) == (True, None)
    assert [e["node"]["current"] for e in (await shared(SESSIONS, token=ada.token)).data["sessions"]["edges"]] == [False]
    assert (await told(shared, ada))[0] == "SIGN_IN"


async def test_no_secret_is_in_the_database(shared: Api) -> None:
    tokens = await sign_in(shared, await shared.person("secret"))
    halves = base64.urlsafe_b64decode(tokens.refresh_token.removeprefix("ffr_") + "==")
    async with shared.database.connect() as admin:
        rows = await admin.fetch("SELECT s::text FROM core.session AS s UNION SELECT d::text FROM core.audit_detail AS d")
    for secret in (tokens.refresh_token, halves[:32].hex(), halves[32:].hex(), tokens.access_token):
        assert [row for (row,) in rows if secret in row] == []


async def test_refreshing_goes_on_and_keeps_the_session(shared: Api) -> None:
    ben = await shared.person("ben")
    first = await sign_in(shared, ben)
    token, seen = first.refresh_token, {first.refresh_token}
    for _ in range(3):
        tokens = (await refresh(shared, token)).data["refreshSession"]["tokens"]
        token = tokens["refreshToken"]
        assert await works(shared, tokens["accessToken"])
        assert token not in seen
        seen.add(token)
    assert await works(shared, first.access_token)  # it was not taken back: it ends by itself
    assert len((await shared(SESSIONS, token=ben.token)).data["sessions"]["edges"]) == 1


@pytest.mark.parametrize("age", [1, 2, 3])
async def test_a_used_token_ends_the_session_for_everybody(shared: Api, age: int) -> None:
    """However old it is, and whoever comes second: the thief or the owner."""
    eve = await shared.person(f"reuse{age}")
    other = await sign_in(shared, eve)
    stolen = await sign_in(shared, eve)
    newest, access = stolen.refresh_token, stolen.access_token
    for _ in range(age):
        tokens = (await refresh(shared, newest)).data["refreshSession"]["tokens"]
        newest, access = tokens["refreshToken"], tokens["accessToken"]
    refused = await refresh(shared, stolen.refresh_token, "curl")
    assert refused.codes == ["UNAUTHENTICATED"]
    assert not await works(shared, access)
    assert not await works(shared, stolen.access_token)
    assert (await refresh(shared, newest)).body["errors"][0]["message"] == refused.body["errors"][0]["message"]
    assert await works(shared, other.access_token), "another session of the same account is not concerned"
    assert (await told(shared, eve)).count("TOKEN_REUSED") == 1


async def test_an_answer_that_was_lost_is_given_again(shared: Api) -> None:
    """To the same client, for a moment, and always the same: nothing is in the database but a hash."""
    person = await shared.person("lost")
    tokens = await sign_in(shared, person)
    answers = await asyncio.gather(*(refresh(shared, tokens.refresh_token) for _ in range(8)))
    pairs = [answer.data["refreshSession"]["tokens"] for answer in answers]
    assert len({pair["refreshToken"] for pair in pairs}) == 1
    assert all([await works(shared, pair["accessToken"]) for pair in pairs])
    after = (await refresh(shared, pairs[0]["refreshToken"])).data["refreshSession"]["tokens"]
    assert after["refreshToken"] not in {pair["refreshToken"] for pair in pairs}
    assert await told(shared, person) == ["SIGN_IN"], "nothing that looks like a theft"
    assert len((await shared(SESSIONS, token=person.token)).data["sessions"]["edges"]) == 1


@pytest.mark.parametrize("late", ["another client", "after the grace", "after the next"])
async def test_no_grace_for_who_may_be_a_thief(shared: Api, late: str) -> None:
    person = await shared.person(f"grace {late}")
    tokens = await sign_in(shared, person)
    newest = (await refresh(shared, tokens.refresh_token)).data["refreshSession"]["tokens"]
    if late == "after the grace":
        await age(shared, tokens, "refreshed_at = refreshed_at - $2::interval", timedelta(seconds=11))
    elif late == "after the next":
        newest = (await refresh(shared, newest["refreshToken"])).data["refreshSession"]["tokens"]
    again = await refresh(shared, tokens.refresh_token, "curl" if late == "another client" else "Firefox")
    assert again.codes == ["UNAUTHENTICATED"]
    assert not await works(shared, newest["accessToken"])
    assert (await refresh(shared, newest["refreshToken"])).codes == ["UNAUTHENTICATED"]
    assert (await told(shared, person)).count("TOKEN_REUSED") == 1


async def test_what_follows_a_token_is_known_to_the_server_alone(shared: Api, tmp_path: Path) -> None:
    token = RefreshToken.new()
    create_key(tmp_path / "other.pem")
    other = KeyRing([tmp_path / "other.pem"])
    following = token.following(shared.keys)
    assert following == token.following(shared.keys)
    assert following.family == token.family
    assert len({following.turn, token.turn, token.following(other).turn, following.following(shared.keys).turn}) == 4


def altered(token: str, place: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(token.removeprefix("ffr_") + "=="))
    raw[place] ^= 1
    return "ffr_" + base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode()


async def test_a_guess_is_refused_and_harms_nobody(shared: Api) -> None:
    """Who does not know the session's half cannot end it, not even who knows its id."""
    tokens = await sign_in(shared, await shared.person("guessed"))
    session = id_of(tokens)
    good = tokens.refresh_token
    foreign = ["", "x", session, tokens.access_token, "ffr_", f"ffr_{session}", str(RefreshToken.new()), "ffr_\u00e9", "ffr_\0"]
    cut = [good[:-4], good + "AAAA", good.upper(), "ffr_" + "A" * 86, "ffr_" + "A" * 10_000, "ffr_" + "=" * 86]
    for guess in (*foreign, *cut, altered(good, 0)):
        assert (await refresh(shared, guess)).codes == ["UNAUTHENTICATED"], guess
    assert await works(shared, tokens.access_token)
    assert (await refresh(shared, altered(tokens.refresh_token, 40))).codes == ["UNAUTHENTICATED"]
    assert not await works(shared, tokens.access_token), "the session's half was right: it is a token of an earlier turn"


async def test_an_access_token_is_no_refresh_token_and_the_other_way_round(shared: Api) -> None:
    tokens = await sign_in(shared, await shared.person("mixed"))
    assert (await refresh(shared, tokens.access_token)).codes == ["UNAUTHENTICATED"]
    assert (await shared(VIEWER, token=tokens.refresh_token)).code == "UNAUTHENTICATED"


async def test_signing_out_ends_this_session_at_once(shared: Api) -> None:
    person = await shared.person("leaving")
    one, other = await sign_in(shared, person), await sign_in(shared, person)
    ended = (await shared(SIGN_OUT, token=one.access_token)).data["signOut"]["session"]
    assert ended["id"] == id_of(one)
    assert ended["endedAt"] is not None
    assert not await works(shared, one.access_token)
    assert (await refresh(shared, one.refresh_token)).codes == ["UNAUTHENTICATED"]
    assert await works(shared, other.access_token)
    assert (await told(shared, person))[0] == "SIGN_OUT"
    assert (await shared(SIGN_OUT, token=person.token)).data == {"signOut": {"session": None}}
    assert await works(shared, person.token), "tokens of the command line belong to no session"


async def test_a_person_ends_the_own_sessions_and_nobody_elses(shared: Api) -> None:
    ada, eve = await shared.person("owner"), await shared.person("stranger")
    one, two, three = [await sign_in(shared, ada) for _ in range(3)]
    foreign = await sign_in(shared, eve)
    assert (await shared(REVOKE, {"id": id_of(foreign)}, token=one.access_token)).codes == ["NOT_FOUND"]
    assert (await shared(REVOKE, {"id": global_id("Session", str(uuid4()))}, token=one.access_token)).codes == ["NOT_FOUND"]
    assert await works(shared, foreign.access_token)
    first = (await shared(REVOKE, {"id": id_of(two)}, token=one.access_token)).data["revokeSession"]["session"]
    assert (await shared(REVOKE, {"id": id_of(two)}, token=one.access_token)).data["revokeSession"]["session"] == first
    assert not await works(shared, two.access_token)
    assert (await shared(EVERYWHERE, {"keep": True}, token=one.access_token)).data["signOutEverywhere"] == {"revoked": 1}
    assert not await works(shared, three.access_token)
    assert await works(shared, one.access_token)
    assert (await shared(EVERYWHERE, {"keep": False}, token=one.access_token)).data["signOutEverywhere"] == {"revoked": 1}
    assert not await works(shared, one.access_token)
    assert await works(shared, foreign.access_token)
    assert (await shared(SESSIONS, token=ada.token)).data["sessions"]["edges"] == []


async def test_a_token_names_its_own_accounts_session_only(shared: Api) -> None:
    ada, ben = await shared.person("one"), await shared.person("two")
    session_id = UUID(jwt.decode((await sign_in(shared, ben)).access_token, options={"verify_signature": False})["sid"])
    for sid in (session_id, uuid4(), ben.account_id):
        forged = shared.keys.sign(str(ada.account_id), lifetime=timedelta(hours=1), session_id=sid)
        assert (await shared(VIEWER, token=forged)).code == "UNAUTHENTICATED"
    assert await works(shared, shared.keys.sign(str(ben.account_id), lifetime=timedelta(hours=1), session_id=session_id))


async def test_an_ended_session_is_heard_no_more(shared: Api) -> None:
    """Open connections ask again who may still call."""
    person = await shared.person("listening")
    tokens = await sign_in(shared, person)
    session_id = UUID(jwt.decode(tokens.access_token, options={"verify_signature": False})["sid"])
    signed_in = Actor(person.account_id, person.workspace_id, "owner", session_id=session_id)
    foreign = Actor(person.account_id, person.workspace_id, "owner", session_id=uuid4())
    without = Actor(person.account_id, person.workspace_id, "owner")
    assert await find_valid(pool_of(shared), [signed_in, foreign, without]) == {signed_in, without}
    assert (await shared(SIGN_OUT, token=tokens.access_token)).data
    assert await find_valid(pool_of(shared), [signed_in, foreign, without]) == {without}


async def age(api: Api, tokens: Tokens, column: str, by: timedelta) -> None:
    """Let time pass for one session."""
    session_id = UUID(jwt.decode(tokens.access_token, options={"verify_signature": False})["sid"])
    async with api.database.connect() as admin:
        await admin.execute(f"UPDATE core.session SET {column} WHERE id = $1", session_id, *([by] if "$2" in column else []))


async def test_sessions_run_out_by_idleness_and_by_age(shared: Api) -> None:
    person = await shared.person("idle")
    tokens = await sign_in(shared, person, session_days=90, session_idle_days=30)
    now = datetime.now(UTC)
    assert abs(tokens.refresh_expires_at - now - timedelta(days=30)) < timedelta(minutes=5)
    await age(shared, tokens, "idle_until = now() - $2::interval", timedelta(seconds=1))
    assert (await refresh(shared, tokens.refresh_token)).codes == ["UNAUTHENTICATED"]
    last = await sign_in(shared, person)
    await age(shared, last, "expires_at = now() + $2::interval, idle_until = now() + $2::interval", timedelta(minutes=2))
    renewed = (await refresh(shared, last.refresh_token)).data["refreshSession"]["tokens"]
    ends = [datetime.fromisoformat(renewed[name]) for name in ("accessExpiresAt", "refreshExpiresAt")]
    assert ends[0] <= ends[1] <= now + timedelta(minutes=3), "no access token outlives its session"


async def test_short_settings_bound_the_first_tokens_too(shared: Api) -> None:
    tokens = await sign_in(shared, await shared.person("short"), session_days=0.0001, session_idle_days=30)
    assert tokens.access_expires_at <= tokens.refresh_expires_at


async def test_what_ran_out_a_month_ago_is_deleted(shared: Api) -> None:
    person = await shared.person("old")
    old, young = await sign_in(shared, person), await sign_in(shared, person)
    await age(shared, old, "idle_until = now() - $2::interval", timedelta(days=31))
    await age(shared, young, "idle_until = now() - $2::interval", timedelta(days=29))
    async with worker_db(shared.database) as db, db.transaction():
        await delete_old_sessions(db)
    async with shared.database.connect() as admin:
        left = await admin.fetch("SELECT id FROM core.session WHERE account_id = $1", person.account_id)
    assert [global_id("Session", str(row["id"])) for row in left] == [id_of(young)]


async def test_a_session_is_seen_by_its_account_alone(shared: Api) -> None:
    tokens = await sign_in(shared, await shared.person("mine"))
    session_id = UUID(jwt.decode(tokens.access_token, options={"verify_signature": False})["sid"])
    for name, seen in (("mine", True), ("yours", False)):
        db = await db_of(shared, name)
        try:
            assert [row is not None for row in await sessions_by_id(db, ids=[session_id])] == [seen]
        finally:
            await db.close()


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_refresh_token_is_read_as_it_was_written(family: bytes, turn: bytes) -> None:
    token = RefreshToken(family, turn)
    assert RefreshToken.parse(str(token)) == token


@given(st.text(max_size=120))
def test_what_is_no_refresh_token_is_none(text: str) -> None:
    assert RefreshToken.parse(text) is None
    read = RefreshToken.parse("ffr_" + text)
    assert read is None or len(read.family + read.turn) == 64


def test_a_client_is_its_network() -> None:
    assert network_of("203.0.113.7") == "203.0.113.7"
    assert network_of("::ffff:203.0.113.7") == "203.0.113.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    for text in ("", "testclient", "1.2.3", "x" * 5000):
        assert network_of(text) == ""
