"""`lab`: how JupyterLab is started."""

import json
import os
import subprocess
import sys

import pytest

from helpers.cli import main, settings

pytestmark = pytest.mark.usefixtures("world")


def test_lab_stays_on_this_machine_and_opens_the_chapter(handed_over, world):
    assert main.main(["lab", "2", "--no-browser"]) == 5
    (command,) = handed_over
    assert "--ip=127.0.0.1" in command
    assert "--no-browser" in command
    assert command[6].endswith("/lab/tree/notebooks/02_feature_extraction.ipynb")
    assert not any("token" in part or "password" in part for part in command)


@pytest.mark.integration
def test_a_broken_setting_in_the_home_folder_does_not_stop_lab(world, tmp_path):
    home = tmp_path / "home" / ".jupyter"
    home.mkdir(parents=True)
    broken = {"ServerApp": {"contents_manager_class": "absent.Manager"}}
    (home / "jupyter_server_config.json").write_text(json.dumps(broken))
    settings.own_tools()
    code = "from jupyter_server.serverapp import ServerApp\n"
    code += "ServerApp().initialize([], find_extensions=False)"
    variables = os.environ | {"HOME": str(home.parent), "USERPROFILE": str(home.parent)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    del variables["JUPYTER_CONFIG_DIR"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    assert done.returncode != 0  # so the setting is broken indeed
