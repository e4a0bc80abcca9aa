"""Rocketlane's embedded portal: which tokens sign in, and a refusal for each that does not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from portal_gateway.sandbox import Sandbox
from portal_gateway.sandbox.rocketlane_token import EmbedKeys

OTHER_SECRET = "another secret that is long enough for HS256"


def claims(
    sandbox: Sandbox, email: str = "jane@vance.example", project: object = 5001, **config: Any
) -> dict[str, Any]:
    """What a gateway signs, good for a minute."""
    return {
        "user": {"emailId": email},
        "config": {"projectId": project, **config},
        "exp": int(sandbox.clock.now()) + 60,
    }


async def embed(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/cp/embed", params={"token": token})


async def embed_claims(client: httpx.AsyncClient, sandbox: Sandbox, payload: dict[str, Any]) -> httpx.Response:
    return await embed(client, jwt.encode(payload, sandbox.rocketlane_secret, "HS256"))


def assert_refused(response: httpx.Response, reason: str) -> None:
    assert response.status_code == 401
    assert f'data-reason="{reason}"' in response.text
    assert "set-cookie" not in response.headers


def key_pair(private: Any) -> tuple[str, str]:
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def rsa_pair() -> tuple[str, str]:
    return key_pair(rsa.generate_private_key(65537, 2048))


@pytest.fixture(scope="module")
def ec_pair() -> tuple[str, str]:
    return key_pair(ec.generate_private_key(ec.SECP256R1()))


class TestSigningIn:
    async def test_shows_the_project_and_who_is_logged_in(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient
    ) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox))
        assert response.status_code == 200
        assert "Vance onboarding" in response.text
        assert "Logged in as <strong>Jane Moreau</strong> (jane@vance.example)" in response.text
        assert "Rocketlane sandbox" in response.text
        assert response.headers["cache-control"] == "no-store"

    async def test_starts_a_session(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox, "pia@globex.example", 6002))
        assert response.headers["set-cookie"].startswith("rocketlane_portal=")
        sandbox.clock.advance(3600)
        page = await rocketlane.get("/cp")
        assert "Globex second plant" in page.text
        assert "Pia Lindqvist" in page.text

    async def test_a_session_cannot_be_invented(self, rocketlane: httpx.AsyncClient) -> None:
        for cookie in ("", "rocketlane_portal=301/5001"):
            assert_refused(await rocketlane.get("/cp", headers={"Cookie": cookie}), "no-session")

    async def test_emails_are_compared_without_case(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox, "JANE@Vance.Example"))
        assert response.status_code == 200

    @pytest.mark.parametrize(("algorithm", "pair"), [("RS256", "rsa_pair"), ("ES256", "ec_pair")])
    async def test_the_uploaded_public_key_verifies(
        self,
        sandbox: Sandbox,
        rocketlane: httpx.AsyncClient,
        request: pytest.FixtureRequest,
        algorithm: str,
        pair: str,
    ) -> None:
        private, public = request.getfixturevalue(pair)
        sandbox.upload_public_key(public)
        token = jwt.encode(claims(sandbox), private, algorithm)
        assert (await embed(rocketlane, token)).status_code == 200
        assert (await embed_claims(rocketlane, sandbox, claims(sandbox))).status_code == 200

    async def test_a_token_works_again_unless_switched(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        first, second = claims(sandbox), claims(sandbox, "ines@vance.example")
        assert (await embed_claims(rocketlane, sandbox, first)).status_code == 200
        assert (await embed_claims(rocketlane, sandbox, first)).status_code == 200
        sandbox.rocketlane_vendor.switches.update({"token_single_use": True})
        assert (await embed_claims(rocketlane, sandbox, second)).status_code == 200
        assert_refused(await embed_claims(rocketlane, sandbox, second), "used")


class TestSignature:
    @pytest.mark.parametrize("token", ["x", "a.b.c", "..", "e30.e30.", "\u00e9.e30.e30"])
    async def test_refuses_what_is_not_a_jwt(self, rocketlane: httpx.AsyncClient, token: str) -> None:
        response = await embed(rocketlane, token)
        assert response.status_code == 401
        assert 'data-reason="malformed"' in response.text or 'data-reason="algorithm"' in response.text

    async def test_refuses_an_address_without_token(self, rocketlane: httpx.AsyncClient) -> None:
        assert_refused(await rocketlane.get("/cp/embed"), "no-token")

    async def test_refuses_another_secret(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        assert_refused(await embed(rocketlane, jwt.encode(claims(sandbox), OTHER_SECRET, "HS256")), "signature")

    async def test_refuses_changed_claims(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        header, _, signature = jwt.encode(claims(sandbox), sandbox.rocketlane_secret, "HS256").split(".")
        forged = json.dumps(claims(sandbox, "lena@globex.example", 6001)).encode()
        payload = urlsafe_b64encode(forged).rstrip(b"=").decode()
        assert_refused(await embed(rocketlane, f"{header}.{payload}.{signature}"), "signature")

    async def test_refuses_alg_none(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        token = jwt.encode(claims(sandbox), None, "none")
        assert_refused(await embed(rocketlane, token), "algorithm")

    async def test_refuses_other_hmacs(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        token = jwt.encode(claims(sandbox), sandbox.rocketlane_secret, "HS512")
        assert_refused(await embed(rocketlane, token), "algorithm")

    async def test_refuses_a_key_pair_that_is_not_set_up(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, rsa_pair: tuple[str, str]
    ) -> None:
        assert_refused(await embed(rocketlane, jwt.encode(claims(sandbox), rsa_pair[0], "RS256")), "algorithm")

    async def test_refuses_another_key_pair(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, rsa_pair: tuple[str, str]
    ) -> None:
        sandbox.upload_public_key(key_pair(rsa.generate_private_key(65537, 2048))[1])
        assert_refused(await embed(rocketlane, jwt.encode(claims(sandbox), rsa_pair[0], "RS256")), "signature")

    async def test_refuses_a_key_of_another_type(
        self,
        sandbox: Sandbox,
        rocketlane: httpx.AsyncClient,
        rsa_pair: tuple[str, str],
        ec_pair: tuple[str, str],
    ) -> None:
        sandbox.upload_public_key(ec_pair[1])
        assert_refused(await embed(rocketlane, jwt.encode(claims(sandbox), rsa_pair[0], "RS256")), "signature")

    def test_the_public_key_is_never_an_hmac_secret(self) -> None:
        keys = EmbedKeys("secret", "PUBLIC")
        assert keys.for_algorithm("HS256") == "secret"
        assert keys.for_algorithm("RS256") == "PUBLIC"
        assert [keys.for_algorithm(name) for name in ("none", "HS512", None, ["HS256"])] == [None] * 4


class TestClaims:
    @pytest.mark.parametrize("exp", [None, True, "1900000000", [1]])
    async def test_refuses_a_token_without_expiry(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, exp: object
    ) -> None:
        payload = claims(sandbox) | {"exp": exp}
        if exp is None:
            del payload["exp"]
        assert_refused(await embed_claims(rocketlane, sandbox, payload), "exp-missing")

    async def test_refuses_an_expired_token(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        token = jwt.encode(claims(sandbox), sandbox.rocketlane_secret, "HS256")
        sandbox.clock.advance(59)
        assert (await embed(rocketlane, token)).status_code == 200
        sandbox.clock.advance(1)
        assert_refused(await embed(rocketlane, token), "expired")

    @pytest.mark.parametrize(
        "user", [None, {}, {"emailId": ""}, {"emailId": 7}, {"email": "jane@vance.example"}, "jane"]
    )
    async def test_refuses_a_token_without_user(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, user: object
    ) -> None:
        assert_refused(await embed_claims(rocketlane, sandbox, claims(sandbox) | {"user": user}), "no-user")

    @pytest.mark.parametrize("project", ["5001", 5001.0, True, None, [5001]])
    async def test_refuses_a_project_id_that_is_no_number(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, project: object
    ) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox, project=project))
        assert_refused(response, "project-id")

    async def test_refuses_a_token_without_config(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox) | {"config": None})
        assert_refused(response, "project-id")

    async def test_refuses_an_invitation_that_is_no_boolean(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient
    ) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox, inviteIfAbsent="false"))
        assert_refused(response, "invite-if-absent")


class TestAdmission:
    async def test_refuses_unknown_and_archived_projects(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        unknown = await embed_claims(rocketlane, sandbox, claims(sandbox, project=1))
        archived = await embed_claims(rocketlane, sandbox, claims(sandbox, project=5002))
        assert_refused(unknown, "unknown-project")
        assert_refused(archived, "archived-project")

    @pytest.mark.parametrize("invite", [False, True])
    async def test_refuses_internal_users(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, invite: bool) -> None:
        payload = claims(sandbox, "sam@coldchain.example", inviteIfAbsent=invite)
        assert_refused(await embed_claims(rocketlane, sandbox, payload), "not-a-customer")

    @pytest.mark.parametrize("email", ["omar@vance.example", "noah@vance.example", "lena@globex.example"])
    @pytest.mark.parametrize("config", [{}, {"inviteIfAbsent": False}])
    async def test_refuses_absent_users(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, email: str, config: dict[str, bool]
    ) -> None:
        assert_refused(await embed_claims(rocketlane, sandbox, claims(sandbox, email, **config)), "absent")
        assert sandbox.world.rocketlane.invitations == []

    @pytest.mark.parametrize(
        ("email", "name"),
        [("omar@vance.example", "Omar Haddad"), ("noah@vance.example", "noah@vance.example")],
        ids=["known customer", "new customer"],
    )
    async def test_invites_absent_users_once(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient, email: str, name: str
    ) -> None:
        payload = claims(sandbox, email, inviteIfAbsent=True)
        responses = [await embed_claims(rocketlane, sandbox, payload) for _ in range(2)]
        assert [response.status_code for response in responses] == [200, 200]
        assert f"Logged in as <strong>{name}</strong>" in responses[0].text
        (invitation,) = sandbox.world.rocketlane.invitations
        assert (invitation.project_id, invitation.email, invitation.via) == (5001, email, "token")

    async def test_invites_people_of_another_company_too(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        payload = claims(sandbox, "lena@globex.example", inviteIfAbsent=True)
        assert (await embed_claims(rocketlane, sandbox, payload)).status_code == 200

    async def test_may_keep_joining_to_the_customers_domains(
        self, sandbox: Sandbox, rocketlane: httpx.AsyncClient
    ) -> None:
        sandbox.rocketlane_vendor.switches.update({"customer_domains_only": True})
        stranger = claims(sandbox, "lena@globex.example", inviteIfAbsent=True)
        colleague = claims(sandbox, "noah@VANCE.example", inviteIfAbsent=True)
        assert_refused(await embed_claims(rocketlane, sandbox, stranger), "domain")
        assert (await embed_claims(rocketlane, sandbox, colleague)).status_code == 200

    async def test_may_turn_joining_off(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        sandbox.rocketlane_vendor.switches.update({"jwt_joining": False})
        payload = claims(sandbox, "noah@vance.example", inviteIfAbsent=True)
        assert_refused(await embed_claims(rocketlane, sandbox, payload), "joining-off")
        assert (await embed_claims(rocketlane, sandbox, claims(sandbox))).status_code == 200


class TestPages:
    async def test_may_be_framed_by_anybody(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        response = await embed_claims(rocketlane, sandbox, claims(sandbox))
        assert "content-security-policy" not in response.headers
        assert "x-frame-options" not in response.headers

    async def test_may_forbid_framing(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        changes = {"frame_ancestors": "https://app.example", "x_frame_options": "DENY"}
        sandbox.rocketlane_vendor.switches.update(changes)
        signed_in = await embed_claims(rocketlane, sandbox, claims(sandbox))
        for response in (signed_in, await rocketlane.get("/cp/embed")):
            assert response.headers["content-security-policy"] == "frame-ancestors https://app.example"
            assert response.headers["x-frame-options"] == "DENY"

    async def test_an_email_cannot_bring_markup(self, sandbox: Sandbox, rocketlane: httpx.AsyncClient) -> None:
        payload = claims(sandbox, "<script>@vance.example", inviteIfAbsent=True)
        assert "<script>" not in (await embed_claims(rocketlane, sandbox, payload)).text

    async def test_the_root_leads_to_the_portal_and_assets_are_served(self, rocketlane: httpx.AsyncClient) -> None:
        assert (await rocketlane.get("/")).headers["location"] == "/cp"
        assert (await rocketlane.get("/static/mark.svg")).headers["content-type"].startswith("image/svg")
