import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from tests.prep.sources.recordings import NOWHERE, encode, frames_of, pictures, read_all, same
from videovq.config import DeclareConfig
from videovq.prep.sources.contract import AFTER, BEFORE
from videovq.prep.sources.formats import open_reader

FRAMES, ACTIONS = pictures(4), [2, 0, 1, 1]
NAMES = {"action_names": ["stay", "left", "right"]}


def write_sidecar(stem: Path, ending: str, name: str = "action", actions: Any = ACTIONS) -> None:
    path = stem.with_name(stem.name + ending)
    rows = actions if ending in (".npz", ".npy") else [{name: action, "reward": 0.5} for action in actions]
    if ending == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif ending == ".npz":
        np.savez(path, **{name: np.array(actions)})
    elif ending == ".npy":
        np.save(path, np.array(actions))
    elif ending == ".csv":
        path.write_text(f"reward,{name}\n" + "".join(f"0.5,{row[name]}\n" for row in rows))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


@pytest.mark.parametrize("ending", [".jsonl", ".npz", ".npy", ".csv", ".parquet"])
def test_actions_of_every_kind_of_file_lie_beside_their_frames(ending: str, tmp_path: Path) -> None:
    folder = tmp_path / "val" / "maze"
    folder.mkdir(parents=True)
    encode(folder / "run.v1.mp4", FRAMES)
    write_sidecar(folder / "run.v1", ending, "actions" if ending == ".npz" else "action")
    reader, found = read_all("auto", tmp_path, **NAMES)
    ((id_, (entry, raw)),) = found.items()
    assert (id_, entry.level, entry.split) == ("val/maze/run.v1", "maze", "val")
    assert same(raw, FRAMES, ACTIONS)
    assert raw.action_spec.names == ("stay", "left", "right")
    assert (raw.fps, reader.alignment) == (10, AFTER)
    write_sidecar(folder / "run.v1", ending, "keys")
    reader, found = read_all("videos", tmp_path, actions_key="keys", actions_at="before", fps=20.0, **NAMES)
    assert same(found[id_][1], FRAMES, [0, 1, 1, 1]), "each moved one frame back, the last repeated"
    assert (found[id_][1].fps, reader.alignment) == (20, BEFORE)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
def test_an_action_may_be_several_numbers(ending: str, tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    actions = np.array([[0, 0.5], [1, -2.5], [0, 0], [1, 1]])
    if ending == ".csv":
        (tmp_path / "e.csv").write_text("turn,speed\n" + "".join(f"{a},{b}\n" for a, b in actions))
    elif ending == ".parquet":
        columns = {"turn": actions[:, 0], "speed": actions[:, 1]}
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "e.parquet")
    else:
        write_sidecar(tmp_path / "e", ending, "both", actions.tolist())
    raw = read_all("auto", tmp_path, actions_key="both" if ending == ".jsonl" else "turn, speed")[1]["e"][1]
    assert same(raw, FRAMES, actions)
    assert raw.action_spec.kind == "continuous"


