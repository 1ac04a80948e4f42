"""Tables as other programs write them."""

from pathlib import Path

import pytest

from videovq.data.columns import KINDS, Table


def table(tmp_path: Path, text: str | bytes, key: str = "") -> Table:
    path = tmp_path / "e.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Table(path, key)


@pytest.mark.parametrize(
    "text",
    [
        "action,reward\n0,0.5\n2,1\n",
        "\ufeffaction,reward\n0,0.5\n2,1\n",
        "action,reward\n0,0.5\n2,1\n\n  \n",
        "action,reward\n0,0.5\n2,1\n,\n",
        "action, reward\n0, 0.5\n2, 1",
        "action ,reward\t\n 0 ,0.5\n2 ,1 \n",
        "action;reward\r\n0;0.5\r\n2;1\r\n",
        "action\treward\n0\t0.5\n2\t1\n",
        '"action";"reward"\n"0";"0.5"\n"2";"1"\n',
        '"action", "reward"\n"0", "0.5"\n2, 1\n',
        "reward,action\r0.5,0\r1,2\r",
        "action,reward\r\r\n0,0.5\r\r\n2,1\r\r\n",
        "action,reward\n0,0.5,\n2,1,\n",
        ",action,reward\n0,0,0.5\n1,2,1\n",
        '"what, and; why",action,reward\n0,0,0.5\n1,2,1\n',
        "action,reward\n0,0.5\n2,1\n".encode("utf-16"),
    ],
)
def test_what_is_unambiguous_is_read(text: str | bytes, tmp_path: Path) -> None:
    found = table(tmp_path, text)
    assert found.actions() == [0, 2]
    assert found.column("reward") == [0.5, 1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("action\n0\nleft\n", "line 3, column 'action': 'left' is not a number"),
        ("reward,action\n0.5,0\n1\n", "line 3, column 'action': '' is not a number"),
        ("reward;action\n0,5;0,0\n", "line 2, column 'action': '0,0' is not a number"),
        ("action,reward\n0,5,1\n", "line 2 has 3 fields, but line 1 has 2"),
        ("action,reward,action\n0,5,1\n", "several columns are called 'action'"),
        ("action,x;reward\n0,1;2\n", "no column 'reward', only action, x;reward"),
        ("a,b;c\n0,1;2\n", "line 1 does not tell whether commas or semicolons or tabs separate columns"),
        ('action\n"0\n', "not readable as CSV"),
        (b"action\n\xff\n", "not readable as CSV"),
        ("\ufeff\n\n", "not readable as CSV with a header .it is empty"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "no column 'action'"),
    ],
)
def test_anything_else_is_named_by_file_line_and_column(text: str | bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"e\.csv: {reason}"):
        found = table(tmp_path, text)
        found.actions()
        found.column("reward")


def test_truth_values_are_words_and_unknown_rewards_are_empty(tmp_path: Path) -> None:
    found = table(tmp_path, "action,reward,terminated\n0,,False\n1,null,TRUE\n2,3,false\n")
    assert found.column("terminated") == [0, 1, 0]
    rewards = found.column("reward", unknown=True)
    assert rewards[0] != rewards[0] and rewards[1] != rewards[1] and rewards[2] == 3
    with pytest.raises(ValueError, match="line 2, column 'reward': '' is not a number"):
        found.column("reward")


def test_a_line_without_the_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text('\ufeff{"action": 1}\n\n{"button": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"e\.jsonl: line 3 has no 'action'"):
        KINDS[".jsonl"](tmp_path / "e.jsonl", "").actions()
