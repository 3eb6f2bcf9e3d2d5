"""The course says things in the field's words, and the glossary explains them.

A word that may never occur is looked for in names, strings and comments of code, in
prose, in alt texts and in the names of recorded results. The words stand below with a
dot inside, so that this file does not find itself.
"""

import csv
import io
import json
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").rglob("[!.]*.ipynb"))
CODE = [p for room in ("helpers", "tests") for p in (ROOT / room).rglob("*.py")]
CARDS = [ROOT / "README.md", ROOT / "data" / "README.md"]
CARDS += (ROOT / "data" / "checkpoints").glob("*/README.md")
RESULTS = [*(ROOT / "data" / "results").glob("*.json")]
RESULTS += (ROOT / "data" / "results").glob("*.csv")
GLOSSARY = ROOT / "notebooks" / "glossary.md"
ENTRY = re.compile(
    r"\| \*\*(?P<term>[^|*]+)\*\* \| (?P<chinese>[^|]*) \| (?P<sentence>[^|]+) "
    r"\| \[(?P<chapter>[^\]|]+)\]\((?P<file>[^)|]+)\) \|"
)
CHINESE = re.compile("[\u4e00-\u9fff]")

NEVER = (
    r"pi.eces? ho.les? ho.led newb.orns? di.ce tw.ins? riv.als? word\sco.unts? "
    r"ways?\sba.ck ways?\sforw.ards? th.aw\w* de.ar revie.wers? te.ams? ga.mes? "
    r"(?:an?|the|this|each|every|same|other|another|per|lucky|first|random|one)\sdr.aw "
    r"(?:the|same|other|lucky|random|\d+|two|three|five|ten|many|few|more|of)\sdr.aws "
    r"dr.aws\sof"
)
NAMES = "sa.id tru.th ask.ed dr.aws"  # as words in names of the code
TERMS = (  # before the word that alone means nothing
    "learning positive negative error dropout path sampling masking base decay miss "
    "detection alarm discovery heart frame event bit"
)
BANNED = re.compile(rf"\b(?:{NEVER.replace('.', '').replace(' ', '|')})\b", re.I)
ALONE = re.compile(r"(?:(\w+)[\s-]+)?\b(r.ates?)\b".replace(".", ""), re.I)
# two algorithms, a coefficient that bears its author's name, a test of heat maps, and a
# function of scipy
PROPER = r"(?:Word|Sentence)Pi.ece|Di.ce|[Pp]ointing[\s_]ga.me|fill_ho.les"
PROPER = re.compile(PROPER.replace(".", ""))


def banned(prose: str) -> list[str]:
    """Return the words of a text that may never occur."""
    prose = re.sub(r"[\s_]+", " ", PROPER.sub("", prose))
    found = [match[0] for match in BANNED.finditer(prose)]
    for before, word in ALONE.findall(prose):
        if before.lower() not in TERMS.split():
            found.append(word)
    return found


