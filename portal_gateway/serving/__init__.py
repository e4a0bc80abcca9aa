"""`portal-gateway serve`: processes, signals, reload, and the second listener."""
