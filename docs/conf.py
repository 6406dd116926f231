"""How the site is built (`make docs`). Nothing is loaded from the network, when it is built or when it is read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("PYVISTA_OFF_SCREEN", "true")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyvista

sys.path.insert(0, str(Path(__file__).parent))

import generate

import tramontane

pyvista.OFF_SCREEN = True
pyvista.BUILDING_GALLERY = True

project = "Tramontane"
author = "The Tramontane maintainers"
copyright = author
version = release = tramontane.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_generated/*.md", "gallery/*.py", "gallery/*.ipynb", "gallery/*.zip", "gallery/*.json"]
templates_path = ["_templates"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "py:obj"
highlight_language = "text"
autosummary_generate = True
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {
    "members": True,
    # Of scikit-learn, with references to its own documents.
    "exclude-members": "set_fit_request, set_predict_request, set_score_request",
}
add_module_names = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

sphinx_gallery_conf = {
    "examples_dirs": ["../examples/gallery"],
    "gallery_dirs": ["gallery"],
    "filename_pattern": r"/\d_\w+\.py$",
    "ignore_pattern": r"^[a-z]",
    "image_scrapers": ("matplotlib", "pyvista"),
    "backreferences_dir": None,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
    "within_subsection_order": "FileNameSortKey",
}

html_theme = "pydata_sphinx_theme"
html_title = f"Tramontane {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_sidebars: dict[str, list[str]] = {key: [] for key in ("install", "tutorial", "glossary", "changelog")}
html_theme_options: dict[str, Any] = {
    "navbar_end": ["theme-switcher"],
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 7,
}


def setup(app: Any) -> None:
    """Write the pages that are made of the package's own tables before the documents are read."""
    app.connect("builder-inited", lambda _: generate.write(Path(__file__).parent))
