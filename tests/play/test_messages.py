from __future__ import annotations

import copy
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest

from videovq.play.messages import Acknowledge, Act, Adjust, Load, Replay, Rewind, Save, Start, parse_message
from videovq.types import ActionSpec, Sampling

WALK = ActionSpec("discrete", (3,), ("stay", "left", "right"))
STICK = ActionSpec("continuous", mean=(0.0, 1.0), std=(1.0, 2.0))
SAMPLING = {"temperature": 1, "top_k": 0, "top_p": 1}
REPLAY = Replay(
    "m", "clip", "c", 3, ((0, Sampling(0.5, 4, 0.9, 2.0)), (2, Sampling(1.0, 0, 1.0, 2.0))), ((1,), (0,), (2,)), "d"
)
START = {"type": "start", "clip": "a", "seed": 1, "guidance": 1, "sampling": SAMPLING}
GOOD = [
    START,
    {"type": "act", "action": [2]},
    {"type": "adjust", "sampling": SAMPLING},
    {"type": "acknowledge", "frame": 3},
    {"type": "rewind", "frame": 0},
    {"type": "save"},
    {"type": "load", "replay": REPLAY.to_json()},
]  # fmt: skip


def load(**changes: object) -> str:
    return json.dumps({"type": "load", "replay": {**REPLAY.to_json(), **changes}})


def test_what_the_page_says_is_understood() -> None:
    found = [parse_message(json.dumps(message), WALK) for message in GOOD]
    assert found == [
        Start("a", 1, Sampling()), Act((2,)), Adjust(Sampling()), Acknowledge(3), Rewind(0), Save(), Load(REPLAY)
    ]  # fmt: skip
    assert parse_message('{"type": "act", "action": [0.5, -2]}', STICK) == Act((0.5, -2.0))
    assert parse_message('{"type": "act", "action": []}', ActionSpec("none")) == Act(())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "JSON"),
        ("[" * 100_000, "JSON"),
        ('{"type": "act", "action": [NaN]}', "JSON"),
        ('{"type": "act", "action": [' + "9" * 5000 + "]}", "JSON"),
        ("[]", "type"),
        ('{"type": ["act"]}', "type"),
        ('{"type": "act"}', "act: needs exactly the fields: action"),
        ('{"type": "save", "to": "/etc/passwd"}', "save: needs exactly the fields: none"),
        ('{"type": "act", "action": 1}', "act.action: must be a list"),
        ('{"type": "act", "action": [true]}', "act.action: must be a list of 1 number"),
        ('{"type": "act", "action": [1, 1]}', "act.action"),
        ('{"type": "act", "action": [3]}', r"act.action: action \[3\]"),
        ('{"type": "act", "action": [-1]}', "act.action"),
        ('{"type": "act", "action": [0.5]}', "act.action"),
        ('{"type": "rewind", "frame": 1.0}', "rewind.frame: must be a whole number"),
        ('{"type": "rewind", "frame": 1e999}', "rewind.frame"),
        ('{"type": "rewind", "frame": 90071992547409931}', "rewind.frame"),
        (json.dumps({**START, "seed": -1}), "start.seed"),
        (json.dumps({**START, "clip": "x" * 301}), "start.clip: must be a short text"),
        (json.dumps({**START, "guidance": -1}), "guidance: must be 0 or more"),
        (json.dumps({**START, "guidance": 21}), "guidance"),
        (json.dumps({**START, "sampling": {**SAMPLING, "temperature": 1e-300}}), "temperature"),
        (json.dumps({**START, "sampling": {**SAMPLING, "top_p": 0}}), "top_p"),
        (json.dumps({**START, "sampling": {**SAMPLING, "sampler": "uncached"}}), "start.sampling"),
        (load(format="2"), "format"),
        (load(format="videovq replay 1"), "replay: was dreamt with the noise of an earlier version"),
        (load(sampling=[]), "no sampling"),
        (load(actions=[[0]] * 3001), "3000"),
        (load(sampling=[{"from": 1, **SAMPLING}]), "start at 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named) as caught:
        parse_message(text, WALK)
    assert "\n" not in str(caught.value)


def test_huge_numbers_are_no_actions() -> None:
    for text in ("1e300", "1e6", "-1e7", "9" * 400):
        with pytest.raises(ValueError, match="act.action|JSON"):
            parse_message(f'{{"type": "act", "action": [0, {text}]}}', STICK)


ODD = [None, True, -1, 0, 2**70, -0.5, 1e308, "", "\ud800", "a" * 500, [], [[]], [None], {}, {"type": "act"}, [1] * 50]


def malformed(random_: random.Random, good: Sequence[dict[str, Any]] = GOOD) -> str:
    """A good message with something in it replaced, removed, added, or cut off."""
    message = copy.deepcopy(random_.choice(good))
    for _ in range(random_.randint(1, 3)):
        place = message
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = random_.choice(keys)
            if isinstance(place[key], (dict, list)) and random_.random() < 0.7:
                place = place[key]
                continue
            if random_.random() < 0.2:
                del place[key]
            else:
                place[key] = copy.deepcopy(random_.choice(ODD))
            break
        if isinstance(place, dict) and random_.random() < 0.2:
            place[random_.choice(["frame", "type", "path", "\ud800"])] = copy.deepcopy(random_.choice(ODD))
    text = json.dumps(message)
    if random_.random() < 0.2:
        at = random_.randrange(len(text) + 1)
        text = (
            text[:at]
            + random_.choice(["", "\0", "}", "é", '"', "1e400", "Infinity"])
            + text[at + random_.randint(0, 9) :]
        )
    return text


def refused(spec: ActionSpec, seed: int, tries: int) -> list[str]:
    """Malformed messages that are refused; a few are good by chance."""
    random_, found = random.Random(seed), []
    for _ in range(tries):
        text = malformed(random_)
        try:
            parse_message(text, spec)
        except ValueError as error:
            assert "\n" not in str(error)
            found.append(text)
    return found


def test_malformed_messages_raise_nothing_but_value_errors() -> None:
    assert len(refused(WALK, 0, 3000)) > 2000
    assert len(refused(STICK, 1, 1000)) > 700
