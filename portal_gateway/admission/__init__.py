"""Who may join: addresses and the policy over them. Pure."""
