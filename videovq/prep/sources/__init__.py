"""Environments that can be recorded, one a file."""
