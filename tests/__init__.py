"""The run-time type and shape check that the tests switch on for all of videovq."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float
