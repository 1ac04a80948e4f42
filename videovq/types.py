"""The data that passes between stages, and the shape legend.

Shape letters, here and in every annotation: ``b`` batch, ``t`` time, ``c`` channels, ``h w`` pixel rows and columns,
``y x`` code rows and columns, ``d`` embedding width, ``k`` codebook size, ``a`` action width.

``actions[t]`` is taken after ``frames[t]`` was seen and leads to ``frames[t + 1]``: an episode of T frames has T
actions, of which the last has no target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from torch import Tensor

from videovq.config.checks import LARGEST_FLOAT, at_least, sampling
from videovq.errors import UserError


@dataclass(frozen=True)
class ActionSpec:
    """What the numbers in an action mean.

    Attributes:
        kind: ``none``; ``discrete``: one number below ``sizes[0]``; ``multi_discrete``: ``len(sizes)`` numbers, the
            i-th below ``sizes[i]``; ``continuous``: ``len(mean)`` real numbers.
        sizes: number of choices of each discrete component.
        names: names of the choices of a discrete action.
        mean, std: of each continuous component, to normalise it.
    """

    kind: Literal["none", "discrete", "multi_discrete", "continuous"]
    sizes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("none", "discrete", "multi_discrete", "continuous"):
            raise UserError(f"action_spec.kind is {self.kind!r}; use none, discrete, multi_discrete or continuous")
        if self.kind == "discrete" and (len(self.sizes) != 1 or len(self.names) not in (0, self.sizes[0])):
            raise UserError("action_spec: a discrete action needs one size, and a name for every choice or none")
        if self.kind == "multi_discrete" and not self.sizes:
            raise UserError("action_spec: a multi-discrete action needs its sizes")
        if self.kind == "continuous" and (not self.mean or len(self.mean) != len(self.std) or min(self.std) <= 0):
            raise UserError("action_spec: a continuous action needs a mean and a positive std for each component")

    @property
    def width(self) -> int:
        """Numbers in one action (``a``)."""
        return len(self.mean) if self.kind == "continuous" else len(self.sizes)

    @property
    def choices(self) -> list[str]:
        """Names of the choices of a discrete action; their numbers where they have none."""
        return list(self.names) or [str(i) for i in range(self.sizes[0])]

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.kind == "continuous" else torch.int64

    def tensor(self, values: list[Any], where: str) -> Shaped[Tensor, "t a"]:
        """Actions as a checked tensor.

        Args:
            values: one number an action, or a list of ``width`` numbers an action.
            where: the file or field they came from, for the error message.

        Raises:
            UserError: a wrong width, a number out of range, not an integer, or not finite.
        """
        rows = [list(v) if isinstance(v, (list, tuple)) else [v] for v in values]
        if self.kind == "none":
            rows = [[] for _ in rows]
        if any(len(row) != self.width for row in rows):
            raise UserError(f"{where}: every action needs {self.width} number(s)")
        try:
            floats = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), self.width)
        except (TypeError, ValueError):
            raise UserError(f"{where}: an action is not a number") from None
        if not torch.isfinite(floats.float()).all():
            raise UserError(f"{where}: an action is not finite, or too large for 32 bits")
        if self.kind == "continuous":
            if (floats.abs() > LARGEST_FLOAT).any():
                raise UserError(f"{where}: an action is too large for float32")
            return floats.float()
        limits = torch.tensor(self.sizes, dtype=torch.float64)
        wrong = (floats != floats.round()) | (floats < 0) | (floats >= limits)
        if wrong.any():
            t = int(wrong.any(dim=1).nonzero()[0])
            raise UserError(f"{where}: action {rows[t]} at {t} is not a whole number within {list(self.sizes)}")
        return floats.long()

    def parse(self, name: str, where: str) -> Any:
        """One action from what a user typed: a discrete action's name or number."""
        if name in self.names:
            return self.names.index(name)
        if name.isdigit():
            return int(name)
        known = ", ".join(self.names) or f"0 to {self.sizes[0] - 1}" if self.kind == "discrete" else "a JSON file"
        raise UserError(f"{where}: no action {name!r}; choose from: {known}")

    def numbered(self, values: list[Any], where: str) -> list[Any]:
        """Actions as recordings keep them, with the names of a discrete action replaced by their numbers.

        Raises:
            UserError: there is no action of such a name.
        """
        if self.kind != "discrete":
            return values
        return [self.parse(value, where) if isinstance(value, str) else value for value in values]

    def labels(self, actions: Shaped[Tensor, "n a"]) -> list[str]:
        """Labels of actions, for pictures."""
        if self.kind == "discrete" and self.names:
            return [self.names[int(a)] for a in actions[:, 0]]
        return [" ".join(f"{v:g}" for v in row) for row in actions.tolist()]

    def to_json(self) -> dict[str, Any]:
        return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(self).items() if v}

    @staticmethod
    def from_json(value: dict[str, Any]) -> ActionSpec:
        try:
            fields: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in value.items()}
            fields["names"] = tuple(name_in_json(name, "action_spec") for name in fields.get("names") or ())
            return ActionSpec(**fields)
        except TypeError as error:
            raise UserError(f"action_spec: {error}") from None


