import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch

from tests.conftest import prep_config
from tests.hub_server import HubServer
from tests.prep.sources.test_rlu import png
from videovq.cli import main
from videovq.config import DeclareConfig, PrepConfig
from videovq.data.store import EpisodeStore
from videovq.hub import open_repo
from videovq.prep.prepare import prepare
from videovq.prep.sources.contract import Reader
from videovq.prep.sources.formats import open_reader
from videovq.prep.sources.lerobot import LeRobotReader

# What make_lerobot.py wrote.
LENGTHS, TASKS = (9, 11, 10), ("push the block", "open the drawer", "push the block")
ACTIONS = [np.array([[e + t / 8, -t] for t in range(n)], dtype=np.float32) for e, n in enumerate(LENGTHS)]
VERSIONS = ("lerobot_v30", "lerobot_v21")
TOP = DeclareConfig(frames_key="observation.images.top")


def reader(folder: Path, declared: DeclareConfig = TOP) -> Reader:
    found = open_reader("auto", declared, folder)
    assert isinstance(found, LeRobotReader)
    return found


@pytest.fixture(params=VERSIONS)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parent / request.param, tmp_path / "source" / "set"))


def change(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_episodes_that_lerobot_wrote(dataset: Path) -> None:
    every = reader(dataset.parent)
    entries = every.find(dataset.parent, dataset / "out")
    assert list(entries) == [f"set/episode_{i:06d}" for i in range(3)]
    assert tuple(entry.level for entry in entries.values()) == TASKS
    for episode, entry in enumerate(entries.values()):
        raw = every.read(entry)
        pictures = torch.cat(list(raw.frames())).float()
        assert pictures.shape == (LENGTHS[episode], 64, 64, 3)
        quarters = pictures.unfold(1, 32, 32).unfold(2, 32, 32).mean(dim=(-1, -2))  # t, down, across, colour
        for t, (above, below) in enumerate(quarters.tolist()):
            assert np.allclose(above, [[200, 0, 0], [0, 0, 200]], atol=12)
            assert np.allclose(below, [[20 + 20 * t] * 3, [60 * (episode + 1)] * 3], atol=8), (episode, t)
        assert np.array_equal(raw.actions.numpy(), ACTIONS[episode])
        assert raw.fps == 10
        whole = np.concatenate(ACTIONS).astype(np.float64)
        assert np.allclose(raw.action_spec.mean, whole.mean(axis=0), atol=1e-6)
        assert np.allclose(raw.action_spec.std, whole.std(axis=0), atol=1e-6)


def test_a_store_and_its_splits(dataset: Path, tmp_path: Path) -> None:
    change(dataset / "meta/info.json", splits={"train": "0:2", "test": "2:3"})
    store = prepare(prep_config(dataset.parent, tmp_path / "out", declare=TOP))
    assert [(e.id, e.length) for e in store.split("test")] == [("set/episode_000002", 10)]
    episode = store.read(store.find("set/episode_000001"))
    assert np.array_equal(episode.actions.numpy(), ACTIONS[1])


def test_what_must_be_declared(dataset: Path) -> None:
    with pytest.raises(ValueError, match=r"frames_key.*images.top, observation.images.wrist"):
        reader(dataset, DeclareConfig()).find(dataset, dataset / "out")
    entry = next(iter(reader(dataset).find(dataset, dataset / "out").values()))
    named = DeclareConfig(frames_key=TOP.frames_key, actions_key="move")
    with pytest.raises(ValueError, match=r"info.json: no 'move'.*action, timestamp.*actions_key"):
        reader(dataset, named).read(entry)
    blue = DeclareConfig(frames_key=TOP.frames_key, colours="bgr")
    pieces = zip(reader(dataset, blue).read(entry).frames(), reader(dataset).read(entry).frames(), strict=True)
    assert all(torch.equal(turned, piece.flip(-1)) for turned, piece in pieces)
    before = DeclareConfig(frames_key=TOP.frames_key, actions_at="before")
    assert np.array_equal(reader(dataset, before).read(entry).actions.numpy(), ACTIONS[0][[*range(1, 9), 8]])


def test_broken_datasets(dataset: Path) -> None:
    entries = reader(dataset).find(dataset, dataset / "out")
    last = entries["episode_000002"]
    data = last.files[-1].read_bytes()
    rows = pyarrow.parquet.read_table(last.files[-1])
    pyarrow.parquet.write_table(rows.filter([True] * (len(rows) - 1) + [False]), last.files[-1])
    with pytest.raises(ValueError, match=rf"{last.files[-1].name}: episode 2 should have the frames 0 to 9"):
        reader(dataset).read(last)
    last.files[-1].write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=last.files[-1].name):
        reader(dataset).read(last)
    last.files[-1].write_bytes(data)
    raw = reader(dataset).read(last)
    last.path.write_bytes(last.path.read_bytes()[:700])
    with pytest.raises(ValueError, match=last.path.name):
        list(raw.frames())
    change(dataset / "meta/info.json", codebase_version="v1.6")
    with pytest.raises(ValueError, match=r"info.json: LeRobot v1.6 is not read"):
        reader(dataset).find(dataset, dataset / "out")


