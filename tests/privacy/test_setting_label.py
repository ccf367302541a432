"""Labels by language: what is shown to whom, what curators may say, and that nothing hidden is kept by a process."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app.kit.graphql import parse_global_id
from app.privacy.template_analysis import find_subject, without_withheld_words
from tests.conftest import Api
from tests.factory.jobs import worker_db
from tests.factory.privacy import history, link, nothing_written, proposed, recorded, scan, template_proposed
from tests.privacy.conftest import Small

DESCRIBE = """
mutation Describe($input: DescribeTemplateInput!) {
  describeTemplate(input: $input) { template { settings { key label description category recommended risk directLink } } }
}
"""
LABELS = """
query Labels($slug: String!, $locale: String) {
  platform(slug: $slug) { activeTemplate { settings(locale: $locale) { key label description } } }
}
"""
OWN = """
query Own($id: ID!, $locale: String) {
  platformLink(id: $id) {
    latestSnapshot { settings(locale: $locale) { key label value } riskContributions { key label points } changes { label } }
  }
}
"""


async def describe(api: Api, token: str, template: dict[str, Any], settings: list[dict[str, Any]], **other: Any) -> Any:
    """Say something of settings."""
    return await api(DESCRIBE, {"input": {"templateId": template["id"], "settings": settings} | other}, token=token)


async def labels(api: Api, token: str, locale: str | None = None, **headers: str) -> dict[str, str]:
    """The labels of the small platform by key."""
    data = (await api(LABELS, {"slug": "small", "locale": locale}, token=token, **headers)).data
    return {s["key"]: s["label"] for s in data["platform"]["activeTemplate"]["settings"]}


async def test_labels_are_those_of_the_language(own: Small) -> None:
    api, ada, curator = own.api, own.ada, own.curator
    english = await labels(api, ada.token)
    german = [{"key": "ads", "label": " Werbung ", "description": "Was sie tut."}, {"key": "history", "label": "Verlauf"}]
    (await describe(api, curator.token, own.second, german, locale="de")).data  # noqa: B018 - raises on errors
    (await describe(api, curator.token, own.second, [{"key": "ads", "label": "Reklame"}], locale="de-at")).data  # noqa: B018
    assert await labels(api, ada.token) == english
    assert await labels(api, ada.token, "de") == english | {"ads": "Werbung", "history": "Verlauf"}
    assert await labels(api, ada.token, "de-AT") == english | {"ads": "Reklame", "history": "Verlauf"}
    assert await labels(api, ada.token, "de-CH") == await labels(api, ada.token, "DE")
    assert await labels(api, ada.token, "fr") == english
    header = {"Accept-Language": "fr, de-AT;q=0.8, en;q=0.1"}
    assert (await labels(api, ada.token, **header))["ads"] == "Reklame"
    assert (await labels(api, ada.token, "en", **header)) == english
    (await describe(api, curator.token, own.second, [{"key": "ads", "label": "Adverts"}])).data  # noqa: B018
    assert (await labels(api, ada.token))["ads"] == "Adverts"
    assert (await labels(api, ada.token, "de"))["ads"] == "Werbung"
    answer = await api(LABELS, {"slug": "small", "locale": "no tag"}, token=ada.token)
    assert answer.code == "BAD_INPUT"


async def test_a_dashboard_speaks_it_too(own: Small) -> None:
    api, ada = own.api, own.ada
    await describe(api, own.curator.token, own.second, [{"key": "history", "label": "Verlauf"}], locale="de")
    link_id = await link(api, ada.token, "small")
    await recorded(api, ada.token, scan(link_id, own.second))
    german = (await api(OWN, {"id": link_id, "locale": "de"}, token=ada.token)).data["platformLink"]["latestSnapshot"]
    assert {"key": "history", "label": "Verlauf", "value": "on"} in german["settings"]
    english = (await api(OWN, {"id": link_id}, token=ada.token)).data["platformLink"]["latestSnapshot"]
    assert {"key": "history", "label": "History", "value": "on"} in english["settings"]
    header = {"Accept-Language": "de"}
    german = (await api(OWN, {"id": link_id}, token=ada.token, **header)).data["platformLink"]["latestSnapshot"]
    assert "Verlauf" in {c["label"] for c in german["riskContributions"]}


async def test_recommendations_speak_it_and_lead_where_curators_say(own: Small) -> None:
    api, ada = own.api, own.ada
    said = [{"key": "history", "label": "Verlauf", "directLink": "https://example.com/there", "risk": 100}]
    await describe(api, own.curator.token, own.second, said, locale="de")
    await recorded(api, ada.token, scan(await link(api, ada.token, "small"), own.second))
    query = '{ recommendations(first: 1) { edges { node { label german: label(locale: "de") directLink } } } }'
    (edge,) = (await api(query, token=ada.token)).data["recommendations"]["edges"]
    assert edge["node"] == {"label": "History", "german": "Verlauf", "directLink": "https://example.com/there"}


async def test_what_is_judged_counts_from_then_on(own: Small) -> None:
    """A snapshot keeps the score of its day."""
    api, ada = own.api, own.ada
    link_id = await link(api, ada.token, "small")
    await recorded(api, ada.token, scan(link_id, own.second))
    judged = {"key": "history", "risk": 0, "recommended": "on", "category": "past", "directLink": "https://example.com/new"}
    answer = await describe(api, own.curator.token, own.second, [judged])
    settings = answer.data["describeTemplate"]["template"]["settings"]
    (shown,) = [s for s in settings if s["key"] == "history"]
    assert shown == judged | {"label": "History", "description": "Says what it does."}
    await recorded(api, ada.token, scan(link_id, own.second, day=1, values={"news": "off"}))
    before, after = await history(api, ada.token, link_id)
    assert before["riskScore"] > after["riskScore"]


async def test_ones_own_words_are_ones_own(own: Small) -> None:
    """Asked in turns by two who proposed the same, and by a process that keeps what it has read."""
    api, ada, bob = own.api, own.ada, await own.person()
    settings = [
        proposed("history", label="Ada's words", category="hers"),
        proposed("fresh", label="Ada's too", category="hers"),
    ]
    template = await template_proposed(api, ada.token, settings, "small")
    await template_proposed(api, bob.token, [proposed("history"), proposed("fresh")], "small")
    links = {}
    for person in (ada, bob):
        links[person] = await link(api, person.token, "small")
        await recorded(api, person.token, scan(links[person], template))
    for _ in range(2):
        for person, words in ((ada, {"Ada's words", "Ada's too"}), (bob, {"History", "Fresh"})):
            data = (await api(OWN, {"id": links[person]}, token=person.token)).data
            assert {s["label"] for s in data["platformLink"]["latestSnapshot"]["settings"]} == words


async def test_a_curator_describes_what_everybody_sees(own: Small) -> None:
    api, curator = own.api, own.curator
    template = await template_proposed(api, own.ada.token, [proposed("hidden")], "small")
    said = [{"key": "hidden", "label": "Seen"}]
    answer = await describe(api, curator.token, template, said)
    assert (answer.code, answer.body["errors"][0]["extensions"]["field"]) == ("NOT_FOUND", "templateId")
    for _ in range(2):
        await template_proposed(api, (await own.person()).token, [proposed("hidden")], "small")
    answer = await describe(
        api,
        curator.token,
        template,
        [
            *said,
        ],
    )
    assert answer.data["describeTemplate"]["template"]["settings"][0]["label"] == "Seen"
    async with api.database.connect() as connection:
        told = await connection.fetch(
            "SELECT e.actor_id, d.detail ->> 'label' AS label FROM core.audit_event AS e"
            " JOIN core.audit_detail AS d ON d.event_id = e.id WHERE e.object = 'privacy.setting_label'"
        )
    assert [tuple(row) for row in told] == [(curator.account_id, "Seen")]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ([], "BAD_PAGE_SIZE"),
        ([{"key": f"s_{n}"} for n in range(251)], "BAD_PAGE_SIZE"),
        ([{"key": "ads"}, {"key": "ads"}], "DUPLICATE_SETTING"),
        ([{"key": "nothing"}], "UNKNOWN_SETTING"),
        ([{"key": "ads", "label": " "}], "BAD_INPUT"),
        ([{"key": "ads", "label": "x" * 201}], "BAD_INPUT"),
        ([{"key": "ads", "label": "x\0"}], "BAD_INPUT"),
        ([{"key": "ads", "description": "x" * 1001}], "BAD_INPUT"),
        ([{"key": "ads", "recommended": "maybe"}], "UNKNOWN_OPTION"),
        ([{"key": "ads", "risk": 101}], "BAD_INPUT"),
        ([{"key": "ads", "risk": -1}], "BAD_INPUT"),
        ([{"key": "ads", "risk": 2147483647}], "BAD_INPUT"),
        ([{"key": "ads", "category": "Ads"}], "BAD_INPUT"),
        ([{"key": "ads", "directLink": "http://example.com"}], "BAD_INPUT"),
        ([{"key": "ads", "directLink": "javascript:alert(1)"}], "BAD_INPUT"),
        ([{"key": "history", "label": "Fine"}, {"key": "nothing"}], "UNKNOWN_SETTING"),
    ],
)
async def test_what_may_be_said_has_bounds(small: Small, settings: list[dict[str, Any]], code: str) -> None:
    async with nothing_written(small.api):
        answer = await describe(small.api, small.curator.token, small.second, settings)
        assert (answer.code, answer.body["errors"][0]["extensions"].get("field")) in ((code, "settings"), (code, None))


async def test_who_may_describe(small: Small) -> None:
    async with nothing_written(small.api):
        answer = await describe(small.api, small.ada.token, small.second, [{"key": "ads", "label": "Mine"}])
        assert answer.code == "FORBIDDEN"
        answer = await describe(small.api, small.curator.token, small.second, [{"key": "ads", "label": "x"}], locale="no tag")
        assert answer.code == "BAD_INPUT"


async def test_words_of_people_reach_an_outside_model_with_consent_alone(own: Small) -> None:
    """By default they do not; one who sent them and consents is enough, and withdrawing ends it at once."""
    writers = [await own.person() for _ in range(3)]
    for person in writers:
        settings = [proposed("fresh", label="Brand new"), proposed("ads", label="Adverts")]
        template = await template_proposed(own.api, person.token, settings, "small")
    assert template["state"] == "ACTIVE"
    (template_id,) = [UUID(parse_global_id(template["id"], field="id")[1])]
    bob = await own.person()  # consents, and sent nothing

    async def read() -> dict[str, str]:
        async with worker_db(own.api.database) as db:
            subject = await find_subject(db, template_id)
            assert subject is not None
            everybody = {each.key: each.label for each in subject.settings}
            assert everybody == {"ads": "Adverts", "fresh": "Brand new"}, "as people see them"
            shown = await without_withheld_words(db, template_id, subject)
            return {each.key: each.label for each in shown.settings}

    given = 'purpose: "model_analysis", version: 1, idempotencyKey: "words"'
    give = f"mutation {{ giveConsent(input: {{{given}}}) {{ consent {{ holds }} }} }}"
    assert await read() == {"ads": "ads", "fresh": "fresh"}
    assert (await own.api(give, token=bob.token)).data
    assert await read() == {"ads": "ads", "fresh": "fresh"}
    assert (await own.api(give, token=writers[1].token)).data
    assert await read() == {"ads": "Adverts", "fresh": "Brand new"}
    withdrawing = 'mutation { withdrawConsent(purpose: "model_analysis") { consent { holds } } }'
    assert (await own.api(withdrawing, token=writers[1].token)).data
    assert await read() == {"ads": "ads", "fresh": "fresh"}
