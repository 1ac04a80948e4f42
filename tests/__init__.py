"""What holds for all tests: one thread, and the run-time type and shape check of all of videovq."""

import os

from beartype import BeartypeConf, beartype

# The networks of these tests are too small to share, and a process they start must round as this one does. Here, since
# OpenMP reads it once, when PyTorch is imported. VIDEOVQ_TEST_THREADS=2 tries two; give pytest one worker then.
os.environ["OMP_NUM_THREADS"] = os.environ.get("VIDEOVQ_TEST_THREADS", "1")
os.environ["NUMBA_NUM_THREADS"] = "1"  # UMAP's; else it would give PyTorch, too, as many threads as there are cores
os.environ["NUMBA_DISABLE_JIT"] = "1"  # to compile UMAP takes far longer than to lay out the codes of a test

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float