def name_in_json(value: Any, where: str) -> str:
    """The name of an action as its file spells it: ``off``, written without quotes in YAML, becomes ``false`` in JSON.

    Raises:
        UserError: it is no name.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        raise UserError(f"{where}: {value!r} is no name of an action; write the names in quotes")
    return str(value)


@dataclass(frozen=True)
class EpisodeInfo:
    """The metadata of an episode in a store.

    Attributes:
        id: path of its source below the folder that was prepared, without the ending.
        shard, start, length: the frames ``start`` to ``start + length - 1`` of that shard.
        discontinuities: every t after which frame t + 1 does not follow from action t (a respawn, a teleport); every
            end is one, unless no frame follows.
        ends: every t at which the world ended with action t, in contrast to a recording that merely stops.
        rewards: whether rewards were recorded.
    """

    id: str
    split: str
    shard: int
    start: int
    length: int
    level: str
    source: str
    sha256: str
    discontinuities: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    rewards: bool = False

    def __post_init__(self) -> None:  # stores that were made earlier do not have every end among them
        object.__setattr__(self, "discontinuities", breaks(self.discontinuities, self.ends, self.length))


def breaks(discontinuities: Iterable[int], ends: Iterable[int], length: int) -> tuple[int, ...]:
    """Every t after which another world begins: where it ended, or nothing followed, unless no frame comes after t."""
    return tuple(sorted({t for t in (*discontinuities, *ends) if 0 <= t < length - 1}))


T = TypeVar("T", bound="Tensors")  # beartype, which checks one method at a time, knows no Self


class Tensors:
    """The base of dataclasses of tensors, and of such dataclasses, which are moved together; a field may be None."""

    def to(self: T, *args: Any, **kwargs: Any) -> T:
        """See :meth:`torch.Tensor.to`."""
        return self._of_each(lambda z: z.to(*args, **kwargs))

    def pin_memory(self: T) -> T:
        """See :meth:`torch.Tensor.pin_memory`."""
        return self._of_each(lambda z: z.pin_memory())

    def _of_each(self: T, change: Callable[[Any], Any]) -> T:
        own = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return type(self)(*(None if z is None else change(z) for z in own))


@dataclass(frozen=True)
class Outcomes(Tensors):
    """Outcomes of some actions: rewards and ends.

    Attributes:
        rewards: earned with each action; 0 where that is not known.
        ends: whether the world ended with it.
        weights: how much each counts; 0 where its reward is not known.
    """

    rewards: Float[Tensor, "... t"]
    ends: Bool[Tensor, "... t"]
    weights: Float[Tensor, "... t"]


@dataclass(frozen=True)
class Episode:
    """Consecutive frames with the actions taken after each."""

    info: EpisodeInfo
    frames: UInt8[Tensor, "t h w c"]
    actions: Shaped[Tensor, "t a"]


@dataclass(frozen=True)
class CodeEpisode:
    """Consecutive code grids with the actions taken after each."""

    info: EpisodeInfo
    codes: Int64[Tensor, "t y x"]
    actions: Shaped[Tensor, "t a"]


class Batch(Tensors):
    """The base of batches: tensors, or batches of them, of as many samples each."""

    def __len__(self) -> int:
        return len(next(iter(vars(self).values())))


@dataclass(frozen=True)
class FrameBatch(Batch):
    """Independent frames."""

    frames: UInt8[Tensor, "b h w c"]


@dataclass(frozen=True)
class CodeBatch(Batch):
    """Windows of consecutive code grids with the action taken after each, and its outcomes where these are learnt."""

    codes: Int64[Tensor, "b t y x"]
    actions: Shaped[Tensor, "b t a"]
    outcomes: Outcomes | None = None


@dataclass(frozen=True)
class Sampling:
    """Sampling settings: how codes are sampled from their logits.

    Attributes:
        temperature: 0 or more; 1 samples from the model, 0 is greedy.
        top_k: sample from that many of the most likely codes only; 0: from all.
        top_p: sample from the most likely codes that together have this probability; 1: from all.
        guidance: scale of classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): logits without actions
            plus this times what the actions add to them; 1: the model's own logits.
        sampler: how a frame is sampled; all give the same codes from the same noise. ``cached``: group after group of
            codes, with cached activations; ``predictive``: all codes at once, repeated until none changes;
            ``uncached``: a whole pass for every group, the slow reference.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    guidance: float = 1.0
    sampler: Literal["cached", "predictive", "uncached"] = "cached"

    def __post_init__(self) -> None:
        sampling(self)
        at_least(self, 0, "guidance")


