"""What every provider can do: say who has access, and make the signed link. Both afresh, each time."""

from __future__ import annotations

from typing import Literal, Protocol

from portal_gateway.models import Access, EndUser

# What is minted: a link for a tab, one for an iframe, or the bare token of a portal with `sso`.
Purpose = Literal["link", "embed", "token"]


class Provider(Protocol):
    """The code that speaks to one vendor on behalf of one configured portal.

    A provider does not cache decisions and does not repeat a mint that may have happened. Everything it raises is a
    GatewayError. How long a call may wait for its turn is told by `urgency.urgency`.
    """

    @property
    def frame_origin(self) -> str:
        """The origin that an embed URL leads to: what a page's frame-src has to allow."""
        ...

    @property
    def embeds(self) -> bool:
        """Whether the vendor documents its portal to work in an iframe; otherwise pages offer the link."""
        ...

    def subject(self, user: EndUser) -> str:
        """What of `user` a decision depends on; part of the key under which decisions are cached.

        Raises IncompleteIdentity if the user lacks a field that the portal's templates need.
        """
        ...

    async def check_access(self, user: EndUser) -> Access:
        """Ask the vendor. GRANTED and DENIED only on an explicit answer.

        Raises VendorError for everything else (401, 429, 5xx, time-out, a body of no known shape), and
        IncompleteIdentity.
        """
        ...

    async def mint(self, user: EndUser, purpose: Purpose, choice: str | None = None) -> str:
        """A freshly signed URL for `user`: origin and path shape checked, else byte for byte the vendor's.

        Of purpose `token`: the token alone. Only portals whose settings have `sso` are asked for it.

        `choice` is the id of one of the user's choices as a request named it: it is checked against what is
        open to the user now. Raises AccessDenied, ChoiceNeeded, IncompleteIdentity, VendorError.
        """
        ...

    def forget(self) -> None:
        """Drop what was read from the vendor and kept for a while, such as lists of projects."""
        ...

    async def aclose(self) -> None:
        """Close connections to the vendor."""
        ...
