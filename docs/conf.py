"""Sphinx: `make docs` writes docs/_build/html."""

from videovq import __version__

project = "videovq"
author = "the videovq authors"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
html_theme = "furo"
html_title = f"videovq {__version__}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
nb_execution_mode = "force"  # the tutorial is stored without its pictures
nb_execution_raise_on_error = True
# The guides are files that people also read in the repository; their links lead to folders there.
suppress_warnings = ["myst.xref_missing"]
