"""Every measured number in the README is the one in data/results/."""

import json
import re
from pathlib import Path

import pytest

from helpers import paths
from helpers.cli.readme_numbers import MARKER, recorded, refreshed
from helpers.paths import ROOT

CHAPTERS = paths.chapters()
NOT_PROSE = [
    MARKER,
    re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"(?<=\])\([^)]*\)"),  # the target of a link
    re.compile(r"<[^>]+>"),
    re.compile(r"https?://\S+"),
]
VERSION = re.compile(
    r"\d+\.\d+\.\d+\S*"
    r"|\b(?:Python|CUDA|ROCm|macOS|Ubuntu|version|CC BY(?:-SA)?|Apache(?: License)?)"
    r"[ -]v?\d+(?:\.\d+)+"
    r"|\bv\d+(?:\.\d+)+"
    r"|[<>=~]=\s*\d+(?:\.\d+)+"
)
DECIMAL = re.compile(r"\d*\.\d+")


def wrong_claims(readme: str, folder: Path) -> list[str]:
    """Return one sentence for each marked number that is not the recorded one."""
    problems = []
    for claim in MARKER.finditer(readme):
        name, spec, shown = claim["name"], claim["format"], claim["shown"].strip()
        try:
            number = recorded(name, spec, folder)
        except (KeyError, ValueError, TypeError, OSError) as error:
            problems.append(f"{name}: cannot be looked up ({error!r})")
            continue
        if shown != number:
            problems.append(f"{name}: the README says {shown}, recorded is {number}")
    begun = readme.count("<!-- result ")
    if begun != len(MARKER.findall(readme)) or begun != readme.count(
        "<!-- /result -->"
    ):
        problems.append("a result marker is malformed or not closed")
    return problems


def unmarked_decimals(readme: str) -> list[str]:
    """Return decimal numbers that are neither marked nor a version, code or link."""
    for pattern in NOT_PROSE:
        readme = pattern.sub(" ", readme)
    return DECIMAL.findall(VERSION.sub(" ", readme))


@pytest.fixture(scope="module")
def readme() -> str:
    path = ROOT / "README.md"
    assert path.is_file(), "There is no README.md."
    return path.read_text(encoding="utf-8")


def test_the_readme_marks_results_at_all(readme):
    assert MARKER.search(readme), "README.md has no <!-- result … --> marker."


def test_every_marked_number_is_the_recorded_one(readme):
    assert wrong_claims(readme, paths.RESULTS) == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_readme_links_each_chapter_and_shows_what_it_costs(readme, chapter):
    assert f"notebooks/{CHAPTERS[chapter].name}" in readme
    names = {claim["name"] for claim in MARKER.finditer(readme)}
    for cost in ("minutes", "peak_memory_gb", "download_mb"):
        assert f"{chapter}.run.{cost}" in names


def test_no_decimal_number_is_typed(readme):
    assert unmarked_decimals(readme) == []


# What follows proves that the comparison can fail.


@pytest.fixture
def results(tmp_path):
    log = {
        "run": {"minutes": 2.345, "peak_memory_gb": 1.26, "download_mb": 97},
        "results": {
            "frozen_100": {"value": 0.6874, "interval": [0.65, 0.72], "n": 1000},
            "share.of_all": {"value": 0.01},
            "train_size": {"value": 6354.0},
        },
    }
    (tmp_path / "02.json").write_text(json.dumps(log), encoding="utf-8")
    log["results"]["frozen_100"]["value"] = 0.9
    (tmp_path / "02b.json").write_text(json.dumps(log), encoding="utf-8")
    return tmp_path


def mark(name: str, spec: str, shown: str) -> str:
    return f"so <!-- result {f'{name} {spec}'.strip()} -->{shown}<!-- /result --> it is"


@pytest.mark.parametrize(
    ("name", "spec", "shown"),
    [
        ("02.frozen_100", ".3f", "0.687"),
        ("02b.frozen_100", ".3f", "0.900"),
        ("02.frozen_100", ".1%", "68.7%"),
        ("02.frozen_100", ".1%", "\n68.7% "),
        ("02.frozen_100.n", "d", "1000"),
        ("02.frozen_100.n", "", "1000"),
        ("02.train_size", "", "6354"),
        ("02.frozen_100.n", ",", "1,000"),
        ("02.frozen_100.low", ".2f", "0.65"),
        ("02.frozen_100.high", ".2f", "0.72"),
        ("02.share.of_all", ".0%", "1%"),
        ("02.run.minutes", ".1f", "2.3"),
        ("02.run.download_mb", "d", "97"),
    ],
)
def test_a_true_claim_is_accepted(results, name, spec, shown):
    assert wrong_claims(mark(name, spec, shown), results) == []
    assert unmarked_decimals(mark(name, spec, shown)) == []


@pytest.mark.parametrize(
    ("name", "spec", "shown"),
    [
        ("02.frozen_100", ".3f", "0.688"),
        ("02b.frozen_100", ".3f", "0.687"),
        ("02.frozen_100", ".3f", "0.69"),
        ("02.frozen_100", ".3f", ""),
        ("02.frozen_100", "", "0.687"),
        ("02.train_size", "", "6354.0"),
        ("02.frozen_100.low", ".2f", "0.66"),
        ("02.frozen_100.mean", ".2f", "0.65"),
        ("02.share.of_all.n", "d", "5"),
        ("02.absent", ".2f", "0.65"),
        ("03.frozen_100", ".3f", "0.687"),
        ("02.run.minutes", ".1f", "2.4"),
        ("02.run.seconds", ".1f", "2.3"),
        ("02.frozen_100", "d", "1"),
    ],
)
def test_a_false_claim_is_reported(results, name, spec, shown):
    assert len(wrong_claims(mark(name, spec, shown), results)) == 1


def test_a_refreshed_text_has_the_recorded_number_and_keeps_its_marker(results):
    stale = mark("02.frozen_100", ".3f", "0.1") + mark("02.train_size", "", "")
    fresh = mark("02.frozen_100", ".3f", "0.687") + mark("02.train_size", "", "6354")
    assert refreshed(stale, results) == fresh
    with pytest.raises(KeyError):
        refreshed(mark("02.absent", ".2f", "0.65"), results)


@pytest.mark.parametrize(
    "readme",
    [
        "<!-- result 02.frozen_100 .3f -->0.687",
        "<!-- result 02.frozen_100 .3f of -->0.687<!-- /result -->",
        "0.687<!-- /result -->",
    ],
)
def test_a_malformed_marker_is_reported(results, readme):
    assert wrong_claims(readme, results) == [
        "a result marker is malformed or not closed"
    ]


@pytest.mark.parametrize(
    "readme",
    ["an accuracy of 0.687", "| .687 |", "68.7 % of all", "Python takes 3.2 minutes"],
)
def test_a_typed_decimal_is_reported(readme):
    assert len(unmarked_decimals(readme)) == 1


@pytest.mark.parametrize(
    "readme",
    [
        "Python 3.11 or newer, CUDA 12.6, torch 2.13.0, CC BY 4.0, Apache-2.0",
        "version 0.1.0, v1.2",
        "run `pip install x==1.2` or\n\n```\nsleep 0.5\n```\n",
        "[figure](a_0.5.png) https://example.org/1.5 <img width='1.5'>",
        "chapter 2. 100 sentences. See fig. 3, in 4 minutes.",
    ],
)
def test_versions_code_and_links_may_have_decimals(readme):
    assert unmarked_decimals(readme) == []
