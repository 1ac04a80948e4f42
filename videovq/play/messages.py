"""The messages of a player's page: JSON objects, validated field by field."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from videovq.errors import UserError
from videovq.types import ActionSpec, Sampling

MOST_FRAMES = 3000  # of one dream
REPLAY_FORMAT = "videovq replay 2"
FORMER_FORMAT = "videovq replay 1"  # with noise that is no longer drawn
LARGEST_INTEGER = 2**53 - 1  # whole numbers that JavaScript can hold
Action = tuple[int | float, ...]


@dataclass(frozen=True)
class Replay:
    """A replay: all that is needed to reproduce a dream.

    Attributes:
        model: fingerprint of both networks.
        clip: name of the scene it starts from.
        clip_sha256: fingerprint of the scene's frames and actions.
        samplings: sampling settings, each with the first step that it is for; the first entry is for step 0.
        digest: running fingerprint of all codes, to verify that they are the same.
    """

    model: str
    clip: str
    clip_sha256: str
    seed: int
    samplings: tuple[tuple[int, Sampling], ...]
    actions: tuple[Action, ...]
    digest: str

    @property
    def guidance(self) -> float:
        return self.samplings[0][1].guidance

    def to_json(self) -> dict[str, Any]:
        changes = [{"from": step, **{name: getattr(one, name) for name in SETTINGS}} for step, one in self.samplings]
        return {
            "format": REPLAY_FORMAT, "model": self.model, "clip": self.clip, "clip_sha256": self.clip_sha256,
            "seed": self.seed, "guidance": self.guidance, "sampling": changes,
            "actions": [list(action) for action in self.actions], "digest": self.digest,
        }  # fmt: skip

    @staticmethod
    def from_json(value: Any, spec: ActionSpec) -> Replay:
        """A replay from untrusted JSON.

        Raises:
            UserError: it is no replay, or its actions are not the model's.
        """
        if not isinstance(value, dict) or value.get("format") not in (REPLAY_FORMAT, FORMER_FORMAT):
            raise UserError(f"replay: is not in the format {REPLAY_FORMAT!r}; play it with the version that saved it")
        kinds = {
            "format": str, "model": str, "clip": str, "clip_sha256": str, "seed": int, "guidance": float,
            "sampling": list, "actions": list, "digest": str,
        }  # fmt: skip
        fields = _fields(value, kinds, "replay")
        if len(fields["actions"]) > MOST_FRAMES or not 1 <= len(fields["sampling"]) <= MOST_FRAMES:
            raise UserError(f"replay: has more than {MOST_FRAMES} steps, or no sampling")
        samplings: list[tuple[int, Sampling]] = []
        for change in fields["sampling"]:
            where = f"replay.sampling[{len(samplings)}]"
            settings = _fields(change, {"from": int, **SETTINGS}, where)
            step = settings.pop("from")
            if (step <= samplings[-1][0]) if samplings else (step != 0):
                raise UserError(f"{where}.from: steps must start at 0 and increase")
            samplings.append((step, _sampling(settings, fields["guidance"], where)))
        if fields["format"] == FORMER_FORMAT and any(sampling.temperature > 0 for _, sampling in samplings):
            raise UserError(
                "replay: was dreamt with the noise of an earlier version; only replays of temperature 0 outlive it"
            )
        return Replay(
            fields["model"], fields["clip"], fields["clip_sha256"], _seed(fields["seed"], "replay.seed"),
            tuple(samplings), tuple(_action(a, spec, "replay.actions") for a in fields["actions"]), fields["digest"],
        )  # fmt: skip


@dataclass(frozen=True)
class Start:
    """Start a dream from a scene."""

    clip: str
    seed: int
    sampling: Sampling


@dataclass(frozen=True)
class Act:
    """Take an action; a frame comes back."""

    action: Action


@dataclass(frozen=True)
class Adjust:
    """Change the sampling settings from now on; guidance stays as it was chosen at the start."""

    sampling: Sampling


@dataclass(frozen=True)
class Acknowledge:
    """A frame has been shown."""

    frame: int


@dataclass(frozen=True)
class Rewind:
    """Go back to a frame; the later ones are discarded."""

    frame: int


@dataclass(frozen=True)
class Save:
    """Ask for the replay of the dream."""


@dataclass(frozen=True)
class Load:
    """Start the dream of a replay; the page takes its actions."""

    replay: Replay


Message = Start | Act | Adjust | Acknowledge | Rewind | Save | Load

SETTINGS: dict[str, type] = {"temperature": float, "top_k": int, "top_p": float}
FIELDS: dict[str, dict[str, type]] = {
    "start": {"clip": str, "seed": int, "guidance": float, "sampling": dict},
    "act": {"action": list},
    "adjust": {"sampling": dict},
    "acknowledge": {"frame": int},
    "rewind": {"frame": int},
    "save": {},
    "load": {"replay": dict},
}
TYPE_NAMES = {int: "a whole number", float: "a number", str: "a short text", list: "a list", dict: "an object"}


def parse_message(text: str, spec: ActionSpec) -> Message:
    """A checked message.

    Raises:
        UserError: it is not JSON, not a known message, or a field is missing, unknown, of the wrong type or out of
            range; one line that names it.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise UserError("message: is not JSON") from None
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in FIELDS:
        raise UserError(f"message: needs a `type`, one of {', '.join(FIELDS)}")
    fields = _fields({name: field for name, field in value.items() if name != "type"}, FIELDS[kind], kind)
    if kind == "start":
        sampling = _fields(fields["sampling"], SETTINGS, "start.sampling")
        seed = _seed(fields["seed"], "start.seed")
        return Start(fields["clip"], seed, _sampling(sampling, fields["guidance"], "start"))
    if kind == "act":
        return Act(_action(fields["action"], spec, "act.action"))
    if kind == "adjust":
        return Adjust(_sampling(_fields(fields["sampling"], SETTINGS, "adjust.sampling"), 1.0, "adjust"))
    if kind == "load":
        return Load(Replay.from_json(fields["replay"], spec))
    return {"acknowledge": Acknowledge, "rewind": Rewind, "save": Save}[kind](**fields)


