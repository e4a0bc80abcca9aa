"""The keys of `joining.keys`: they sign what leaves the gateway, and seal what is kept in the store about people.

Whoever reads the store learns no address, whoever writes to it gets nobody in: a value is good only if it was sealed
here, under the very name it is kept by.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from functools import cached_property
from hashlib import blake2b, sha256
from secrets import token_bytes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12  # NIST SP 800-38D section 8.2.2: random ones of 96 bits


class Unsealable(Exception):
    """Not sealed here, or under another name, or with a key that has been dropped."""


class Keyring:
    """Signs and seals with the first key, accepts all: keys are rotated by putting a new one first, and dropping the
    last when what it signed has expired."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` by kid, each of at least 32 bytes; not empty."""
        self._keys = dict(keys)
        self.kid = next(iter(self._keys))

    def mac(self, *parts: str) -> str:
        """The signature of `parts`, none of which has a line break; with the first key."""
        return self._mac(self.kid, parts)

    def is_mac(self, mac: str, kid: str, *parts: str) -> bool:
        """Whether `mac` is the signature of `parts` with the key `kid`, if there is one."""
        return kid in self._keys and hmac.compare_digest(mac.encode(), self._mac(kid, parts).encode())

    def mark(self, *parts: str) -> str:
        """What stands for something personal in keys of the store and in logs: another one after a rotation."""
        key = blake2b(self._keys[self.kid], digest_size=32, person=b"portal-join-mark").digest()
        return blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), key=key, digest_size=12).hexdigest()

    def seal(self, value: bytes, name: str) -> bytes:
        nonce = token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self.kid].encrypt(nonce, value, name.encode())
        return b".".join((self.kid.encode(), nonce + sealed))

    def unseal(self, sealed: bytes, name: str) -> bytes:
        """Raises Unsealable."""
        from cryptography.exceptions import InvalidTag

        kid, _, rest = sealed.partition(b".")
        cipher = self._ciphers.get(kid.decode("latin-1"))
        if cipher is None:
            raise Unsealable
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise Unsealable from None

    @cached_property
    def _ciphers(self) -> Mapping[str, AESGCM]:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return {
            kid: AESGCM(blake2b(key, digest_size=32, person=b"portal-join-seal").digest())
            for kid, key in self._keys.items()
        }

    def _mac(self, kid: str, parts: tuple[str, ...]) -> str:
        digest = hmac.digest(self._keys[kid], "\n".join((kid, *parts)).encode(), sha256)
        return urlsafe_b64encode(digest).rstrip(b"=").decode()
