"""The data inventory."""

from __future__ import annotations

from tests.conftest import Api

INVENTORY = "{ dataInventory { object columnName class purpose exportRule eraseRule retention reason } }"


async def test_everybody_may_know_what_is_kept(shared: Api) -> None:
    person = await shared.person()
    found = (await shared(INVENTORY, token=person.token)).data["dataInventory"]
    assert [(each["object"], each["columnName"]) for each in found] == sorted(
        (each["object"], each["columnName"]) for each in found
    )