def _fields(value: Any, kinds: dict[str, type], where: str) -> dict[str, Any]:
    """The fields of an object: all of them, no others, each of its type."""
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object")
    if value.keys() != kinds.keys():
        raise UserError(f"{where}: needs exactly the fields: {', '.join(kinds) or 'none'}")
    for name, kind in kinds.items():
        field = value[name]
        if kind in (int, float):
            fits = _is_number(field) and (kind is float or isinstance(field, int))
        else:
            fits = isinstance(field, kind) and not (isinstance(field, str) and len(field) > 300)
        if not fits:
            raise UserError(f"{where}.{name}: must be {TYPE_NAMES[kind]}")
    return dict(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= LARGEST_INTEGER


def _no_constant(name: str) -> float:
    raise UserError(name)  # NaN and Infinity are not JSON


def _seed(value: int, where: str) -> int:
    if value < 0:
        raise UserError(f"{where}: must be 0 or more")
    return value


def _action(value: Any, spec: ActionSpec, where: str) -> Action:
    numbers = isinstance(value, list) and all(_is_number(v) and abs(v) < 1e6 for v in value)
    if not numbers or len(value) != spec.width:
        raise UserError(f"{where}: must be a list of {spec.width} number(s)")
    return tuple(spec.tensor([value], where)[0].tolist())


def _sampling(settings: dict[str, Any], guidance: float, where: str) -> Sampling:
    if not (settings["temperature"] == 0 or 0.01 <= settings["temperature"] <= 10):
        raise UserError(f"{where}: temperature: must be 0, or 0.01 to 10")
    if guidance > 20:
        raise UserError(f"{where}: guidance: must be 20 at most")
    try:
        return Sampling(float(settings["temperature"]), settings["top_k"], float(settings["top_p"]), float(guidance))
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
