"""`check --online`: asks the vendors, the issuer, the app and the cache, and only reads."""
