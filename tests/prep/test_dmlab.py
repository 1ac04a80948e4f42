"""Real DeepMind Lab episodes, where they are at hand: what is in the store is what the source file decodes to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.conftest import prep_config
from videovq.data.video import read_video
from videovq.prep.prepare import prepare

EPISODES = Path(__file__).parents[3] / "shared" / "dmlab"


@pytest.mark.skipif(not EPISODES.is_dir(), reason="no DeepMind Lab episodes beside the repository")
def test_a_window_of_the_store_is_the_source_files(tmp_path: Path) -> None:
    for path in [*sorted((EPISODES / "train").iterdir())[:4], *sorted((EPISODES / "test").iterdir())[:4]]:
        (tmp_path / "source").mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / "source" / f"{path.parent.name}_{path.name}")
    store = prepare(prep_config(tmp_path / "source", tmp_path / "out", frame_size=84))
    assert len(store.episodes) == 4
    for info in store.episodes:
        whole = read_video(tmp_path / "source" / f"{info.id}.mp4")
        assert torch.equal(store.read(info, 37, 53).frames, whole[37:53])
