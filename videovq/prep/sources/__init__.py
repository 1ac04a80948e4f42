"""Formats of recorded episodes, one a file."""
