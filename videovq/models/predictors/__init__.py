"""Predictors of code grids behind one contract."""
