"""Every notebook is tidy, and every rule that says so can fail.

A rule takes a `Notebook` and yields one sentence per problem. The rules read JSON and
run nothing but ruff. Below them, each rule meets a notebook that it must find fault
with, and one that it must not. The words have rules of their own: `test_words.py`.
"""

import ast
import copy
import itertools
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import nbformat
import pytest

from helpers import paths

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
CHAPTERS = list(paths.chapters().values())
OTHERS = sorted(
    path
    for path in FOLDER.rglob("*.ipynb")
    if path not in CHAPTERS and ".ipynb_checkpoints" not in path.parts
)
assert CHAPTERS, "There is no notebook called notebooks/NN_name.ipynb."


LINE_WIDTH = 88
PRINTED_LINES = 30
AFTER_PROSE = 0.8
BYTES = 1_500_000
# one sitting, as in the clearest public courses; counted without folded answers
WORDS, CODE_CELLS, PARAGRAPH = 2800, 40, 90
WORDS_PER_CELL, WORDS_PER_FIGURE = (45, 110), 500
HELPER_NAMES, CALLS = 14, 5  # names per notebook, median of different calls per cell
CELL_LINES, LONGEST_CELLS = 5, 15  # median and 95th percentile
FIRST_LONGEST_CELLS, FIRST_WORDS_PER_CELL = 20, 60  # what the first edition keeps
LIBRARY = re.compile(
    r"from_pretrained\(|\bTrainingArguments\(|\bTrainer\(|\bDataCollator\w*\(|"
    r"\bLoraConfig\(|\bget_peft_model\("
)
PROGRESS = re.compile(r"\r(?!\n)|\d%\||\b(?:it/s|s/it)\b")
NOTES = "notes", "skip"  # slide types that only the speaker sees
LOCAL_PATH = re.compile(
    r"(?<![\w.:/<-])/(?:root|home|work|tmp|Users|private|var|opt|content|mnt|media)/\w"
    r"|\b[A-Za-z]:\\\\?\w|file://"
)
WIDGET = "application/vnd.jupyter.widget"
CITATION = re.compile(r"\([^()]*\b(?:19|20)\d\d[a-z]?\b[^()]*\)|\bet al\b")
TYPED_RESULT = re.compile(r"(?<![\d.])[01]?\.\d{3,}|(?<![\d.])\d+\.\d+\s?%")


