"""The whole story: addresses are submitted, fetched and judged; whoever listens hears it, and the books are right."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import Database
from tests.factory.kit import give
from tests.factory.scans import credits_of, run
from tests.factory.socket import listening
from tests.factory.web import MARKER, PHISHING, hostile_web, reply

KEY = 'mutation { createApiKey(input: {name: "Scanner", scopes: ["scans:read", "scans:write"]}) { secret } }'
SUBMIT = """
mutation($inputs: [SubmitScanInput!]!) { submitScans(inputs: $inputs) { reused cost scan { id state maskedUrl } } }
"""
LISTEN = "subscription { scanState { state progress version scan { id } } }"
READ = """
query($id: ID!) {
  scan(id: $id) { state failure progress result { verdict score reasoning categories engines { engine verdict score } } }
  accessLog(scanId: $id) { edges { node { maskedUrl address status failure } } }
}
"""


async def test_addresses_go_in_and_judgements_come_out(database: Database, jwt_key: Path) -> None:
    async with listening(database, jwt_key, scan_loopback=True) as server, hostile_web() as web:
        api = server.api
        ada = await api.person("ada")
        await give(api, ada, 5)
        key = (await api(KEY, token=ada.token)).data["createApiKey"]["secret"]
        web.pages |= {"/login": reply(PHISHING), "/loop": web.pages["/loop"]}
        inputs = [{"url": web.url(path), "idempotencyKey": path} for path in ("/login", "/loop")]
        async with server.open(key) as listener:
            await listener.subscribe("1", LISTEN)
            made = (await api(SUBMIT, {"inputs": inputs}, token=key)).data["submitScans"]
            assert [each["cost"] for each in made] == [1, 1]
            assert await credits_of(api, ada) == (3, 2)
            login, loop = (each["scan"]["id"] for each in made)
            await run(api)
            async with asyncio.timeout(20):
                heard = await listener.events(7)
        assert [each["state"] for each in heard if each["scan"]["id"] == login] == [
            "QUEUED",
            "FETCHING",
            "ANALYZING",
            "COMPLETED",
        ]
        assert [each["progress"] for each in heard if each["scan"]["id"] == loop] == [0, 25, 100]
        assert await credits_of(api, ada) == (4, 0), "what failed costs nothing"
        judged = (await api(READ, {"id": login}, token=key)).data
        assert judged["scan"]["state"] == "COMPLETED"
        assert judged["scan"]["result"]["verdict"] in ("SUSPICIOUS", "MALICIOUS")
        assert MARKER not in str(judged)
        failed = (await api(READ, {"id": loop}, token=key)).data
        assert (failed["scan"]["state"], failed["scan"]["failure"], failed["scan"]["result"]) == (
            "FAILED",
            "REDIRECT_LOOP",
            None,
        )
        assert [each["node"]["failure"] for each in failed["accessLog"]["edges"]] == ["REDIRECT_LOOP", None]
        fresh = [{"url": web.url("/login"), "idempotencyKey": "again", "freshness": "PT1H"}]
        (again,) = (await api(SUBMIT, {"inputs": fresh}, token=key)).data["submitScans"]
        assert (again["reused"], again["cost"], again["scan"]["id"]) == (True, 0, login)
        assert await credits_of(api, ada) == (4, 0)
