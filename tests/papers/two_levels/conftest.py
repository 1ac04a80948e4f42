"""Two levels build on the prior of single frames: without that slice the end-to-end tests have nothing to test."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("videovq.papers.single_frames") else ["test_two_levels.py"]