def test_pictures_in_parquet_and_actions_with_names(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(__file__).parent / "lerobot_v21", tmp_path / "set"))
    info = json.loads((folder / "meta/info.json").read_text())
    features = {"picture": {"dtype": "image"}, "action": {"dtype": "int64"}}
    change(folder / "meta/info.json", features={**features, "frame_index": info["features"]["frame_index"]})
    pictures = np.random.default_rng(0).integers(0, 256, (9, 24, 24, 3), dtype=np.uint8)
    columns = {
        "episode_index": [0] * 9,
        "frame_index": list(range(9)),
        "action": [t % 2 for t in range(9)],
        "picture": [{"bytes": png(one), "path": None} for one in pictures],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "data/chunk-000/episode_000000.parquet")
    named = reader(folder, DeclareConfig(action_names=["stay", "go"]))
    raw = named.read(named.find(folder, folder / "out")["episode_000000"])
    assert np.array_equal(torch.cat(list(raw.frames())).numpy(), pictures)
    assert raw.actions.flatten().tolist() == columns["action"]
    assert raw.action_spec.names == ("stay", "go")


def change_rows(dataset: Path, at: int, **changes: object) -> None:
    """Change what the metadata say of an episode; ``None`` stands for what is not known."""
    own = dataset / "meta/episodes.jsonl"
    if own.is_file():
        lines = own.read_text().splitlines()
        lines[at] = json.dumps({**json.loads(lines[at]), **changes})
        own.write_text("\n".join(lines))
        return
    path = next((dataset / "meta/episodes").rglob("*.parquet"))
    table = pyarrow.parquet.read_table(path)
    for name, value in changes.items():
        values = table.column(name).to_pylist()
        # A column has one type: a string in place of a list is one in every row.
        values = [value] * len(values) if isinstance(value, str) else [*values[:at], value, *values[at + 1 :]]
        table = table.set_column(table.column_names.index(name), name, pyarrow.array(values))
    pyarrow.parquet.write_table(table, path)


@pytest.mark.parametrize("name", ["length", "episode_index", "videos/observation.images.top/from_timestamp"])
def test_a_bad_row_of_metadata_leaves_out_that_episode_only(name: str, dataset: Path, tmp_path: Path) -> None:
    if "/" in name and (dataset / "meta/episodes.jsonl").is_file():
        pytest.skip("v2 has a video for each episode")
    change_rows(dataset, 1, **{name: None})
    every = reader(dataset)
    entries = every.find(dataset, dataset / "out")
    assert {"episode_000000", "episode_000002"} < set(entries) and len(entries) == 3
    (bad,) = set(entries) - {"episode_000000", "episode_000002"}
    if name == "episode_index":
        assert bad.endswith(("_row_1", "_line_2")), "nobody knows which it is"
    else:
        assert bad == "episode_000001"
    with pytest.raises(ValueError, match=rf"{name}' is None"):
        every.read(entries[bad])
    store = prepare(prep_config(dataset, tmp_path / "out", declare=TOP))
    assert sorted(info.id for info in store.episodes) == ["episode_000000", "episode_000002"]


