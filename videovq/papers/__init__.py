"""Experiments beside the main job, a folder each; videovq.slices names them, and nothing else of videovq knows them.

The files here are what several of them share: they go when the last of these does.
"""
