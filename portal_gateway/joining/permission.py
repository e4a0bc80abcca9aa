"""Who may invite."""

from __future__ import annotations

import logging
from inspect import isawaitable

from portal_gateway.admission.addresses import parse_address
from portal_gateway.models import EndUser
from portal_gateway.settings.joining import InvitePermission, load_function

logger = logging.getLogger("portal_gateway")


class InviteRule:
    """Whether an end user may invite: everything that the configuration sets has to hold.

    A function that fails has not said yes.
    """

    def __init__(self, settings: InvitePermission) -> None:
        self._attributes = settings.attributes
        self._domains = frozenset(settings.email_domains)
        self._function = load_function(settings.function) if settings.function else None

    async def holds(self, user: EndUser) -> bool:
        return self._has_attributes(user) and self._is_of_domain(user) and await self._is_allowed(user)

    def _has_attributes(self, user: EndUser) -> bool:
        return all(_matches(user.attributes.get(name), wanted) for name, wanted in self._attributes.items())

    def _is_of_domain(self, user: EndUser) -> bool:
        if not self._domains:
            return True
        address = parse_address(user.email or "")
        return user.email_verified and address is not None and address.domain in self._domains

    async def _is_allowed(self, user: EndUser) -> bool:
        if self._function is None:
            return True
        try:
            answer = self._function(user)
            return (await answer if isawaitable(answer) else answer) is True
        except Exception as error:
            logger.error("the function that says who may invite has failed (%s)", type(error).__name__)
            return False


def _matches(value: object, wanted: object) -> bool:
    """Whether `value`, or one of its elements, is `wanted`, or one of its elements; 1 is not true."""
    accepted = wanted if isinstance(wanted, list) else [wanted]
    held = value if isinstance(value, list | tuple | set | frozenset) else [value]
    return any(type(one) is type(other) and one == other for one in held for other in accepted)
