"""kill -9 of a real server or worker between any two steps of an export, an erasure, a payment, and what credits are spent on:
whole in the end, once, and never half."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.conftest import Api
from tests.core.test_wallet import balance, check
from tests.factory.core import Person
from tests.factory.kit import give, inhabit
from tests.factory.mortal import mortals
from tests.factory.organization import prove_address
from tests.factory.outbox import Outbox
from tests.factory.stripe import SECRET, bought, charge, event, sell, send

EXPORT = 'mutation { requestExport(input: {idempotencyKey: "killed"}) { export { id } } }'
LINK = "mutation($id: ID!) { createExportLink(id: $id) { path } }"
ERASE = 'mutation($email: String!) { requestErasure(input: {confirmEmail: $email, idempotencyKey: "k"}) { erasure { id } } }'
BUILDING = [
    ("core/data_export.get_open_export", "before", 1),
    ("core/data_export.list_export_row", "after", 7),
    ("core/data_export.list_export_row", "after", 31),
    ("core/data_export.delete_data_export_chunk", "after", 1),
    ("core/data_export.insert_data_export_chunk", "after", 1),
    ("core/data_export.update_finished_export", "after", 1),
    ("core/notification.insert_notification", "after", 1),
    ("COMMIT", "before", 1),
]
MAILING = [
    ("COMMIT", "after", 1),  # of the export: the queue does not know yet that it is done
    ("core/data_export.take_export_link", "before", 1),
    ("core/data_export.take_export_link", "after", 1),
    ("COMMIT", "after", 1),  # of the link, whose mail is not sent yet
]
ERASING = [
    ("core/across.list_due_erasure", "after", 1),
    ("core/erased_identity.list_leaving_identity", "before", 1),  # the line is in the file, and nothing has happened
    ("core/erased_identity.list_leaving_identity", "after", 1),
    ("core/erased_identity.insert_erased_identity", "after", 1),
    ("core/erasure.take_erased", "before", 1),
    ("core/erasure.take_erased", "after", 1),
    ("COMMIT", "before", 1),
]
RECEIVING = [
    ("core/billing_event.receive_billing_event", "before"),
    ("core/billing_event.receive_billing_event", "after"),
    ("kit/jobs.enqueue_jobs", "before"),
    ("kit/jobs.enqueue_jobs", "after"),
    ("COMMIT", "before"),
]
BOOKING = [
    ("core/billing_event.get_billing_event", "before"),
    ("core/billing_event.get_billing_event", "after"),
    ("kit/jobs.insert_effect", "before"),
    ("kit/jobs.insert_effect", "after"),
    ("core/billing_event.get_pack_by_id", "after"),
    ("core/credit_purchase.settle_payment", "before"),
    ("core/credit_purchase.settle_payment", "inside"),
    ("core/credit_purchase.settle_payment", "after"),
    ("core/billing_event.update_billing_event", "before"),
    ("core/billing_event.update_billing_event", "after"),
    ("COMMIT", "before"),
]
REVERSING = [step for step in BOOKING if "get_pack" not in step[0]]
SPENDING = [
    ("core/idempotency.insert_idempotency", "after"),
    ("core/wallet.reserve_credits", "before"),
    ("core/wallet.reserve_credits", "after"),
    ("scans/submission.insert_scan", "after"),
    ("kit/jobs.enqueue_jobs", "after"),
    ("core/idempotency.update_idempotency", "after"),
    ("COMMIT", "before"),
]
SUBMIT = 'mutation { submitScan(input: {url: "https://example.com/", idempotencyKey: "k"}) { cost scan { id } } }'


async def test_an_export_is_made_once_and_whole(api: Api, tmp_path: Path) -> None:
    ada = await api.person("ada")
    await prove_address(api, "ada")
    export_id = (await api(EXPORT, token=ada.token)).data["requestExport"]["export"]["id"]
    state = (
        "SELECT (SELECT count(*) FROM core.data_export WHERE finished_at IS NOT NULL),"
        " (SELECT count(*) FROM core.data_export_chunk) > 0, (SELECT count(*) FROM core.notification WHERE kind = 7),"
        " (SELECT count(*) FROM core.audit_event WHERE action = 'EXPORT')"
    )
    async with mortals(api.database, tmp_path) as run, api.database.connect() as admin:
        for step in BUILDING:
            assert await run(*step), step
            assert tuple(*await admin.fetch(state)) == (0, False, 0, 0), step
        made = None
        for step in MAILING:
            assert await run(*step), step
            assert tuple(*await admin.fetch(state)) == (1, True, 1, 1), step
            row = tuple(*await admin.fetch("SELECT finished_at, digest FROM core.data_export"))
            assert made in (None, row), "it is not made again"
            made = row
        assert not await run()
        assert tuple(*await admin.fetch(state)) == (1, True, 1, 1)
        digest = await admin.fetchval("SELECT digest FROM core.data_export")
        assert await admin.fetchval("SELECT count(*) FROM jobs.pgqueuer WHERE entrypoint LIKE 'core.%export%'") == 0
    outbox = Outbox(tmp_path / "mail")
    (mail,) = [each for each in await outbox.receive(api) if "#token=" in each.text]
    whole = (await api.http.get(f"/exports/{mail.token}")).content
    assert hashlib.sha256(whole).digest() == digest
    assert zipfile.ZipFile(io.BytesIO(whole)).testzip() is None
    assert (await api(LINK, {"id": export_id}, token=ada.token)).data


async def rows_of(admin: Any, person: Person) -> dict[str, int]:
    """How many rows of each table name somebody or their workspace, the ledgers' apart."""
    tables = await admin.fetch(
        "SELECT DISTINCT i.object FROM core.data_inventory AS i JOIN pg_attribute AS a ON a.attrelid = i.object::regclass"
        " AND a.attname = i.column_name WHERE i.erase_rule = 'delete' AND i.column_name = 'workspace_id'"
    )
    counted = " UNION ALL ".join(
        f"SELECT '{row['object']}', count(*) FROM {row['object']} WHERE workspace_id = $1" for row in tables
    )
    return {name: count for name, count in await admin.fetch(counted, person.workspace_id) if count}