def banned_name(name: str) -> list[str]:
    """Return what may not occur in a name of the code, such as `test_x` or `NewX`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_+", " ", PROPER.sub("", name)).lower()
    own = NAMES.replace(".", "").split()
    return banned(words) + [word for word in words.split() if word in own]


def banned_in_code(source: str) -> list[str]:
    """Return the banned words in the names, strings and comments of Python code."""
    found, comment = [], ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:  # one sentence may run over several lines
            comment += token.string.lstrip("#")
        elif token.type != tokenize.NL:
            found += banned(comment)
            comment = ""
        if token.type == tokenize.NAME:
            found += banned_name(token.string)
        elif token.type != tokenize.COMMENT:
            found += banned(token.string)
    return found


def keys(value) -> list[str]:
    """Return the keys of nested dictionaries and lists."""
    if isinstance(value, list):
        return [key for item in value for key in keys(item)]
    if not isinstance(value, dict):
        return []
    return [*value, *(key for item in value.values() for key in keys(item))]


def text(value) -> str:
    return "".join(value) if isinstance(value, list) else value or ""


def banned_in_notebook(notebook: dict, first_edition: bool) -> list[str]:
    """Return the banned words of a notebook; of an old one the prose may keep them."""
    found = []
    for cell in notebook["cells"]:
        source = text(cell["source"])
        if cell["cell_type"] == "code":
            found += banned_in_code(re.sub(r"(?m)^\s*[%!].*$", "pass", source))
        elif not first_edition:
            found += banned(source)
        for output in cell.get("outputs", []):
            for metadata in output.get("metadata", {}).values():
                if isinstance(metadata, dict):
                    found += banned(metadata.get("alt", ""))
    return found


def entries(glossary: str) -> list[dict]:
    """Return what each row of the glossary holds; a row of another form is an error."""
    _, _, *rows = [line for line in glossary.splitlines() if line.startswith("|")]
    found = [(row, ENTRY.fullmatch(row)) for row in rows]
    assert [row for row, entry in found if not entry] == []
    return [entry.groupdict() for _, entry in found]


def plain(prose: str) -> str:
    """Return a text without case, line breaks, hyphens, underscores and bold print."""
    return re.sub(r"[\s_*-]+", " ", prose).casefold()


def teaches(file: Path, term: str) -> bool:
    """Say whether a term stands in the text or code of a chapter that is there."""
    if not re.fullmatch(r"\d\d[a-z]?_\w+\.ipynb", file.name) or not file.is_file():
        return False
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    whole = plain(" ".join(text(cell["source"]) for cell in cells))
    return plain(term) in whole


def faults(glossary: str, folder: Path) -> list[str]:
    """Return what is wrong with a glossary whose chapters lie in a folder."""
    found = entries(glossary)
    terms = [entry["term"] for entry in found]
    wrong = ["order"] if terms != sorted(set(terms), key=str.casefold) else []
    for entry in found:
        term, sentence = entry["term"], entry["sentence"]
        if not CHINESE.search(entry["chinese"]):
            wrong.append(f"{term}: no Chinese")
        if not sentence.endswith(".") or len(sentence.split()) > 30:
            wrong.append(f"{term}: not one plain sentence")
        if not teaches(folder / entry["file"], term):
            wrong.append(f"{term}: not taught by {entry['file']}")
    return wrong


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted(CODE), ids=relative)
def test_code(path):
    assert banned_in_code(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [*CARDS, GLOSSARY], ids=relative)
def test_prose(path):
    assert banned(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", RESULTS, ids=relative)
def test_results(path):
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        names = keys(json.loads(content))
    else:
        names = [cell for row in csv.reader(io.StringIO(content)) for cell in row]
    assert [(name, banned_name(name)) for name in names if banned_name(name)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=relative)
def test_notebook(path, first_edition):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert banned_in_notebook(notebook, path.name in first_edition) == []


def test_the_glossary_is_in_order_and_each_term_has_its_chapter():
    assert len(entries(GLOSSARY.read_text(encoding="utf-8"))) > 80
    assert faults(GLOSSARY.read_text(encoding="utf-8"), GLOSSARY.parent) == []


ROW = "| **{}** | {} | {} | [chapter 1](01_x.ipynb) |"
HEAD = "# Glossary\n\n| term | 中文 | meaning | chapter |\n|---|---|---|---|\n"


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([ROW.format("batch", "批次", "Several texts."), "seed"], None),
        (["seed", ROW.format("batch", "批次", "Several texts.")], "order"),
        (["seed", "seed"], "order"),
        ([ROW.format("batch", "", "Several texts.")], "batch: no Chinese"),
        ([ROW.format("batch", "–", "Several texts.")], "batch: no Chinese"),
        ([ROW.format("batch", "批次", "Texts")], "batch: not one plain sentence"),
        (
            [ROW.format("Batch", "批", "A " * 31 + ".")],
            "Batch: not one plain sentence",
        ),
        ([ROW.format("token", "词元", "A word.")], "token: not taught by 01_x.ipynb"),
        (
            [ROW.format("batch", "批", "A.").replace("01", "02")],
            "batch: not taught by",
        ),
    ],
)
def test_a_fault_in_a_glossary_is_found(rows, fault, tmp_path):
    cells = [{"source": ["A **Batch**\n", "of texts"]}, {"source": "random_seed = 1"}]
    (tmp_path / "01_x.ipynb").write_text(json.dumps({"cells": cells}))
    rows = [ROW.format("seed", "种子", "A number.") if r == "seed" else r for r in rows]
    found = faults(HEAD + "\n".join(rows), tmp_path)
    assert (found == []) if fault is None else found[0].startswith(fault)


def test_a_row_of_another_form_is_an_error(tmp_path):
    with pytest.raises(AssertionError):
        faults(HEAD + "| **batch** | 批次 | Texts. | planned |", tmp_path)


def dotless(example: str) -> str:
    return example.replace(".", "")


@pytest.mark.parametrize(
    ("example", "count"),
    [
        ("the to.kens, not the pi.eces or\nword pi.ece", 2),
        ("a Ho.le in one, and its ho.les", 2),
        ("by word\n  co.unts", 1),
        ("the way ba.ck is the backward pass", 1),
        ("the same dr.aw, ten dr.aws, of the dr.aws", 3),
        ("the optimizer's ra.te", 1),
        ("two ra.tes; learning ra.te, false-positive ra.te, error\nra.tes", 1),
        ("the whole holder dearly drew a ga.mekeeper's timepiece and drawings", 0),
        ("a cell draws a line with a learning_ra.te by WordPi.ece", 0),
        ("Pointing ga.me, pointing_ga.me, a pointing dog's ga.me", 1),
        ("mlm_ra.te", 1),
        ("the Di.ce coefficient, thrown like di.ce", 1),
    ],
)
def test_words_are_found_in_prose(example, count):
    assert len(banned(dotless(example))) == count


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("ra.te = 1", 1),
        ("learning_ra.te = dropout_ra.te", 0),
        ("sa.id, tru.th_of, NewTw.in = 1, ask.ed, is_newb.orn", 5),
        ("WordPi.eceTrainer", 0),
        ("# it has a learning\n# ra.te", 0),
        ("# a ri.val\nx = 1  # a te.am", 2),
        ("'he sa.id it'; x = f'{x} pi.eces'", 1),
        ('"""The di.ce."""', 1),
    ],
)
def test_words_are_found_in_code(source, count):
    assert len(banned_in_code(dotless(source))) == count


@pytest.mark.parametrize(
    ("cell", "old", "new"),
    [
        ({"cell_type": "markdown", "source": ["two\n", "pi.eces"]}, 0, 1),
        ({"cell_type": "code", "source": "%cd -q x\ntru.th = 1"}, 1, 1),
        ({"cell_type": "code", "source": "x", "outputs": ["a ri.val"]}, 1, 1),
    ],
)
def test_words_are_found_in_notebooks(cell, old, new):
    cell = json.loads(dotless(json.dumps(cell)))
    pictures = [
        {"metadata": {"image/png": {"alt": a}}} for a in cell.get("outputs", [])
    ]
    notebook = {"cells": [cell | {"outputs": pictures}]}
    assert len(banned_in_notebook(notebook, first_edition=True)) == old
    assert len(banned_in_notebook(notebook, first_edition=False)) == new


def test_words_are_found_in_the_keys_of_results():
    found = keys({"results": [{"a_te.am": {"value": 1}}], "x": "te.am"})
    assert found == ["results", "x", "a_te.am", "value"]
    assert banned_name(dotless("a_te.am_1000")) != []
