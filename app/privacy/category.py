"""Categories of settings in groups, as people think of them: what sub-scores are made of.

| group             | categories                                    |
|-------------------|-----------------------------------------------|
| ONLINE_SAFETY     | `location`, `messaging`, `security`, `visibility` |
| DIGITAL_WELLBEING | `ads`, `personalization`                      |
| DATA_OWNERSHIP    | `activity`, `ai_training`, `retention`, `sharing` |
| OTHER             | any other that a template may have            |

Each category of the curated files (app/privacy/data/README.md) is in exactly one of the first three.
"""

from __future__ import annotations

from enum import Enum

import strawberry


@strawberry.enum(description="Categories of settings that belong together.")
class CategoryGroup(Enum):
    """In the order in which they are shown."""

    ONLINE_SAFETY = strawberry.enum_value(
        "ONLINE_SAFETY",
        description="Who can find, reach or follow you, or get into the account: location, messaging, security, visibility.",
    )
    DIGITAL_WELLBEING = strawberry.enum_value(
        "DIGITAL_WELLBEING", description="What chooses what you see: ads, personalization."
    )
    DATA_OWNERSHIP = strawberry.enum_value(
        "DATA_OWNERSHIP", description="What is kept of you, and who gets it: activity, ai_training, retention, sharing."
    )
    OTHER = strawberry.enum_value("OTHER", description="Categories that belong to none of the others.")


GROUPS = {
    "activity": CategoryGroup.DATA_OWNERSHIP,
    "ads": CategoryGroup.DIGITAL_WELLBEING,
    "ai_training": CategoryGroup.DATA_OWNERSHIP,
    "location": CategoryGroup.ONLINE_SAFETY,
    "messaging": CategoryGroup.ONLINE_SAFETY,
    "personalization": CategoryGroup.DIGITAL_WELLBEING,
    "retention": CategoryGroup.DATA_OWNERSHIP,
    "security": CategoryGroup.ONLINE_SAFETY,
    "sharing": CategoryGroup.DATA_OWNERSHIP,
    "visibility": CategoryGroup.ONLINE_SAFETY,
}


def group_of(category: str) -> CategoryGroup:
    """The group of a category."""
    return GROUPS.get(category, CategoryGroup.OTHER)
