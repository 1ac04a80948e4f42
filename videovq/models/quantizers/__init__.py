"""Quantizers: vectors <-> codes, behind one contract (``contract.py``)."""