async def test_an_erasure_leaves_nothing_half(api: Api, tmp_path: Path) -> None:
    ada, ben = await inhabit(api, "ada", "canarybird"), await api.person("ben")
    async with api.database.connect() as admin:
        await admin.execute("DELETE FROM jobs.pgqueuer")
        await admin.execute(
            "INSERT INTO core.identity (account_id, issuer, subject) VALUES ($1, 'https://id.example', 'ada')", ada.account_id
        )
        await admin.execute("UPDATE core.erasure SET canceled_at = now() WHERE canceled_at IS NULL")
        await admin.execute("INSERT INTO core.erasure (account_id, due_at) VALUES ($1, now())", ada.account_id)
        before = await rows_of(admin, ada)
        assert len(before) > 10
        async with mortals(api.database, tmp_path) as run:
            for step in ERASING:
                assert await run(*step), step
                assert await rows_of(admin, ada) == before, step
                assert await admin.fetchval("SELECT count(*) FROM core.erased_identity") == 0, step
            assert await run("COMMIT", "after"), "killed right after it happened"
            assert await rows_of(admin, ada) == {}
            assert not await run(), "nothing is left to do"
        told = await admin.fetch(
            "SELECT (SELECT count(*) FROM core.erasure WHERE erased_at IS NOT NULL),"
            " (SELECT count(*) FROM core.audit_event WHERE action = 'ERASE'), (SELECT count(*) FROM core.erased_identity)"
        )
        assert tuple(*told) == (1, 1, 1)
    assert len(list((tmp_path / "ledger").glob("*.jsonl"))) == 1
    assert (await api("{ viewer { account { email } } }", token=ada.token)).code == "UNAUTHENTICATED"
    assert (await api("{ viewer { account { email } } }", token=ben.token)).data


