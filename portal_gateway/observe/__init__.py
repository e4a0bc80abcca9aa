"""What happened, counted and logged. Nothing here decides anything."""
