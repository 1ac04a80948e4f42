"""Networks as plain modules: they know neither files nor Lightning."""
