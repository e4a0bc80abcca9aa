"""What several rooms share about HTTP and ASGI: raw headers, trust, URLs, request facts. No IO."""
