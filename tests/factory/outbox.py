"""Mail that was written to a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import Settings
from tests.factory.jobs import run_jobs

if TYPE_CHECKING:
    from tests.conftest import Api

APP = "https://app.example/at"


@dataclass(frozen=True)
class Received:
    """One mail."""

    to: str
    subject: str
    text: str

    @property
    def token(self) -> str:
        """That of its link."""
        found = re.search(re.escape(APP) + r"/[a-z-]+#token=([A-Za-z0-9_-]{43})\n", self.text)
        assert found is not None, self.text
        return found[1]


class Outbox:
    """Takes what arrives, each mail once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.settings = folder, Settings(mail_folder=folder, app_url=APP)

    async def receive(self, api: Api) -> list[Received]:
        """Let the worker mail what is due; what arrived, in the order in which it was asked for."""
        await run_jobs(api, settings=self.settings)
        found = []
        for file in sorted(self.folder.glob("*.eml"), key=lambda each: each.name.split("-", 1)[-1]):
            mail = message_from_bytes(file.read_bytes(), policy=default)
            body = mail.get_body(("plain",))
            assert body is not None
            found.append(Received(str(mail["To"]), str(mail["Subject"]), body.get_content().replace("\r\n", "\n")))
            file.unlink()
        return found
