"""Measures, reports and pictures of trained networks."""
