"""Generation in latent space, its pictures and its measures."""