@dataclass
class Notebook:
    """A notebook with what the rules ask for."""

    path: Path

    @cached_property
    def data(self) -> dict:
        return json.loads(self.path.read_text(encoding="utf-8"))

    @property
    def cells(self) -> list[dict]:
        return self.data["cells"]

    @property
    def prose(self) -> list[str]:
        return [text(c["source"]) for c in self.cells if c["cell_type"] == "markdown"]

    @property
    def code(self) -> list[dict]:
        """The code cells that are not empty."""
        cells = [c for c in self.cells if c["cell_type"] == "code"]
        return [cell for cell in cells if text(cell["source"]).strip()]

    @property
    def sources(self) -> list[str]:
        return [text(cell["source"]) for cell in self.code]

    @property
    def trees(self) -> list[ast.Module]:
        """The code cells as syntax trees, without the lines that are for IPython."""
        plain = (re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", s) for s in self.sources)
        return [ast.parse(source) for source in plain]

    @property
    def visible(self) -> list[str]:
        """What a reader reads: prose without notes, folded answers and addresses."""
        seen = []
        for cell in self.cells:
            slide = cell["metadata"].get("slideshow", {}).get("slide_type")
            if cell["cell_type"] == "markdown" and slide not in NOTES:
                seen.append(text(cell["source"]))
        hidden = r"(?s)<details.*?</details>|```mermaid.*?```|\]\([^)]*\)|https?://\S+"
        return [re.sub(hidden, " ", markdown) for markdown in seen]

    @property
    def words(self) -> int:
        return sum(map(count_words, self.visible))

    @property
    def outputs(self):
        """Pairs of a code cell's number, from 1, and one of its outputs."""
        for number, cell in enumerate(self.code, 1):
            for output in cell.get("outputs", []):
                yield number, output


def text(value) -> str:
    return "".join(value) if isinstance(value, list) else value or ""


def count_words(prose: str) -> int:
    return len(re.findall(r"\w+", prose))


def shown(output: dict) -> str:
    """Everything in an output that is text."""
    parts = [text(output.get("text")), "\n".join(output.get("traceback", []))]
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/") or kind.endswith(("json", "+xml")):
            parts.append(
                json.dumps(content) if isinstance(content, dict) else text(content)
            )
    return "\n".join(parts)


def without_code(markdown: str) -> str:
    """Remove code, formulas, comments and the targets of links from Markdown."""
    for pattern in (
        r"```.*?```|~~~.*?~~~",
        r"`[^`\n]*`",
        r"\$\$.*?\$\$|\$[^$\n]+\$",
        r"<!--.*?-->",
        r"(?<=\])\([^)\s]*\)",
        r"https?://\S+",
    ):
        markdown = re.sub(pattern, " ", markdown, flags=re.DOTALL)
    return markdown


def is_valid(notebook: Notebook):
    try:
        nbformat.validate(nbformat.from_dict(notebook.data))
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {error.message}"


def was_executed_in_order(notebook: Notebook):
    counts = [cell["execution_count"] for cell in notebook.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}"


def has_no_empty_code_cell(notebook: Notebook):
    for cell in notebook.cells:
        if cell["cell_type"] == "code" and not text(cell["source"]).strip():
            yield "an empty code cell"


def has_no_stderr(notebook: Notebook):
    for number, output in notebook.outputs:
        if output.get("name") == "stderr":
            yield f"code cell {number} wrote to stderr: {shown(output)[:60]!r}"


def has_no_unexpected_error(notebook: Notebook):
    for number, output in notebook.outputs:
        tags = notebook.code[number - 1]["metadata"].get("tags", [])
        if output["output_type"] == "error" and "raises-exception" not in tags:
            yield f"code cell {number} ends in {output['ename']}"


def has_no_local_path(notebook: Notebook):
    for number, output in notebook.outputs:
        found = LOCAL_PATH.search(shown(output))
        if found or str(ROOT) in shown(output):
            yield f"code cell {number} shows a path of this machine"


def has_no_widget(notebook: Notebook):
    if "widgets" in notebook.data["metadata"]:
        yield "widget state in the metadata"
    for number, output in notebook.outputs:
        if any(kind.startswith(WIDGET) for kind in output.get("data", {})):
            yield f"code cell {number} shows a widget"


def has_no_progress_bar(notebook: Notebook):
    for number, output in notebook.outputs:
        if PROGRESS.search(text(output.get("text"))):
            yield f"code cell {number} shows what is left of a progress bar"


def has_no_star_import(notebook: Notebook):
    for number, source in enumerate(notebook.sources, 1):
        if re.search(r"^\s*from\s+\S+\s+import\s*\(?\s*\*", source, re.MULTILINE):
            yield f"code cell {number} has a star import"


def has_no_bare_except(notebook: Notebook):
    for number, source in enumerate(notebook.sources, 1):
        if re.search(r"^\s*except\s*:", source, re.MULTILINE):
            yield f"code cell {number} has a bare except"


def has_no_long_line(notebook: Notebook):
    for number, source in enumerate(notebook.sources, 1):
        for line in source.splitlines():
            if len(line) > LINE_WIDTH:
                yield f"code cell {number} has a line of {len(line)} characters"


def ruff(path: Path, *arguments: str) -> str:
    """Return what ruff complains about."""
    command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--config"]
    command += [str(ROOT / "pyproject.toml"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    return done.stdout + done.stderr if done.returncode else ""


def passes_ruff(notebook: Notebook):
    for arguments in (["check", "--output-format=concise"], ["format", "--check"]):
        complaint = ruff(notebook.path, *arguments)
        if complaint:
            yield f"ruff {arguments[0]}: {complaint}"


def prints_little(notebook: Notebook):
    lines = dict.fromkeys(range(1, len(notebook.code) + 1), 0)
    for number, output in notebook.outputs:
        data = output.get("data", {})
        if "text/html" not in data:
            plain = text(output.get("text")) + text(data.get("text/plain"))
            lines[number] += len(plain.splitlines())
    for number, count in lines.items():
        if count > PRINTED_LINES:
            yield f"code cell {number} prints {count} lines"


def is_one_sitting(notebook: Notebook):
    if notebook.words > WORDS:
        yield f"{notebook.words} words are more than one sitting"
    if len(notebook.code) > CODE_CELLS:
        yield f"{len(notebook.code)} code cells are more than one sitting"


def has_short_paragraphs(notebook: Notebook):
    for markdown in notebook.visible:
        for paragraph in re.split(r"\n\s*\n", markdown):
            count = count_words(paragraph)
            is_list = paragraph.lstrip().startswith(("|", "* ", "- "))
            if count > PARAGRAPH and not is_list:
                yield f"a paragraph of {count} words: {paragraph[:40]!r}"


def has_short_cells(notebook: Notebook):
    lengths = sorted(len(source.strip().splitlines()) for source in notebook.sources)
    if median(lengths) > CELL_LINES:
        yield f"the median of cell lengths is {median(lengths)} lines"
    yield from has_few_long_cells(notebook, LONGEST_CELLS)


def has_few_long_cells(notebook: Notebook, most: int = FIRST_LONGEST_CELLS):
    lengths = sorted(len(source.strip().splitlines()) for source in notebook.sources)
    long = lengths[min(len(lengths) - 1, int(len(lengths) * 0.95))]
    if long > most:
        yield f"the 95th percentile of cell lengths is {long} lines"


def calls_few_things_at_once(notebook: Notebook):
    calls = [
        len({ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)})
        for tree in notebook.trees
    ]
    if median(calls) > CALLS:
        yield f"the median cell has {median(calls)} different calls"


def needs_few_helpers(notebook: Notebook):
    nodes = [node for tree in notebook.trees for node in ast.walk(tree)]
    modules = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith("helpers.")
        for alias in node.names
    }
    names = {
        ast.unparse(node)
        for node in nodes
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules
    }
    if len(names) > HELPER_NAMES:
        yield f"{len(names)} names of helpers: {sorted(names)}"


def shows_the_library(notebook: Notebook):
    if not LIBRARY.search("\n".join(notebook.sources)):
        yield "no call of transformers or peft that a reader could take home"


def explains_enough(notebook: Notebook):
    few, many = WORDS_PER_CELL
    if not few <= notebook.words / len(notebook.code) <= many:
        yield f"{notebook.words / len(notebook.code):.0f} words per code cell"


def explains_something(notebook: Notebook):
    if notebook.words < FIRST_WORDS_PER_CELL * len(notebook.code):
        yield f"{notebook.words / len(notebook.code):.0f} words per code cell"


def has_enough_figures(notebook: Notebook):
    kinds = [kind for _, output in notebook.outputs for kind in output.get("data", {})]
    figures = sum(kind.startswith("image/") for kind in kinds)
    drawn = r"!\[[^\]]+\]\((?!https)|```mermaid"
    figures += sum(len(re.findall(drawn, markdown)) for markdown in notebook.prose)
    if notebook.words > WORDS_PER_FIGURE * figures:
        yield f"{figures} figures and diagrams for {notebook.words} words"


def has_prose_before_code(notebook: Notebook):
    after = sum(
        before["cell_type"] == "markdown" and cell in notebook.code
        for before, cell in itertools.pairwise(notebook.cells)
    )
    if after < AFTER_PROSE * len(notebook.code):
        yield f"{after} of {len(notebook.code)} code cells follow prose"


def has_alt_texts(notebook: Notebook):
    html = [shown(o) for _, o in notebook.outputs if "text/html" in o.get("data", {})]
    for markdown in [*notebook.prose, *html]:
        for image in re.findall(r"!\[\s*\]\([^)]*\)", markdown):
            yield f"no alt text: {image[:40]}"
        for tag in re.findall(r"<img\b[^>]*>", markdown):
            if not re.search(r"""\balt=\\?(["'])\s*[^"'\s\\]""", tag):
                yield f"no alt text: {tag[:40]}"
    for number, output in notebook.outputs:
        for kind in output.get("data", {}):
            described = output.get("metadata", {}).get(kind, {}).get("alt", "").strip()
            if kind.startswith("image/") and not described:
                yield f"code cell {number} shows an image without alt text"


def is_small(notebook: Notebook):
    size = notebook.path.stat().st_size
    if size > BYTES:
        yield f"{size / 1e6:.1f} MB"


def has_the_plain_kernel(notebook: Notebook):
    name = notebook.data["metadata"].get("kernelspec", {}).get("name")
    if name != "python3":
        yield f"the kernel is {name}"


def was_not_saved_by_colab(notebook: Notebook):
    if "view-in-github" in notebook.path.read_text(encoding="utf-8"):
        yield "a cell that Colab inserted"


def links_to_files_that_exist(notebook: Notebook):
    for markdown in notebook.prose:
        markdown = re.sub(r"```.*?```|`[^`\n]*`", " ", markdown, flags=re.DOTALL)
        targets = re.findall(r"\]\(\s*<?([^)\s>]+)", markdown)
        targets += re.findall(r"""(?:href|src)=["']([^"']+)""", markdown)
        for target in targets:
            if re.match(r"[a-z]+:|#", target):
                continue
            if not (notebook.path.parent / unquote(target.split("#")[0])).exists():
                yield f"a link to {target}, which does not exist"


def repository() -> str:
    """Return owner/name from pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    address = project["project"]["urls"]["Repository"]
    return address.removeprefix("https://github.com/").removesuffix(".git").strip("/")


def opens_in_colab(notebook: Notebook):
    first = notebook.cells[0]
    head = text(first["source"]) if first["cell_type"] == "markdown" else ""
    if not head.startswith("# "):
        yield "the first cell does not begin with a title"
    address = (
        f"https://colab.research.google.com/github/{repository()}"
        f"/blob/main/notebooks/{notebook.path.name}"
    )
    if "Open in Colab" not in head or f"({address})" not in head:
        yield f'the first cell has no link "Open in Colab" to {address}'


def starts_as_its_chapter(notebook: Notebook):
    number = paths.id_of(notebook.path)
    starts = re.findall(r"course\.start\(\s*[\"'](\w+)", "\n".join(notebook.sources))
    if starts != [number]:
        yield f'calls course.start for {starts}, not once for "{number}"'


def types_no_result(notebook: Notebook):
    """Numbers such as .687 or 68.7 % come from a cell, or with a citation.

    Exercises may invent numbers.
    """
    invented = False
    for markdown in notebook.prose:
        for heading in re.findall(r"^##? (.*)", markdown, re.MULTILINE):
            invented = heading.startswith("Exercise")
        if invented:
            continue
        for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z*_>])", without_code(markdown)):
            if not CITATION.search(sentence):
                for number in TYPED_RESULT.findall(sentence):
                    yield f"the result {number} is typed into the prose"


FOR_ALL = [
    is_valid,
    was_executed_in_order,
    has_no_empty_code_cell,
    has_no_stderr,
    has_no_unexpected_error,
    has_no_local_path,
    has_no_widget,
    has_no_progress_bar,
    has_no_star_import,
    has_no_bare_except,
    has_no_long_line,
    passes_ruff,
    prints_little,
    has_alt_texts,
    is_small,
    has_the_plain_kernel,
    was_not_saved_by_colab,
    links_to_files_that_exist,
]
FOR_CHAPTERS = [
    has_prose_before_code,
    opens_in_colab,
    starts_as_its_chapter,
    types_no_result,
]
FIRST_STYLE = [has_few_long_cells, explains_something]
STYLE = [  # the first edition keeps its own until it is rewritten
    is_one_sitting,
    has_short_paragraphs,
    has_short_cells,
    calls_few_things_at_once,
    needs_few_helpers,
    shows_the_library,
    explains_enough,
    has_enough_figures,
]


def name(value) -> str:
    if isinstance(value, Path):
        return value.relative_to(FOLDER).as_posix()
    return value.__name__


@pytest.mark.parametrize("rule", FOR_ALL, ids=name)
@pytest.mark.parametrize("path", [*CHAPTERS, *OTHERS], ids=name)
def test_notebook(path, rule):
    assert list(rule(Notebook(path))) == []


@pytest.mark.parametrize("rule", FOR_CHAPTERS, ids=name)
@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_chapter(path, rule):
    assert list(rule(Notebook(path))) == []


@pytest.mark.parametrize("rule", STYLE, ids=name)
@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_style(path, rule, first_edition):
    assert path.name in first_edition or list(rule(Notebook(path))) == []


@pytest.mark.parametrize("rule", FIRST_STYLE, ids=name)
@pytest.mark.parametrize("path", CHAPTERS, ids=name)
def test_style_of_the_first_edition(path, rule, first_edition):
    assert path.name not in first_edition or list(rule(Notebook(path))) == []


def test_the_first_edition_names_chapters(first_edition):
    assert set(first_edition) <= {path.name for path in CHAPTERS}


def test_notebooks_have_the_names_of_chapters_or_are_solutions():
    strangers = [path for path in OTHERS if path.parent != FOLDER / "solutions"]
    assert strangers == []


# What follows proves that each rule can fail, and does not fail without cause.

GOOD_PROSE = ("These words explain the next cell. " * 8 + "\n\n") * 2
PNG = {"image/png": "iVBORw0KGgo=", "text/plain": "A blue square."}


def markdown_cell(source: str) -> dict:
    return {"cell_type": "markdown", "id": "x", "metadata": {}, "source": source}


def code_cell(source: str, count: int | None, *outputs, tags=()) -> dict:
    return {
        "cell_type": "code",
        "id": "x",
        "metadata": {"tags": list(tags)} if tags else {},
        "execution_count": count,
        "outputs": list(outputs),
        "source": source,
    }


def display(data: dict, metadata: dict | None = None) -> dict:
    return {"output_type": "display_data", "data": data, "metadata": metadata or {}}


def stream(printed: str, to: str = "stdout") -> dict:
    return {"output_type": "stream", "name": to, "text": printed}


def an_error(line: str = "1 / 0") -> dict:
    return {
        "output_type": "error",
        "ename": "ZeroDivisionError",
        "evalue": "division by zero",
        "traceback": [line],
    }


def good_notebook() -> dict:
    badge = "https://colab.research.google.com/assets/colab-badge.svg"
    address = f"https://colab.research.google.com/github/{repository()}/blob/main"
    head = f"# Title\n\n[![Open in Colab]({badge})]({address}/notebooks/07_x.ipynb)"
    prose = GOOD_PROSE + (
        "See [the next](07_x.ipynb#part), $p = .123$, `0.1234`, and an accuracy of "
        "81.1 % (Oquab et al. 2023). Expect 0.74 to 0.81.\n\n"
        f"<details><summary>Answer</summary>{'Folded words. ' * 200}</details>"
    )
    cells = [
        markdown_cell(head),
        code_cell(
            'from helpers import course\n\nchapter = course.start("07")\n'
            'encoder = chapter.encoder.from_pretrained("x")\n%matplotlib inline',
            1,
            stream("see https://example.org/home/x and a/tmp/b\n"),
        ),
        markdown_cell(prose),
        code_cell(
            "print(1)", 2, display(PNG, {"image/png": {"alt": "A blue square."}})
        ),
        markdown_cell(GOOD_PROSE),
        code_cell("print(1 / 0)", 3, an_error(), tags=["raises-exception"]),
        markdown_cell("## Exercises\n\nA colleague reports 72.4 %."),
        markdown_cell("Another one reports .711."),
        markdown_cell("## Going further"),
    ]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def with_source(cell: int, source: str):
    def change(data):
        data["cells"][cell]["source"] = source

    return change


def with_sources(source: str):
    """Change most code cells."""

    def change(data):
        data["cells"][3]["source"] = data["cells"][5]["source"] = source

    return change


def with_many_cells(data):
    data["cells"] += [code_cell("print(1)", 4 + n) for n in range(38)]


def with_output(*outputs):
    def change(data):
        data["cells"][3]["outputs"] = list(outputs)

    return change


def with_metadata(**metadata):
    def change(data):
        data["metadata"] |= metadata

    return change


def with_count(cell: int, count: int | None):
    def change(data):
        data["cells"][cell]["execution_count"] = count

    return change


def without_cell(cell: int):
    def change(data):
        del data["cells"][cell]

    return change


def without_tag(data):
    data["cells"][5]["metadata"] = {}


def without_id(data):
    del data["cells"][0]["cell_type"]


def with_empty_cell(data):
    data["cells"].append(code_cell(" \n", None))


def with_colab_cell(data):
    data["cells"][2]["metadata"] = {"id": "view-in-github"}


HTML_IMAGE = {"text/html": '<img src="x.png" alt="">', "text/plain": "x"}
BROKEN = [
    (is_valid, without_id),
    (was_executed_in_order, with_count(3, 7)),
    (was_executed_in_order, with_count(3, None)),
    (was_executed_in_order, without_cell(1)),
    (has_no_empty_code_cell, with_empty_cell),
    (has_no_stderr, with_output(stream("FutureWarning", "stderr"))),
    (has_no_unexpected_error, without_tag),
    (has_no_local_path, with_output(stream("saved to /home/ada/x"))),
    (has_no_local_path, with_output(stream("saved to '/tmp/x'"))),
    (has_no_local_path, with_output(stream("in C:\\Users\\ada"))),
    (has_no_local_path, with_output(display({"text/html": "<p>/Users/ada</p>"}))),
    (has_no_local_path, with_output(display({"text/plain": ["a\n", "/root/x"]}))),
    (has_no_local_path, with_output(an_error('File "/opt/x/y.py"'))),
    (has_no_local_path, with_output(stream(str(ROOT)))),
    (has_no_widget, with_metadata(widgets={})),
    (has_no_widget, with_output(display({f"{WIDGET}-view+json": {"model_id": "x"}}))),
    (has_no_progress_bar, with_output(stream("\r  1/3 batches"))),
    (has_no_progress_bar, with_output(stream("100%|###| 3/3 [00:01<00:00, 2.1it/s]"))),
    (has_no_star_import, with_source(3, "from numpy import *")),
    (has_no_bare_except, with_source(3, "try:\n    f()\nexcept:\n    pass")),
    (has_no_long_line, with_source(3, f"x = '{'a' * 83}'")),
    (passes_ruff, with_source(3, "import os")),
    (passes_ruff, with_source(3, "x = 'single quotes'")),
    (prints_little, with_output(stream("line\n" * 16), stream("line\n" * 15))),
    (prints_little, with_output(display({"text/plain": "line\n" * 31}))),
    (has_alt_texts, with_source(2, "![](figure.png)")),
    (has_alt_texts, with_source(2, '<img src="figure.png">')),
    (has_alt_texts, with_source(2, '<img src="figure.png" alt="">')),
    (has_alt_texts, with_output(display(PNG))),
    (has_alt_texts, with_output(display(PNG, {"image/png": {"alt": " "}}))),
    (has_alt_texts, with_output(display(HTML_IMAGE))),
    (is_small, with_output(stream("x" * BYTES))),
    (has_the_plain_kernel, with_metadata(kernelspec={"name": "venv"})),
    (has_the_plain_kernel, with_metadata(kernelspec={})),
    (was_not_saved_by_colab, with_colab_cell),
    (links_to_files_that_exist, with_source(2, "[there](08_absent.ipynb)")),
    (links_to_files_that_exist, with_source(2, "[there](absent/07_x.ipynb#part)")),
    (links_to_files_that_exist, with_source(2, '<img src="absent.png" alt="x">')),
    (is_one_sitting, with_source(2, "Words.\n\n" * (WORDS + 1))),
    (is_one_sitting, with_many_cells),
    (has_short_paragraphs, with_source(2, "Words. " * (PARAGRAPH + 1))),
    (has_short_cells, with_source(3, "print(1)\n" * (LONGEST_CELLS + 1))),
    (has_few_long_cells, with_source(3, "print(1)\n" * (FIRST_LONGEST_CELLS + 1))),
    (explains_something, with_source(2, "A few words.")),
    (has_short_cells, with_sources("print(1)\n" * (CELL_LINES + 1))),
    (calls_few_things_at_once, with_sources("a(b(c()))\nd(), e(), x.e()")),
    (needs_few_helpers, with_source(3, "\n".join(f"course.f{n}" for n in range(14)))),
    (shows_the_library, with_source(1, 'course.start("07")')),
    (explains_enough, with_source(2, "A few words.")),
    (explains_enough, with_source(2, "Words.\n\n" * 400)),
    (has_enough_figures, with_output(stream("no figure"))),
    (has_prose_before_code, without_cell(2)),
    (opens_in_colab, with_source(0, "Open in Colab")),
    (opens_in_colab, without_cell(0)),
    (opens_in_colab, with_source(0, "# Title\n\n[Open in Colab](https://x.org)")),
    (starts_as_its_chapter, with_source(1, 'course.start("08")')),
    (starts_as_its_chapter, with_source(1, "x = 1")),
    (types_no_result, with_source(2, "The accuracy is .687 on the test set.")),
    (types_no_result, with_source(2, "It is 0.687. In 2019 others got less.")),
    (types_no_result, with_source(2, "| frozen | 68.7 % |")),
    (types_no_result, with_source(8, "## Take-aways\n\nIt reaches 68.7 %.")),
]


def write(data: dict, folder: Path) -> Notebook:
    """Write a notebook as chapter 7, and its neighbours."""
    path = folder / "07_x.ipynb"
    path.write_text(json.dumps(data, indent=1), encoding="utf-8")
    return Notebook(path)


@pytest.mark.parametrize(
    "rule", [*FOR_ALL, *FOR_CHAPTERS, *STYLE, *FIRST_STYLE], ids=name
)
def test_no_rule_finds_fault_with_a_good_notebook(rule, tmp_path):
    assert list(rule(write(good_notebook(), tmp_path))) == []


@pytest.mark.parametrize(("rule", "change"), BROKEN)
def test_a_broken_rule_is_reported(rule, change, tmp_path):
    data = copy.deepcopy(good_notebook())
    change(data)
    assert list(rule(write(data, tmp_path))) != []


def test_every_rule_was_broken_once():
    assert {rule for rule, _ in BROKEN} == {
        *FOR_ALL,
        *FOR_CHAPTERS,
        *STYLE,
        *FIRST_STYLE,
    }
