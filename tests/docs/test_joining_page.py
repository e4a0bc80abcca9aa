"""What docs/joining.md and docs/mail.md say is what the package does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from portal_gateway import load_settings
from portal_gateway.mail.pace import Pace
from portal_gateway.mail.queue import MAX_WAITING
from portal_gateway.settings import Settings

ROOT = Path(__file__).parents[2]
JOINING = (ROOT / "docs" / "joining.md").read_text()
MAIL = (ROOT / "docs" / "mail.md").read_text()
SECRETS = {name: name.lower() * 4 for name in ("JOIN_KEY", "SMTP_PASSWORD", "ROCKETLANE_API_KEY")}
SECRETS["ROCKETLANE_SHARED_SECRET"] = "shared-secret-of-rocketlane"


def configured(page: str, **top: Any) -> Settings:
    [text] = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    return load_settings({**yaml.safe_load(text), **top}, environ=SECRETS)


def test_the_configuration_opens_all_doors() -> None:
    join = configured(JOINING).joins["onboarding"]
    assert (join.jwt, join.link) == (True, True)
    assert join.invitations is not None
    assert (f"{join.minutes} minutes" in JOINING, f"{join.invitations.days} days" in JOINING) == (True, True)


def test_the_mail_server_s_configuration_is_one() -> None:
    portals = {"a": {"provider": "planhat", "api_token": {"env": "JOIN_KEY"}}}
    mail = configured(MAIL, portals=portals).mail
    assert mail is not None
    assert mail.reply_to == "support@acme.com"


def test_figures_of_the_outbox() -> None:
    pace = Pace()
    assert (pace.first_retry_s, pace.last_retry_s, pace.first_reconnect_s, pace.last_reconnect_s) == (5, 600, 1, 60)
    assert pace.goodbye_s == 5
    assert f"{MAX_WAITING} mails may wait" in MAIL


@pytest.mark.parametrize(
    ("page", "folder", "pattern"),
    [
        pytest.param(JOINING, "joining", r'record\(\s*[\w.]+,\s*"([a-z_]+)"', id="audit"),
        pytest.param(JOINING, "portal", r'audit\.record\(\w+, "([a-z_]+)"', id="honeypot"),
        pytest.param(MAIL, "mail", r'(?:mailed\([\w.]+, |_record\(mail_id, (?:mail\.kind|""), )"([a-z_]+)"', id="mail"),
    ],
)
def test_every_outcome_is_documented(page: str, folder: str, pattern: str) -> None:
    source = "".join(path.read_text() for path in (ROOT / "portal_gateway" / folder).glob("*.py"))
    outcomes = set(re.findall(pattern, source))
    assert outcomes
    assert outcomes <= set(re.findall(r"`([a-z_]+)`", page))
