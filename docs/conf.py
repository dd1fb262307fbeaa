"""How Sphinx builds these pages as a site: ``make docs``. The references are made from the code on the way."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]


def setup(app: Sphinx) -> None:
    """Have the references written before pages are read."""
    import references

    app.connect("builder-inited", lambda app: references.write(HERE / "reference"))


project = "framepack-farm"
copyright = "the framepack-farm authors"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "FramePack Farm"
html_show_copyright = False
html_copy_source = False
pygments_style = "default"
pygments_dark_style = "github-dark"
highlight_language = "none"
smartquotes = False  # two hyphens begin an option
