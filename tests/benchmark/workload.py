"""What is asked: one GraphQL text for each workload, and where another server spells it otherwise, see ``peer.py``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from tests.benchmark.data import World

LINKS = """
    links(first: 20) {
      edges {
        node {
          id label status
          platform { id slug name }
          latestSnapshot { id riskScore completionRate confidence capturedAt%s }
        }
      }
    }
"""
DASHBOARD = "query Dashboard { privacyDashboard { overallScore coverage" + LINKS + "} }"
SETTINGS = " settings { key label category value observed recommended risk }"
LOOKUP = "query Lookup($id: ID!) { platformLink(id: $id) { id label status linkedAt } }"
LIST = """
query List {
  platformLinks(first: 100) {
    edges {
      node { id label status platform { id slug name } latestSnapshot { id riskScore completionRate confidence capturedAt } }
    }
  }
}
"""
PAGE = """
query Page($linkId: ID!, $after: String) {
  snapshots(linkId: $linkId, first: 20, after: $after) {
    edges { node { id riskScore completionRate confidence capturedAt } }
    pageInfo { hasNextPage }
  }
}
"""
NESTED = """
query Nested {
  platformLinks(first: 20) {
    edges {
      node {
        id label
        snapshots(first: 3) { edges { node { id riskScore capturedAt changes { setting oldValue newValue origin } } } }
      }
    }
  }
}
"""


@dataclass(frozen=True)
class Workload:
    """One question, by one person in a workspace. ``trusted``: the document is known by its hash, and only that is sent."""

    name: str
    title: str
    query: str
    token: str
    workspace: str
    variables: dict[str, Any]
    trusted: bool = False

    @property
    def document_id(self) -> str:
        """How a trusted document is called."""
        return hashlib.sha256(self.query.encode()).hexdigest()


def workloads(world: World) -> list[Workload]:
    """All of them, over that data."""
    page = {"linkId": world.deep_link, "after": world.page_50}
    return [
        Workload(
            "lookup",
            "one link by its id, document by hash",
            LOOKUP,
            world.token,
            world.workspace,
            {"id": world.link},
            trusted=True,
        ),
        Workload("light", "dashboard of 20 links", DASHBOARD % "", world.token, world.workspace, {}),
        Workload("full", "dashboard of 20 links x 30 settings", DASHBOARD % SETTINGS, world.token, world.workspace, {}),
        Workload("list", "100 links, each with platform and snapshot", LIST, world.lister, world.listers_workspace, {}),
        Workload("page", "page 50 of a history of 1,100", PAGE, world.lister, world.listers_workspace, page),
        Workload("nested", "20 links x 3 snapshots x 2 changes", NESTED, world.token, world.workspace, {}),
    ]
