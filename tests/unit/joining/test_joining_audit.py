from __future__ import annotations

import pytest

from portal_gateway.admission.addresses import parse_address
from portal_gateway.joining.audit import Audit
from portal_gateway.joining.keyring import Keyring
from portal_gateway.observe.events import Events


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    return [dict(part.split("=", 1) for part in record.getMessage().split()) for record in caplog.records]


def test_a_line_says_who_did_what_without_names(keyring: Keyring, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "portal_gateway.audit")
    events = Events()
    audit = Audit(events, keyring)
    address = parse_address("Jane+x@vance.example")
    audit.record("onboarding", "invited_sent", address=address, project_id=5001, by="omar-17")
    audit.record("onboarding", "joined", address=parse_address("jane@vance.example"))
    audit.record("onboarding", "refused_honeypot")
    invited, joined, honeypot = lines(caplog)
    assert set(invited) == {"portal", "outcome", "person", "domain", "project", "by"}
    assert (invited["domain"], invited["project"]) == ("vance.example", "5001")
    assert invited["person"] == joined["person"], "lines about one person can be told together"
    assert honeypot == {"portal": "onboarding", "outcome": "refused_honeypot"}
    assert "jane" not in caplog.text.lower()
    assert "omar" not in caplog.text
    assert {outcome for (_, _, outcome) in events.counts} == {"invited_sent", "joined", "refused_honeypot"}
