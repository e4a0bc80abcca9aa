"""The vendors: who has access, and the signed link. Only `client` speaks HTTP."""
