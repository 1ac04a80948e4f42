"""Rollouts in latent space, and their pictures."""
