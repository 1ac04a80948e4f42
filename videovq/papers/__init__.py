"""Experiments beside the main job, a folder each; videovq.slices names them, and nothing else of videovq knows them."""
