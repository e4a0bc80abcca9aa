"""Putting snippets into the host app's pages: which pages, which snippet, and the streaming of it."""
