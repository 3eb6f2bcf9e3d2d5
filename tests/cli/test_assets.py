"""`assets`: fetch, verify, list."""

from pathlib import Path

import pytest

from helpers.cli import main
from helpers.data import assets

pytestmark = pytest.mark.usefixtures("world")


def test_an_unknown_asset_is_refused_before_set_up(capsys):
    assert main.main(["assets", "fetch", "minilm", "maxilm"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "There is no asset 'maxilm'; the assets are minilm" in err


def test_fetch_wants_names(refused):
    assert "or say --all: minilm, " in refused(["assets", "fetch"])


def test_assets_are_fetched_as_far_as_possible(handed_over, world, capsys):
    def fetch(name):
        if name == "minilm":
            raise assets.AssetError("minilm cannot be had.")
        return Path("folder")

    world.setattr(assets, "fetch", fetch)
    assert main.main(["assets", "fetch", "--all"]) == 1
    out, err = capsys.readouterr()
    assert err == "minilm cannot be had.\n"
    assert out.count("in folder") == len(assets.catalogue()) - 1


@pytest.mark.parametrize(
    ("state", "code"), [("verified", 0), ("missing", 0), ("config.json is damaged", 1)]
)
def test_verify_fails_only_for_damage(handed_over, world, capsys, state, code):
    world.setattr(assets, "verify", lambda name: state)
    assert main.main(["assets", "verify"]) == code
    assert f"minilm: {state}" in capsys.readouterr().out


def test_list_shows_licence_and_size(capsys):
    assert main.main(["assets", "list"]) == 0
    out = capsys.readouterr().out
    for asset in assets.catalogue().values():
        assert f"{asset.name}  ({asset.kind}, {asset.download_mb} MB)" in out
        assert asset.licence in out
