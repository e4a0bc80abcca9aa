"""Small values that expire, shared by replicas if the configuration names a place for them."""
