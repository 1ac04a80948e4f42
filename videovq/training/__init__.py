"""Training of both networks, and encoding between them."""