def test_a_broken_line_of_metadata_leaves_out_that_episode_only(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(Path(__file__).parent / "lerobot_v21", tmp_path / "set"))
    path = folder / "meta/episodes.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], lines[2]]))
    assert sorted(reader(folder).find(folder, folder / "out")) == [
        "episode_000000", "episode_000002", "episodes_line_2",
    ]  # fmt: skip


def test_a_task_may_be_a_string_or_missing(dataset: Path) -> None:
    change_rows(dataset, 1, tasks="pick")
    assert reader(dataset).find(dataset, dataset / "out")["episode_000001"].level == "pick"
    change_rows(dataset, 1, tasks=None)
    assert reader(dataset).find(dataset, dataset / "out")["episode_000001"].level == ""


def test_a_split_that_is_not_known_is_refused(dataset: Path) -> None:
    change(dataset / "meta/info.json", splits={"train": "0:2", "heldout": "2:3"})
    with pytest.raises(ValueError, match=r"info\.json: `split` is 'heldout'; it may be train"):
        reader(dataset).find(dataset, dataset / "out")
    change(dataset / "meta/info.json", splits={"train": "all"})
    with pytest.raises(ValueError, match=r"info\.json: `splits` gives 'train' 'all'; the format has 'FIRST:END'"):
        reader(dataset).find(dataset, dataset / "out")


def test_a_dataset_of_the_hub_is_read_where_it_is(
    dataset: Path, hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {path.relative_to(dataset).as_posix(): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}
    repository = hub.new("datasets/lerobot/set", {**files, "README.md": b"x", "data/run.py": b"x"})
    words = ["prep", "--frame_size", "24", "--declare.frames_key", "observation.images.top", "--workers", "1"]
    assert main([*words, "--source", "hub://lerobot/set", "--out", str(tmp_path / "out")]) == 0
    here = prepare(prep_config(dataset, tmp_path / "here", declare=TOP, validation_fraction=0.05, shard_episodes=64))
    found = EpisodeStore(tmp_path / "out")
    assert [info.id for info in found.episodes] == [info.id for info in here.episodes]
    for info in here.episodes:
        ours, theirs = here.read(info), found.read(found.find(info.id))
        assert torch.equal(ours.frames, theirs.frames) and torch.equal(ours.actions, theirs.actions)
    fetched = {name for name in files if "wrist" not in name}
    assert sorted({*hub.served}) == sorted(fetched) and len(hub.served) == len(fetched)
    open_repo.cache_clear()
    hub.broken = True  # all that is wanted is in the cache now
    assert main([*words, "--source", "hub://lerobot/set", "--out", str(tmp_path / "again")]) == 0
    hub.broken = False
    repository.commit({name: data for name, data in files.items() if name != "meta/info.json"})
    open_repo.cache_clear()
    capsys.readouterr()
    assert main([*words, "--source", "hub://lerobot/set", "--out", str(tmp_path / "other")]) == 2
    assert "lerobot/set: holds no meta/info.json" in capsys.readouterr().err


def test_only_the_episodes_that_are_wanted_come_from_the_hub(hub: HubServer, tmp_path: Path) -> None:
    folder = Path(__file__).parent / "lerobot_v21"
    hub.new(
        "datasets/lerobot/set",
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()},
    )
    out = str(tmp_path / "out")
    prepare(PrepConfig("hub://lerobot/set", out, frame_size=24, declare=TOP, episodes=1, workers=1))
    fetched = [name for name in hub.served if not name.startswith("meta/")]
    assert sorted(fetched) == [
        "data/chunk-000/episode_000000.parquet",
        "videos/chunk-000/observation.images.top/episode_000000.mp4",
    ]
