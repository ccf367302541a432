"""The whole story: an extension records a person's settings, again a week later with changes, and the dashboard shows it."""

from __future__ import annotations

from app.server import EXAMPLE
from tests.conftest import Api
from tests.factory.privacy import link, record, scan, template_of


async def test_a_snapshot_goes_in_and_a_dashboard_comes_out(api: Api) -> None:
    ada = await api.person("ada")
    template = await template_of(api, ada.token)
    link_id = await link(api, ada.token)

    first = (await record(api, ada.token, scan(link_id, template))).data["recordSnapshot"]
    assert first["unchanged"] is False
    assert first["changes"] == []
    assert first["snapshot"]["completionRate"] == 1

    setting = next(s for s in template["settings"] if s["type"] == "TOGGLE" and s["default"] != s["recommended"])
    later = scan(link_id, template, day=7, values={setting["key"]: setting["recommended"]})
    second = (await record(api, ada.token, later)).data["recordSnapshot"]
    assert second["changes"] == [
        {
            "setting": setting["key"],
            "oldValue": setting["default"],
            "newValue": setting["recommended"],
            "origin": "USER",
            "significance": "VALUE",
            "confidence": 0.8,
        }
    ]
    assert second["snapshot"]["riskScore"] < first["snapshot"]["riskScore"]

    third = (await record(api, ada.token, scan(link_id, template, day=14) | {"values": later["values"]})).data["recordSnapshot"]
    assert third["unchanged"] is True
    assert third["changes"] == []
    assert third["snapshot"]["id"] == second["snapshot"]["id"]

    dashboard = (await api(EXAMPLE, token=ada.token)).data["privacyDashboard"]
    (edge,) = dashboard["links"]["edges"]
    assert edge["node"]["latestSnapshot"]["id"] == second["snapshot"]["id"]
    values = {s["key"]: s["value"] for s in edge["node"]["latestSnapshot"]["settings"]}
    assert values[setting["key"]] == setting["recommended"]
    assert dashboard["coverage"] == 1
    assert dashboard["overallScore"] == second["snapshot"]["riskScore"]
    (change,) = dashboard["recentChanges"]["edges"]
    assert change["node"]["setting"] == setting["key"]
