"""Names and text are the same in a locale that knows ASCII only."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import write_episode
from tests.prep.sources.recordings import pictures
from videovq.data.store import EpisodeStore


def test_a_command_runs_in_a_locale_without_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "Höhle"
    folder.mkdir(parents=True)
    legend = {"0": "links", "1": "zurück"}
    write_episode(folder, "épisode", pictures(2, height=8), [0, 1], action_legend=legend)
    path = folder / "épisode.json"
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False), encoding="utf-8")
    words = ["prep", "--source", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--frame_size", "8"]
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-m", "videovq.cli", *words]
    done = subprocess.run(command, env=ascii_only, capture_output=True, encoding="ascii")
    assert done.returncode == 0, done.stderr
    assert "zur\\xfcck" in done.stdout
    (info,) = EpisodeStore(tmp_path / "out").episodes
    assert (info.id, info.level) == ("Höhle/épisode", "Höhle")
