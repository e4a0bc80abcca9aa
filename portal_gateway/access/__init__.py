"""Access decisions: asked of the vendor once, remembered for a while, never mixed between users."""
