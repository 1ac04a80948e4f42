"""The tests, and what must be said before any of them imports PyTorch."""

import os

# The networks of these tests are too small to share, and a process that they start must round as this one does.
# VIDEOVQ_TEST_THREADS=2 tries them with more threads; with several workers on few cores that takes for ever.
os.environ["OMP_NUM_THREADS"] = os.environ.get("VIDEOVQ_TEST_THREADS", "1")
os.environ["NUMBA_NUM_THREADS"] = "1"  # UMAP's; else it would give PyTorch, too, as many threads as there are cores
