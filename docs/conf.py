"""Sphinx: `make docs` writes docs/_build/html."""

from pathlib import Path

from videovq import __version__
from videovq.slices import SLICES

project = "videovq"
author = "the videovq authors"
release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
if not tags.has("without_source"):  # which is quicker; Sphinx gives the tags
    extensions.append("sphinx.ext.viewcode")
html_theme = "furo"
html_title = f"videovq {__version__}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False  # those of Lightning and torch link to pages of theirs
nb_execution_mode = "force"  # the tutorial is stored without its pictures
nb_execution_raise_on_error = True

PAGES = Path(__file__).parent / "papers"  # made here, one for each slice
for page in PAGES.glob("*.md"):
    page.unlink()
PAGES.mkdir(exist_ok=True)
for name in SLICES:
    guide = f"```{{include}} ../../videovq/papers/{name}/README.md\n:relative-images:\n```\n"
    settings = f"## Settings\n\n```{{eval-rst}}\n.. automodule:: videovq.papers.{name}.config\n   :members:\n"
    (PAGES / f"{name}.md").write_text(f"{guide}\n{settings}   :exclude-members: check\n```\n", encoding="utf-8")

# The guides are files that people also read in the repository; their links lead to folders there.
suppress_warnings = ["myst.xref_missing"]
