"""Discrete-latent, action-conditioned video prediction."""

__version__ = "0.1.0"
