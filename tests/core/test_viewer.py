"""The viewer: who is calling, and nothing read that was not selected."""

from __future__ import annotations

import pytest

from tests.conftest import Api
from tests.factory.kit import Lines

PARTS = {
    "account { email }": ["core/account.get_account"],
    "workspace { name }": ["core/workspace.get_workspace"],
    "identities { issuer }": ["core/identity.list_identity"],
    "role curator": [],
    "account { email } workspace { name }": ["core/account.get_account", "core/workspace.get_workspace"],
}


@pytest.mark.parametrize("selected", PARTS)
async def test_what_is_not_selected_is_not_read(shared: Api, lines: Lines, selected: str) -> None:
    ada = await shared.person("ada")
    assert (await shared(f"{{ viewer {{ {selected} }} }}", token=ada.token)).data
    assert sorted(lines.statements) == sorted(PARTS[selected])


async def test_the_viewer_is_the_caller(shared: Api) -> None:
    document = "{ viewer { role curator account { email } identities { id issuer subject createdAt } workspace { id } } }"
    for name, curator in (("ada", False), ("cora", True)):
        person = await shared.person(name, curator=curator)
        viewer = (await shared(document, token=person.token)).data["viewer"]
        assert (viewer["role"], viewer["curator"], viewer["account"]["email"]) == ("OWNER", curator, person.email)
        assert viewer["workspace"]["id"] == person.workspace
        (identity,) = viewer["identities"]
        assert (identity["issuer"], identity["subject"]) == ("fivefold", str(person.account_id))


async def test_a_second_way_to_sign_in_is_listed_for_its_owner_alone(api: Api) -> None:
    ada, ben = await api.person("ada"), await api.person("ben")
    async with api.database.connect() as admin:
        await admin.execute(
            "INSERT INTO core.identity (account_id, issuer, subject) VALUES ($1, 'https://login.example', 'ada-1')",
            ada.account_id,
        )
    document = "{ viewer { identities { id issuer } } }"
    mine = (await api(document, token=ada.token)).data["viewer"]["identities"]
    assert [identity["issuer"] for identity in mine] == ["fivefold", "https://login.example"]
    assert len((await api(document, token=ben.token)).data["viewer"]["identities"]) == 1
    node = "query($id: ID!) { node(id: $id) { id } }"
    for identity in mine:
        asked = {"id": identity["id"]}
        assert (await api(node, asked, token=ada.token)).data == {"node": asked}
        assert (await api(node, asked, token=ben.token)).data == {"node": None}
