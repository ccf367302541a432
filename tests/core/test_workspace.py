"""Workspaces: the personal one by default, another by the header, none that is not one's own."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from app.kit.context import SYSTEM_ID
from app.kit.graphql import global_id
from tests.conftest import Api
from tests.factory.kit import CURATORS_ONLY, call, root_fields
from tests.factory.privacy import link

WORKSPACE = "{ viewer { role workspace { id kind name createdAt } } }"
LABELS = "{ platformLinks { edges { node { label } } } }"


async def organize(api: Api, name: str, **roles: str) -> str:
    """A workspace of several people by name; its global id."""
    async with api.database.connect() as admin:
        workspace_id: UUID = await admin.fetchval(
            "INSERT INTO core.workspace (kind, name) VALUES ('organization', $1) RETURNING id", name
        )
        for who, role in roles.items():
            person = await api.person(who)
            await admin.execute("INSERT INTO core.member VALUES ($1, $2, now(), $3)", workspace_id, person.account_id, role)
    return global_id("Workspace", str(workspace_id))


async def test_the_personal_workspace_is_the_default(shared: Api) -> None:
    ada = await shared.person("ada")
    viewer = (await shared(WORKSPACE, token=ada.token)).data["viewer"]
    assert (viewer["role"], viewer["workspace"]["kind"], viewer["workspace"]["name"]) == ("OWNER", "PERSONAL", "ada")
    assert viewer["workspace"]["id"] == ada.workspace


async def test_the_header_changes_role_and_rows(api: Api) -> None:
    ada = await api.person("ada")
    organization = await organize(api, "Fivefold e.V.", ada="member")
    await link(api, ada.token, label="my own")
    made = await api(
        'mutation { linkPlatform(input: {platformSlug: "google", label: "ours", idempotencyKey: "1"}) { link { id } } }',
        token=ada.token,
        fivefold_workspace=organization,
    )
    viewer = (await api(WORKSPACE, token=ada.token, fivefold_workspace=organization)).data["viewer"]
    assert (viewer["role"], viewer["workspace"]["kind"], viewer["workspace"]["name"]) == (
        "MEMBER",
        "ORGANIZATION",
        "Fivefold e.V.",
    )
    for header, label in (("", "my own"), (organization, "ours")):
        (edge,) = (await api(LABELS, token=ada.token, fivefold_workspace=header)).data["platformLinks"]["edges"]
        assert edge["node"]["label"] == label
    node = "query($id: ID!) { node(id: $id) { id } }"
    theirs = {"id": made.data["linkPlatform"]["link"]["id"]}
    assert (await api(node, theirs, token=ada.token)).data == {"node": None}
    assert (await api(node, theirs, token=ada.token, fivefold_workspace=organization)).data == {"node": theirs}
    for asked, header in ((ada.workspace, organization), (organization, "")):
        assert (await api(node, {"id": asked}, token=ada.token, fivefold_workspace=header)).data == {"node": None}


async def test_members_of_one_workspace_keep_their_links_to_themselves(api: Api) -> None:
    """What they share are aggregates: tests/privacy/test_organization.py."""
    ada, ben = await api.person("ada"), await api.person("ben")
    organization = await organize(api, "O", ada="viewer", ben="owner")
    await link(api, ben.token, label="private")
    given = 'mutation { linkPlatform(input: {platformSlug: "google", label: "ours", idempotencyKey: "1"}) { link { id } } }'
    assert (await api(given, token=ben.token, fivefold_workspace=organization)).data
    edges = (await api(LABELS, token=ben.token, fivefold_workspace=organization)).data["platformLinks"]["edges"]
    assert [edge["node"]["label"] for edge in edges] == ["ours"]
    assert (await api(LABELS, token=ada.token, fivefold_workspace=organization)).data["platformLinks"]["edges"] == []
    assert (await api(LABELS, token=ada.token)).data["platformLinks"]["edges"] == []


OF_ONES_OWN = {
    "acceptInvitation",
    "createOrganization",
    "declineInvitation",
    "deleteWorkspace",
    "restoreWorkspace",
    "joinByDomain",
    "leaveWorkspace",
    "verifyEmail",
    "signUp",
    "signIn",
    "resetPassword",
    "requestPasswordReset",
    "requestEmailVerification",
    "confirmSignUp",
    "changePassword",
    "changeEmail",
    "completeLink",
    "completeSignIn",
    "prepareLink",
    "unlinkIdentity",
    "markNotificationsRead",
    "giveConsent",
    "withdrawConsent",
    "cancelErasure",
    "refreshSession",
    "requestErasure",
    "deleteAccount",
    "restoreAccount",
    "requestAccountRestore",
    "startAnew",
    "revokeSession",
    "signOut",
    "signOutEverywhere",
    "updateAccount",
    "updateNotificationPreferences",
}
"""Mutations of what is a member's own, whatever the role, and what needs no role at all."""


