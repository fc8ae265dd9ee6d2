"""Settings of Sphinx, which builds the site from these documents: `nox -s docs`."""

import re
from importlib.metadata import version as installed_version
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent

project = "bgjobs"
release = version = installed_version("bgjobs")
copyright = ""  # noqa: A001 - Sphinx wants this name

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = f"bgjobs {version}"
html_copy_source = True
html_sourcelink_suffix = ""
html_show_sphinx = False

napoleon_numpy_docstring = False
napoleon_attr_annotations = False

default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
python_maximum_signature_line_length = 88

# Names of bgjobs in texts have to be in the reference. Annotations need no target, and neither
# do names of other libraries, because the site is built without a network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", ".*"),
    ("py:obj", r"(?!bgjobs\.).*"),
    ("py:obj", r"bgjobs\.\w+\.[A-Z]"),  # type variables
]

ROOT_PAGES = {
    "contributing": "CONTRIBUTING.md",
    "changes": "CHANGELOG.md",
    "upgrading": "UPGRADING.md",
    "reporting": "SECURITY.md",
}
"""Pages of the site whose files are in the root of the project."""
LISTS = ("index", "design/decisions/index")
"""Pages whose lists are the contents of the site."""

SECTION = re.compile(r"^## (?P<name>.+)\n(?P<body>(?:(?!## ).*\n?)*)", re.MULTILINE)
ENTRY = re.compile(r"^- \[.+?\]\((?P<page>[\w/-]+)\.md\)", re.MULTILINE)
EVERY_EVENT = re.compile(r"(~?)bgjobs\.events\.\w+(?: \| ~?bgjobs\.events\.\w+){20,}")
NUMBERS = re.compile(r"Literal\[(\d+), (?:\d+, ){5,}(\d+)")


def contents(text: str) -> str:
    """Return the tables of contents that the lists of a page describe."""
    trees = []
    for section in SECTION.finditer(text):
        pages = ENTRY.findall(section["body"])
        if pages:
            options = f":hidden:\n:caption: {section['name']}"
            trees.append("\n".join(["```{toctree}", options, "", *pages, "```\n"]))
    return "\n".join(trees)


def read_source(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add the contents to the lists of pages, and read the pages in the root of the project."""
    if page in LISTS:
        source[0] += "\n" + contents(source[0])
    elif page in ROOT_PAGES:
        text = (DOCS.parent / ROOT_PAGES[page]).read_text("utf-8")
        text = text.replace("](docs/", "](")
        for target, file in ROOT_PAGES.items():
            text = text.replace(f"]({file}", f"]({target}.md")
        source[0] = text


def read_signature(
    _app: Sphinx, _kind: str, _name: str, _value: object, _options: object, *given: str | None
) -> tuple[str | None, ...]:
    """Shorten signatures: the union of all events, and long literals of numbers."""
    events = [text and EVERY_EVENT.sub(r"\1bgjobs.events.Event", text) for text in given]
    return tuple(text and NUMBERS.sub(r"Literal[\1, ..., \2", text) for text in events)


def write_llms(app: Sphinx, error: Exception | None) -> None:
    """Write llms.txt into the root of the site, with links to the Markdown of the pages."""
    if error is None and app.builder.format == "html":
        text = (DOCS / "llms.txt").read_text("utf-8")
        (Path(app.outdir) / "llms.txt").write_text(text.replace("](", "](_sources/"), "utf-8")


def setup(app: Sphinx) -> None:
    """Connect the functions above to the events of Sphinx."""
    app.connect("source-read", read_source)
    app.connect("autodoc-process-signature", read_signature)
    app.connect("build-finished", write_llms)
