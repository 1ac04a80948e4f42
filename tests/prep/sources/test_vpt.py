from pathlib import Path

import pytest
import torch

from tests.prep.sources.recordings import frames_of, pictures, read_all, same, vpt_line, write_vpt
from videovq.prep.sources.contract import AFTER
from videovq.prep.sources.vpt import BUTTONS, camera_step


def pressed(row: torch.Tensor) -> set[str]:
    return {name for name, value in zip(BUTTONS, row.tolist(), strict=False) if value}


def test_buttons_and_camera_stay_beside_the_frame_on_which_they_were_pressed(tmp_path: Path) -> None:
    frames = pictures(4)
    lines = [
        vpt_line(keys=("w", "left.control", "f3"), dx=4.0),
        vpt_line(buttons=(1, 2), dy=-1000.0),
        vpt_line(keys=("escape", "2"), isGuiOpen=True),
        vpt_line(),
    ]
    (tmp_path / "val").mkdir()
    write_vpt(tmp_path / "val", "shy-teal-wolf-20220101-120000", frames, lines)
    reader, found = read_all("auto", tmp_path)
    assert reader.alignment == AFTER
    ((id_, (entry, raw)),) = found.items()
    assert (id_, entry.split, raw.fps) == ("val/shy-teal-wolf-20220101-120000", "val", 20)
    assert raw.action_spec.sizes == (*[2] * 23, 11, 11)
    assert [pressed(row) for row in raw.actions] == [
        {"forward", "sprint"},
        {"use", "pickItem"},
        {"ESC", "hotbar.2"},
        set(),
    ]
    assert raw.actions[:, 23:].tolist() == [[6, 5], [5, 0], [5, 5], [5, 5]]
    assert same(raw, frames, raw.actions)


def test_camera_steps_are_those_of_vpt() -> None:
    degrees = [0.6154, 1.6095, 3.2157, 5.8094, 10]  # undiscretize() of VPT's lib/actions.py
    assert [camera_step(degree * 2400 / 360) for degree in degrees] == [6, 7, 8, 9, 10]
    assert [camera_step(-degree * 2400 / 360) for degree in degrees] == [4, 3, 2, 1, 0]
    assert [camera_step(0), camera_step(1), camera_step(1e6), camera_step(-1e6)] == [5, 5, 10, 0]


def test_a_hanging_attack_counts_once_it_is_pressed_and_a_new_slot_as_its_key(tmp_path: Path) -> None:
    hanging = {"buttons": (0,), "hotbar": 4}
    lines = [
        vpt_line(**hanging, newButtons=[0]), vpt_line(**hanging), vpt_line(**hanging, newButtons=[0]),
        vpt_line(buttons=(0,), hotbar=6),
    ]  # fmt: skip
    write_vpt(tmp_path, "stuck", pictures(4), lines)
    raw = read_all("vpt", tmp_path)[1]["stuck"][1]
    assert [pressed(row) for row in raw.actions] == [set(), set(), {"attack"}, {"attack", "hotbar.7"}]


def test_one_frame_more_than_lines_is_left_out_and_no_more(tmp_path: Path) -> None:
    for more in (1, 2):
        write_vpt(tmp_path, f"more{more}", pictures(66 + more), [vpt_line()] * 66)
    found = read_all("vpt", tmp_path)[1]
    assert same(found["more1"][1], pictures(67)[:66], found["more1"][1].actions)
    assert len(frames_of(found["more2"][1])) == 68, "for prep to refuse"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"mouse": {}}, "line 2 is none of VPT's"),
        (vpt_line(dx=float("nan")), "line 2 is none of VPT's"),
        ([1, 2], "line 2 is none of VPT's"),
        (None, "not readable as JSON lines"),
    ],
)
def test_broken_lines_are_refused_by_name(line: object, reason: str, tmp_path: Path) -> None:
    write_vpt(tmp_path, "broken", pictures(2), [vpt_line(), line])
    if line is None:
        (tmp_path / "broken.jsonl").write_text('{"mouse": ')
    with pytest.raises(ValueError, match=f"broken.jsonl: {reason}"):
        read_all("vpt", tmp_path)


def test_a_video_without_lines_and_a_truncated_one_are_refused_by_name(tmp_path: Path) -> None:
    write_vpt(tmp_path, "lonely", pictures(2), [])
    (tmp_path / "lonely.jsonl").unlink()
    with pytest.raises(ValueError, match="lonely.jsonl"):
        read_all("vpt", tmp_path)
    write_vpt(tmp_path, "lonely", pictures(2), [vpt_line()] * 2)
    whole = (tmp_path / "lonely.mp4").read_bytes()
    (tmp_path / "lonely.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="lonely.mp4"):
        frames_of(read_all("vpt", tmp_path)[1]["lonely"][1])
