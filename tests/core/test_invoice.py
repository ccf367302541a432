"""Invoices: what the provider told, in any order, for those who see to payments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.kit.embedded import Embedded
from tests.conftest import Api, copy_of
from tests.core.test_workspace import organize
from tests.factory.kit import serving
from tests.factory.stripe import BEGIN, SECRET, event, tell

INVOICES = "{ invoices { edges { node { number amountDue amountPaid currency status hostedUrl issuedAt } } } }"


@pytest.fixture(scope="module")
async def booth(server: Embedded, template: str, jwt_key: Path) -> AsyncIterator[Api]:
    with copy_of(server, template) as database:
        async with serving(database, jwt_key, stripe_webhook_secrets=[SECRET]) as api:
            yield api


def invoice(workspace_id: Any, status: str, id_: str = "in_1", **given: Any) -> dict[str, Any]:
    made = {"id": id_, "object": "invoice", "status": status, "amount_due": 900, "amount_paid": 900 if status == "paid" else 0}
    made |= {"currency": "eur", "number": "F-1", "created": BEGIN, "hosted_invoice_url": "https://pay.example/in_1"}
    return made | {"customer_email": "x@example.com", "metadata": {"workspace_id": str(workspace_id)}} | given


async def test_the_newest_word_counts_and_a_paid_one_stays_paid(booth: Api) -> None:
    ada = await booth.person("ada")
    await tell(
        booth,
        event("invoice.finalized", invoice(ada.workspace_id, "open"), BEGIN + 1),
        event("invoice.paid", invoice(ada.workspace_id, "paid"), BEGIN + 3),
        event("invoice.payment_failed", invoice(ada.workspace_id, "open"), BEGIN + 2),
        event("invoice.updated", invoice(ada.workspace_id, "open"), BEGIN + 4),
        event("invoice.created", invoice(ada.workspace_id, "draft", "in_2", hosted_invoice_url="javascript:x", number=None)),
    )
    drafted, paid = [edge["node"] for edge in (await booth(INVOICES, token=ada.token)).data["invoices"]["edges"]]
    assert (paid["status"], paid["amountDue"], paid["amountPaid"], paid["currency"]) == ("PAID", "900", "900", "EUR")
    assert (paid["number"], paid["hostedUrl"]) == ("F-1", "https://pay.example/in_1")
    assert (drafted["status"], drafted["number"], drafted["hostedUrl"]) == ("DRAFT", None, None)
    ben = await booth.person("ben")
    assert (await booth(INVOICES, token=ben.token)).data["invoices"]["edges"] == []


@pytest.mark.parametrize("role", ["owner", "admin", "member", "viewer", "auditor"])
async def test_owners_and_admins_see_invoices(booth: Api, role: str) -> None:
    person = await booth.person(role)
    workspace = await organize(booth, f"O {role}", **{role: role})
    answer = await booth(INVOICES, token=person.token, fivefold_workspace=workspace)
    assert answer.codes == ([] if role in ("owner", "admin") else ["FORBIDDEN"])