@dataclass(frozen=True)
class RolloutRequest:
    """A request for a rollout.

    Attributes:
        context: the context frames, one or more.
        context_actions: the actions between them, one fewer than the frames.
        actions: the actions from the last context frame on; each leads to one predicted frame.
        samples: independent rollouts of the same context (``b`` of the Rollout).
        sampling: of codes.
        seed: of the sampling noise.
    """

    context: UInt8[Tensor, "t h w c"]
    context_actions: Shaped[Tensor, "t_minus_1 a"]
    actions: Shaped[Tensor, "n a"]
    samples: int = 1
    sampling: Sampling = Sampling()
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.context) < 1 or len(self.context_actions) != len(self.context) - 1:
            raise UserError(
                f"context: {len(self.context)} frames need {len(self.context) - 1} actions between them,"
                f" but there are {len(self.context_actions)}"
            )
        if len(self.actions) < 1:
            raise UserError("actions: at least one is needed, each leads to one predicted frame")
        if self.samples < 1:
            raise UserError("samples: must be at least 1")


@dataclass(frozen=True)
class Rollout:
    """A rollout: predicted codes and their frames.

    Attributes:
        context_codes: the codes of the request's context.
        codes: the predicted codes.
        frames: the decoded predicted codes, or None.
    """

    request: RolloutRequest
    context_codes: Int64[Tensor, "t y x"]
    codes: Int64[Tensor, "b n y x"]
    frames: UInt8[Tensor, "b n h w c"] | None


@dataclass(frozen=True)
class QuantizerOutput:
    """A quantized grid of vectors.

    Attributes:
        quantized: the chosen code vectors, with the straight-through gradient.
        codes: their indices.
        loss: what the quantizer adds to the training loss.
        usage: how often each code was chosen: in training over all ranks, else by this one.
    """

    quantized: Float[Tensor, "b d y x"]
    codes: Int64[Tensor, "b y x"]
    loss: Float[Tensor, ""]
    usage: Float[Tensor, "k"]
