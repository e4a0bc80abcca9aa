"""What the server offers beyond plain ASGI, as an app finds it in `scope["extensions"]`.

`http.response.trailers` is ASGI's own. The others are ours: an app sends an interim response (1xx, with `status` and
`headers`) as a message of type INTERIM; the last message of a request's body carries its trailers, if it has any,
under REQUEST_TRAILERS.
"""

from __future__ import annotations

from typing import Final

TRAILERS: Final = "http.response.trailers"
INTERIM: Final = "portal_gateway.interim"
REQUEST_TRAILERS: Final = "portal_gateway.trailers"
#: A scope's key: the request target as it was sent, where path and query do not tell it (`/path?`).
TARGET: Final = "portal_gateway.target"

EXTENSIONS: Final[dict[str, dict[str, object]]] = {TRAILERS: {}, INTERIM: {}, REQUEST_TRAILERS: {}}
