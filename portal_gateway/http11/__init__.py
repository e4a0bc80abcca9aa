"""HTTP/1.1 toward clients: a strict server protocol that uvicorn runs in place of its own."""
