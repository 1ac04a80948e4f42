import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tfrecord import TFRecordWriter

from tests.conftest import prep_config
from videovq.config import DeclareConfig
from videovq.prep.prepare import prepare
from videovq.prep.sources.formats import open_reader
from videovq.prep.sources.rlu import RLUReader

FILE = "rooms_watermaze/training_0/tfrecord-00000-of-00500"
ACTIONS = [[0, 14, 6, 6, 2], [5, 0, 0]]


def frames(episode: int) -> np.ndarray:
    rng = np.random.default_rng(episode)
    return rng.integers(0, 256, (len(ACTIONS[episode]), 72, 96, 3), dtype=np.uint8)


def png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def write(folder: Path, **changes: object) -> Path:
    """Two episodes as they are published; ``changes`` replace features of the second, None leaves one out."""
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = TFRecordWriter(str(path))
    for episode, actions in enumerate(ACTIONS):
        last = np.zeros((len(actions), 15), dtype=np.float32)
        last[np.arange(1, len(actions)), actions[:-1]] = 1
        last[0, 0] = 1
        features = {
            "episode_id": ([episode], "int"),
            "start_idx": ([0], "int"),
            "episode_return": ([1.0], "float"),
            "observations_pixels": ([png(one[..., ::-1]) for one in frames(episode)], "byte"),  # blue first
            "observations_reward": ([0.0] * len(actions), "float"),
            "observations_action": (last.ravel().tolist(), "float"),
            "actions": (actions, "int"),
            "rewards": ([float(t) for t in range(len(actions))], "float"),
            "discounts": ([1.0] * len(actions), "float"),
        }
        if episode:
            features |= changes  # type: ignore[arg-type]
        writer.write({name: value for name, value in features.items() if value})
    writer.close()
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def test_episodes_as_published(tmp_path: Path) -> None:
    write(tmp_path)
    reader = open_reader("auto", DeclareConfig(), tmp_path)
    assert isinstance(reader, RLUReader)
    entries = reader.find(tmp_path, tmp_path / "out")
    assert list(entries) == [f"{FILE}/000", f"{FILE}/001"]
    assert {entry.level for entry in entries.values()} == {"rooms_watermaze"}
    for episode in (1, 0):
        raw = reader.read(entries[f"{FILE}/00{episode}"])
        assert np.array_equal(torch.cat(list(raw.frames())).numpy(), frames(episode))
        assert raw.actions.flatten().tolist() == ACTIONS[episode]
        assert raw.rewards is not None and raw.rewards.tolist() == list(range(len(ACTIONS[episode])))
        assert (raw.fps, raw.ends) == (15, ())
        assert raw.action_spec.names[:2] + raw.action_spec.names[14:] == ("forward", "backward", "fire")
    (unlike,) = open_reader("rlu", DeclareConfig(colours="rgb"), tmp_path).read(entries[f"{FILE}/001"]).frames()
    assert np.array_equal(unlike.numpy(), frames(1)[..., ::-1])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"actions": ([5, 1, 0], "int")}, "observations_action at 2 is not the action taken before"),
        ({"actions": ([5, 0, 15], "int")}, r"action \[15\] at 2"),
        ({"actions": ([5, 0], "int")}, "3 observations_pixels, 2 actions"),
        ({"actions": None}, "has no 'actions'"),
        ({"observations_pixels": ([b"rubbish"] * 3, "byte")}, "frame 0 cannot be decoded"),
    ],
)
def test_an_episode_that_cannot_be_right_is_refused(tmp_path: Path, changes: dict[str, object], reason: str) -> None:
    path = write(tmp_path, **changes)
    reader = open_reader("auto", DeclareConfig(), tmp_path)
    entry = reader.find(tmp_path, tmp_path / "out")[f"{FILE}/001"]
    with pytest.raises(ValueError, match=reason) as caught:
        list(reader.read(entry).frames())
    assert str(caught.value).startswith(f"{path}: episode 1")


def test_what_breaks_off_is_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "source")
    plain = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(plain[:-100]))
    store = prepare(prep_config(tmp_path / "source", tmp_path / "out"))
    assert [(e.id, e.length, e.level) for e in store.episodes] == [(f"{FILE}/000", 5, "rooms_watermaze")]
    assert f"skipped {FILE}/001: {path}: breaks off within record 1" in capsys.readouterr().out
