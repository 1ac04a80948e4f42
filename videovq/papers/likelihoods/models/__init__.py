"""Autoencoders with a likelihood: VAE, VIMCO and VQ-VAE, comparable in bits per dimension."""
