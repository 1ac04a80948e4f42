from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from minari.data_collector.episode_buffer import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage

from videovq.config import DeclareConfig
from videovq.prep.sources.contract import RawEpisode
from videovq.prep.sources.formats import open_reader
from videovq.prep.sources.minari import MinariReader

PICTURE = gymnasium.spaces.Box(0, 255, (32, 40, 3), dtype=np.uint8)
FORMATS = ("hdf5", "arrow", "parquet")
FPS = DeclareConfig(fps=12)


def frames(episode: int) -> np.ndarray:
    """Flat colours, which JPEG keeps, other in each frame; 4 of them, then 5, ..."""
    colours = np.random.default_rng(episode).integers(0, 256, (4 + episode, 1, 1, 3), dtype=np.uint8)
    return colours.repeat(32, axis=1).repeat(40, axis=2)


def write(folder: Path, space: gymnasium.Space, actions: list[object], format_: str, jpeg: bool = False) -> Path:
    """A dataset of as many episodes as lists of actions."""
    path = folder / "maze-v0" / "data"
    path.mkdir(parents=True)
    storage = MinariStorage.new(path, PICTURE, space, data_format=format_, jpeg_encoding=jpeg)
    for episode, taken in enumerate(actions):
        n = len(taken)  # type: ignore[arg-type]
        rewards, ended, cut = [float(t) for t in range(n)], [False] * (n - 1) + [True], [False] * n
        storage.update_episodes([EpisodeBuffer(episode, None, None, frames(episode), taken, rewards, ended, cut)])
    storage.update_metadata({"dataset_id": "maze-v0"})
    return path


def read(folder: Path, episode: int = 0, declared: DeclareConfig = FPS) -> RawEpisode:
    reader = open_reader("auto", declared, folder)
    assert isinstance(reader, MinariReader)
    entries = reader.find(folder, folder / "out")
    return reader.read(entries[f"maze-v0/data/episode_{episode}"])


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("jpeg", [False, True])
def test_discrete_episodes(tmp_path: Path, format_: str, jpeg: bool) -> None:
    write(tmp_path, gymnasium.spaces.Discrete(3, start=5), [np.array([5, 7, 6]), np.array([7, 5, 5, 6])], format_, jpeg)
    reader = open_reader("auto", FPS, tmp_path)
    entries = reader.find(tmp_path, tmp_path / "out")
    assert list(entries) == ["maze-v0/data/episode_0", "maze-v0/data/episode_1"]
    assert {entry.level for entry in entries.values()} == {"maze-v0"}
    for episode, actions in enumerate([[0, 2, 1, 1], [2, 0, 0, 1, 1]]):  # the last one again
        raw = read(tmp_path, episode)
        found = torch.cat(list(raw.frames())).numpy()
        assert np.abs(found.astype(int) - frames(episode)).max() <= (4 if jpeg else 0)
        assert raw.actions.flatten().tolist() == actions
        assert (raw.action_spec.sizes, raw.fps) == ((3,), 12)
        assert raw.rewards is not None and raw.rewards[:-1].tolist() == list(range(len(actions) - 1))
        assert raw.rewards[-1].isnan(), "nobody took that action"
        assert raw.ends == (len(actions) - 2,)
    named = DeclareConfig(fps=12, action_names=["stay", "left", "right"])
    assert read(tmp_path, 0, named).action_spec.names == ("stay", "left", "right")


@pytest.mark.parametrize("format_", FORMATS)
def test_other_action_spaces(tmp_path: Path, format_: str) -> None:
    several, real = np.array([[0, 1], [2, 0], [1, 1]]), np.array([[0.5, -1], [2, 0], [1, 1]], dtype=np.float32)
    write(tmp_path / "a", gymnasium.spaces.MultiDiscrete([3, 2]), [several], format_)
    raw = read(tmp_path / "a")
    assert (raw.action_spec.kind, raw.action_spec.sizes) == ("multi_discrete", (3, 2))
    assert np.array_equal(raw.actions.numpy(), several[[0, 1, 2, 2]])
    write(tmp_path / "b", gymnasium.spaces.Box(-3, 3, (2,)), [real], format_)
    raw = read(tmp_path / "b")
    assert raw.action_spec.kind == "continuous"
    assert np.array_equal(raw.actions.numpy(), real[[0, 1, 2, 2]])
    write(tmp_path / "c", gymnasium.spaces.MultiBinary(2), [(several % 2).astype(np.int8)], format_)
    assert read(tmp_path / "c").action_spec.sizes == (2, 2)


@pytest.mark.parametrize("format_", FORMATS)
def test_pictures_within_an_observation(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "maze-v0" / "data"
    path.mkdir(parents=True)
    space = gymnasium.spaces.Dict(
        eye=gymnasium.spaces.Dict(left=PICTURE, right=PICTURE), speed=gymnasium.spaces.Box(-1, 1, (2,))
    )
    storage = MinariStorage.new(path, space, gymnasium.spaces.Discrete(2), data_format=format_)
    seen = {"eye": {"left": frames(0), "right": 255 - frames(0)}, "speed": np.zeros((4, 2), dtype=np.float32)}
    storage.update_episodes(
        [EpisodeBuffer(0, None, None, seen, np.array([0, 1, 1]), [0.0] * 3, [False] * 3, [False] * 3)]
    )
    with pytest.raises(ValueError, match="frames_key.*eye/left, eye/right"):
        read(tmp_path)
    raw = read(tmp_path, 0, DeclareConfig(fps=12, frames_key="eye/right"))
    assert np.abs(torch.cat(list(raw.frames())).int() - (255 - frames(0).astype(int))).max() <= 4


@pytest.mark.parametrize("format_", FORMATS)
def test_broken_datasets(tmp_path: Path, format_: str) -> None:
    path = write(tmp_path, gymnasium.spaces.Discrete(3), [np.array([0, 2, 1]), np.array([0, 2])], format_)
    with pytest.raises(ValueError, match="declare.fps"):
        read(tmp_path, 0, DeclareConfig())
    if format_ == "hdf5":  # the others fill up what is missing
        with pytest.raises(ValueError, match=r"episode 1: 5 observations and 2 actions"):
            read(tmp_path, 1)
    file = path / "main_data.hdf5" if format_ == "hdf5" else next((path / "0").glob("part*"))
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ValueError, match=f"{file.name}.*cannot be read"):
        read(tmp_path)
    metadata = path / "metadata.json"
    metadata.write_text(metadata.read_text().replace("Discrete", "Text"))
    with pytest.raises(ValueError, match=r"metadata.json: `action_space` is Text"):
        read(tmp_path)