FOR_OWNERS = {"createExportLink", "requestExport", "transferOwnership"}
FOR_MANAGERS = {
    "addDomain",
    "addTeamMember",
    "cancelSubscription",
    "createApiKey",
    "createTeam",
    "createWebhook",
    "deleteTeam",
    "deleteWebhook",
    "disableWebhook",
    "enableWebhook",
    "inviteMember",
    "openBillingPortal",
    "removeDomain",
    "removeMember",
    "removeTeamMember",
    "replayWebhookDeliveries",
    "replayWebhookDelivery",
    "resendInvitation",
    "revokeApiKey",
    "revokeInvitation",
    "rotateWebhookSecret",
    "startCheckout",
    "startTrial",
    "testWebhook",
    "updateDomain",
    "updateMember",
    "updateRetention",
    "updateScanRetention",
    "updateTeam",
    "updateWebhook",
    "updateWorkspace",
    "verifyDomain",
}
"""Mutations that are not for members. What is in no list is for owners, admins and members."""


@pytest.mark.parametrize("role", ["owner", "admin", "member", "viewer", "auditor", "stranger"])
async def test_who_only_reads_writes_nothing(shared: Api, role: str) -> None:
    """Every mutation of the schema, as each role: viewers and auditors may none of them, strangers not even ask."""
    person = await shared.person(role)
    organization = await organize(shared, f"O {role}", **({} if role == "stranger" else {role: role}))
    values = {"ID": "x", "platformSlug": "none", "slug": "none", "idempotencyKey": "1"}
    for kind, name, _ in sorted(root_fields(), key=lambda each: each[1] == "leaveWorkspace"):  # last: one is out then
        if kind == "mutation":
            answer = await shared(*call(kind, name, values), token=person.token, fivefold_workspace=organization)
            assert "INTERNAL" not in answer.codes, name
            if role == "stranger":
                assert answer.codes == ["NOT_FOUND"], name
            elif role in ("viewer", "auditor") and name not in OF_ONES_OWN:
                assert answer.codes == ["FORBIDDEN"], name
            elif role in ("admin", "member"):
                refused = FOR_OWNERS | CURATORS_ONLY | (FOR_MANAGERS if role == "member" else set())
                assert ("FORBIDDEN" in answer.codes) is (name in refused), name
            elif role == "owner" and name not in CURATORS_ONLY:
                assert "FORBIDDEN" not in answer.codes, name


async def test_the_system_workspace_is_nobodys(shared: Api) -> None:
    ada = await shared.person("ada")
    system = global_id("Workspace", str(SYSTEM_ID))
    assert (await shared(WORKSPACE, token=ada.token, fivefold_workspace=system)).code == "NOT_FOUND"
    assert (await shared("query($id: ID!) { node(id: $id) { id } }", {"id": system}, token=ada.token)).data == {"node": None}
    async with shared.database.connect() as admin:
        assert await admin.fetchval("SELECT count(*) FROM core.member WHERE workspace_id = $1", SYSTEM_ID) == 0


async def test_a_person_has_one_personal_workspace(shared: Api) -> None:
    ada = await shared.person("ada")
    insert = "INSERT INTO core.workspace (kind, name, personal_account_id) VALUES ($1, 'x', $2)"
    async with shared.database.connect() as admin:
        with pytest.raises(asyncpg.UniqueViolationError):
            await admin.execute(insert, "personal", ada.account_id)
        for kind, account_id in (("personal", None), ("organization", uuid4()), ("system", ada.account_id), ("other", None)):
            with pytest.raises(asyncpg.CheckViolationError):
                await admin.execute(insert, kind, account_id)