async def test_a_payment_is_booked_once_whoever_dies(api: Api, tmp_path: Path) -> None:
    """The server that is told, then the worker that books; then the same for the money that goes back. The provider asks again
    until it is answered, and once more than it must."""
    ada = await api.person("ada")
    await sell(api)
    order = await bought(api, ada.workspace_id, "cs_1", payment_intent="pi_1", amount_total=500)
    paid = event("checkout.session.completed", order)
    back = event("charge.refunded", charge(order, 500))
    trace = (
        "SELECT (SELECT count(*) FROM core.billing_event), (SELECT count(*) FROM jobs.pgqueuer), (SELECT count(*) FROM"
        " core.credit_purchase), (SELECT count(*) FROM core.ledger_transfer), (SELECT coalesce(sum(amount), 0) FROM"
        " core.ledger_entry AS e JOIN core.ledger_account AS a ON a.id = e.ledger_account_id WHERE a.kind = 'AVAILABLE')"
    )
    secrets: dict[str, Any] = {"stripe_webhook_secrets": [SECRET]}
    async with mortals(api.database, tmp_path) as run, api.database.connect() as admin:
        await admin.execute("DELETE FROM jobs.pgqueuer")

        async def told(
            what: dict[str, Any], before: tuple[int, ...], after: tuple[int, ...], steps: Sequence[tuple[str, str]] = ()
        ) -> None:
            for step in steps:
                assert await run.serve(api, lambda at: send(at, what), *step, **secrets) is None, step
                assert tuple(*await admin.fetch(trace)) == before, step
            assert await run.serve(api, lambda at: send(at, what), "COMMIT", "after", **secrets) is None
            assert tuple(*await admin.fetch(trace)) == after, "it is there, and the provider does not know"
            answer = await run.serve(api, lambda at: send(at, what), **secrets)
            assert answer is not None
            assert answer.status_code == 200
            assert tuple(*await admin.fetch(trace)) == after, "told again, it is the same event"

        async def booked(steps: list[tuple[str, str]], before: tuple[int, ...], after: tuple[int, ...]) -> None:
            for step in steps:
                async with admin.transaction():
                    if step[1] == "inside":
                        await admin.execute("LOCK TABLE core.ledger_entry IN SHARE MODE")
                    assert await run.bill(*step), step
                assert tuple(*await admin.fetch(trace)) == before, step
                assert (await check(api.database)).wrong == 0
            assert await run.bill("COMMIT", "after"), "the queue does not know that it is done"
            assert tuple(*await admin.fetch(trace)) == (after[0], 1, *after[2:])
            assert not await run.bill()
            assert tuple(*await admin.fetch(trace)) == after

        await told(paid, (0, 0, 0, 0, 0), (1, 1, 0, 0, 0), RECEIVING)
        await booked(BOOKING, (1, 1, 0, 0, 0), (1, 0, 1, 1, 100))
        await told(back, (1, 0, 1, 1, 100), (2, 1, 1, 1, 100))
        await booked(REVERSING, (2, 1, 1, 1, 100), (2, 0, 1, 2, 0))
    assert await balance(api) == (0, 0)
    assert (await check(api.database)).wrong == 0


async def test_what_is_spent_is_spent_once_whoever_dies(api: Api, jwt_key: Path, tmp_path: Path) -> None:
    """A server that holds a credit for a scan, and answers nobody: who asks again with the same key pays once, for one scan."""
    ada = await api.person("ada")
    await give(api, ada, 5)
    given: dict[str, Any] = {"jwt_keys": [str(jwt_key)]}
    async with mortals(api.database, tmp_path) as run, api.database.connect() as admin:
        count = "SELECT (SELECT count(*) FROM scans.scan), (SELECT count(*) FROM core.reservation)"
        for step in SPENDING:
            assert await run.serve(api, lambda at: at(SUBMIT, token=ada.token), *step, **given) is None, step
            assert (tuple(*await admin.fetch(count)), await balance(api)) == ((0, 0), (5, 0)), step
        assert await run.serve(api, lambda at: at(SUBMIT, token=ada.token), "COMMIT", "after", **given) is None
        answers = [await run.serve(api, lambda at: at(SUBMIT, token=ada.token), **given) for _ in range(2)]
        assert answers[0] is not None
        assert answers[1] is not None
        assert answers[0].data == answers[1].data
        assert (tuple(*await admin.fetch(count)), await balance(api)) == ((1, 1), (4, 1))
    assert (await check(api.database)).wrong == 0


async def test_a_reservation_is_settled_once_whoever_dies(api: Api, tmp_path: Path) -> None:
    ada = await api.person("ada")
    await give(api, ada, 5)
    async with mortals(api.database, tmp_path) as run:
        for step, expected in (
            (("core/wallet.reserve_credits", "before", 1), (5, 0)),
            (("core/wallet.reserve_credits", "after", 1), (5, 0)),
            (("COMMIT", "before", 1), (5, 0)),
            (("COMMIT", "after", 1), (4, 1)),
            (("core/wallet.end_reservation", "before", 1), (4, 1)),
            (("core/wallet.end_reservation", "after", 1), (4, 1)),
            (("COMMIT", "before", 2), (4, 1)),
            (("COMMIT", "after", 2), (4, 0)),
        ):
            assert await run.pay(ada.account_id, ada.workspace_id, *step), step
            assert await balance(api) == expected, step
            assert (await check(api.database)).wrong == 0
        assert not await run.pay(ada.account_id, ada.workspace_id)
        assert await balance(api) == (4, 0)