@pytest.mark.parametrize("ending", [".json", ".jsonl", ".npz", ".csv", ".parquet"])
def test_rewards_and_ends_lie_beside_the_actions_that_brought_them(ending: str, tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    earned, ended, path = [0.0, 1.5, -2.0, 4.0], [0, 0, 1, 0], tmp_path / f"e{ending}"
    rows = [{"action": a, "reward": r, "terminated": e} for a, r, e in zip(ACTIONS, earned, ended, strict=True)]
    if ending == ".json":
        legend = {"0": "stay", "1": "left", "2": "right"}
        value = {"actions": ACTIONS, "fps": 10, "action_legend": legend, "rewards": [*earned[:3], None], "ends": [2]}
        path.write_text(json.dumps(value))
    elif ending == ".npz":
        np.savez(path, actions=ACTIONS, rewards=earned, terminated=np.array(ended, dtype=bool))
    elif ending == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif ending == ".csv":
        path.write_text("action,reward,terminated\n" + "".join(f"{','.join(map(str, r.values()))}\n" for r in rows))
    else:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    said = {} if ending == ".json" else NAMES
    raw = read_all("videos", tmp_path, **said)[1]["e"][1]
    assert raw.rewards is not None and raw.rewards[:3].tolist() == earned[:3] and raw.ends == (2,)
    assert bool(raw.rewards[3].isnan()) == (ending == ".json")
    raw = read_all("videos", tmp_path, actions_at="before", **said)[1]["e"][1]
    assert raw.rewards is not None and raw.rewards[:2].tolist() == earned[1:3] and raw.rewards[3].isnan()
    assert raw.ends == ((2,) if ending == ".json" else (1,)), "the JSON names the frame"


def test_json_may_be_moved_back_too(tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    legend = {"0": "stay", "1": "left", "2": "right"}
    (tmp_path / "e.json").write_text(json.dumps({"actions": ACTIONS, "fps": 12, "action_legend": legend, "level": "m"}))
    entry, raw = read_all("auto", tmp_path, actions_at="before")[1]["e"]
    assert same(raw, FRAMES, [0, 1, 1, 1])
    assert (raw.fps, entry.level) == (12, "m")


@pytest.mark.parametrize(
    ("ending", "codec", "pixels", "options"),
    [
        (".mkv", "libx264rgb", "rgb24", {}),
        (".MP4", "libx264rgb", "rgb24", {}),
        (".webm", "libvpx-vp9", "gbrp", {"lossless": "1"}),
        (".avi", "ffv1", "bgr0", {"level": "3"}),
    ],
)
def test_other_containers_and_codecs(
    ending: str, codec: str, pixels: str, options: dict[str, str], tmp_path: Path
) -> None:
    encode(tmp_path / f"e{ending}", FRAMES, codec, pixels, **options)
    write_sidecar(tmp_path / "e", ".csv")
    assert same(read_all("auto", tmp_path, **NAMES)[1]["e"][1], FRAMES, ACTIONS)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_variable_frame_rate_drops_and_repeats_nothing(ending: str, tmp_path: Path) -> None:
    frames, actions = pictures(7), [0, 1, 2, 0, 1, 2, 0]
    encode(tmp_path / f"e{ending}", frames, at=[0, 20, 40, 1500, 1510, 1990, 4000])
    write_sidecar(tmp_path / "e", ".csv", actions=actions)
    assert same(read_all("auto", tmp_path, fps=10.0, **NAMES)[1]["e"][1], frames, actions)


@pytest.mark.parametrize(
    ("sidecar", "content", "reason"),
    [
        (".csv", "reward\n0.5\n", "no column 'action', only reward"),
        (".csv", "action\n1\nleft\n", "not a number"),
        (".csv", "", "not readable as CSV"),
        (".jsonl", '{"button": 1}\n', "no 'action'"),
        (".jsonl", '{"action": 1', "not readable as JSON lines"),
        (".npz", "rubbish", "cannot be read"),
        (".parquet", "rubbish", "cannot be read"),
        (".csv", "action\n1\n2\n", "does not say what its actions mean"),
    ],
)
def test_broken_sidecars_are_refused_by_name(sidecar: str, content: str, reason: str, tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    (tmp_path / f"e{sidecar}").write_text(content)
    with pytest.raises(ValueError, match=rf"e\{sidecar}: .*{reason}"):
        read_all("auto", tmp_path)


def test_a_missing_column_of_a_parquet_and_a_truncated_video_are_refused_by_name(tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    write_sidecar(tmp_path / "e", ".parquet")
    with pytest.raises(ValueError, match="e.parquet: .*no column 'keys', only action, reward"):
        read_all("videos", tmp_path, actions_key="keys", **NAMES)
    whole = (tmp_path / "e.mp4").read_bytes()
    (tmp_path / "e.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="e.mp4"):
        frames_of(read_all("videos", tmp_path, fps=10.0, **NAMES)[1]["e"][1])


def test_videos_hold_rgb_whatever_is_said(tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    write_sidecar(tmp_path / "e", ".csv")
    with pytest.raises(ValueError, match="declare.colours: has no effect on videos"):
        read_all("auto", tmp_path, colours="bgr", **NAMES)


@pytest.mark.parametrize("field", ["legend", "spec"])
def test_names_that_json_takes_for_truth_values_stay_names(field: str, tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    legend = {"action_legend": {"0": False, "1": True, "2": 3}}
    spec = {"action_spec": {"kind": "discrete", "sizes": [3], "names": [False, True, 3]}}
    value = {"actions": ACTIONS, "fps": 10, **(legend if field == "legend" else spec)}
    (tmp_path / "e.json").write_text(json.dumps(value))
    assert read_all("videos", tmp_path)[1]["e"][1].action_spec.names == ("false", "true", "3")
    (tmp_path / "e.json").write_text(json.dumps(value).replace("false", "null"))
    with pytest.raises(ValueError, match="None is no name of an action; write the names in quotes"):
        read_all("videos", tmp_path)


@pytest.mark.parametrize(
    ("ends", "found"),
    [([2], (2,)), ([False, True, False, True], (1, 3)), ([True, 2], None), ([1.5], None), ("12", None)],
)
def test_ends_in_json_are_frame_numbers_or_one_truth_value_a_frame(
    ends: object, found: tuple[int, ...] | None, tmp_path: Path
) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    (tmp_path / "e.json").write_text(json.dumps({"actions": ACTIONS, "fps": 10, "ends": ends}))
    if found is not None:
        assert read_all("videos", tmp_path, **NAMES)[1]["e"][1].ends == found
        return
    with pytest.raises(ValueError, match=r"e\.json: `ends` is .*, which it cannot be"):
        read_all("videos", tmp_path, **NAMES)


def test_fields_of_json_that_are_no_columns_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "maze"
    folder.mkdir()
    encode(folder / "e.mp4", FRAMES)
    value = {"actions": ACTIONS, "fps": 10, "level": None, "split": None, "done": True, "timeout": 30, "reward": 2.5}
    (folder / "e.json").write_text(json.dumps(value))
    entry, raw = read_all("videos", tmp_path, **NAMES)[1]["maze/e"]
    assert (entry.level, entry.split, raw.rewards, raw.discontinuities) == ("maze", "", None, ())
    (folder / "e.json").write_text(json.dumps({**value, "keys": ACTIONS[::-1], "earned": [1, 2, 3, 4]}))
    raw = read_all("videos", tmp_path, actions_key="keys", rewards_key="earned", **NAMES)[1]["maze/e"][1]
    assert raw.actions.flatten().tolist() == ACTIONS[::-1] and raw.rewards is not None
    assert raw.rewards.tolist() == [1, 2, 3, 4]


def test_videos_without_actions_are_episodes_without_actions(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    for name in ("a", "b", "test/c"):
        encode(tmp_path / f"{name}.mp4", FRAMES)
    (tmp_path / "a.jpg").write_bytes(b"a thumbnail")
    (tmp_path / "settings.json").write_text('{"camera": 3}')
    (tmp_path / "b.json").write_text(json.dumps({"level": "garden", "fps": 12, "discontinuities": [1]}))
    _, found = read_all("auto", tmp_path)
    assert list(found) == ["a", "b", "test/c"] and found["test/c"][0].split == "test"
    assert {raw.action_spec.kind for _, raw in found.values()} == {"none"}
    assert np.array_equal(frames_of(found["a"][1]).numpy(), FRAMES) and found["a"][1].fps == 10
    assert (found["b"][0].level, found["b"][1].fps, found["b"][1].discontinuities) == ("garden", 12, (1,))
    with pytest.raises(ValueError, match="declare.action_names: has no effect, since no video in .* has actions"):
        read_all("auto", tmp_path, **NAMES)


def test_a_video_that_lacks_the_actions_that_others_have_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        encode(tmp_path / f"{name}.mp4", FRAMES)
    write_sidecar(tmp_path / "a", ".csv")
    reader = open_reader("auto", DeclareConfig(**NAMES), tmp_path)
    entries = reader.find(tmp_path, NOWHERE)
    assert reader.read(entries["a"]).action_spec.kind == "discrete"
    with pytest.raises(ValueError, match=r"b\.json: no such file"):
        reader.read(entries["b"])


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".npz", ".json"])
def test_action_names_stand_for_their_numbers(ending: str, tmp_path: Path) -> None:
    encode(tmp_path / "e.mp4", FRAMES)
    words = [NAMES["action_names"][action] for action in ACTIONS]
    if ending == ".json":
        (tmp_path / "e.json").write_text(json.dumps({"actions": words, "fps": 10}))
    else:
        write_sidecar(tmp_path / "e", ending, "actions", words)
    assert same(read_all("auto", tmp_path, **NAMES)[1]["e"][1], FRAMES, ACTIONS)
    with pytest.raises(ValueError, match=r"declare.action_names '\[left,right,stay\]'"):
        read_all("auto", tmp_path)
    with pytest.raises(ValueError, match="no action 'right'; choose from: stay, left"):
        read_all("auto", tmp_path, action_names=["stay", "left"])
