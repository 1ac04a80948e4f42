"""The Python interface, :func:`videovq.load`: a trained model for notebooks and other programs."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from videovq.config import LOOKING_TEMPERATURE, DeclareActionsConfig
from videovq.data.clip import read_clip
from videovq.errors import UserError
from videovq.frames import to_float, to_uint8
from videovq.pictures import write_png
from videovq.rollout.engine import find_device, generate, to_device
from videovq.rollout.pair import Pair, check_pair
from videovq.rollout.render import animation, sample_titles, strip, write_gif, write_movie
from videovq.rollout.write import write_arrays
from videovq.runs import (
    TrainedPredictor,
    TrainedVQVAE,
    load_predictor,
    load_vqvae,
    pretrained_examples,
    pretrained_run,
    vqvae_run,
)
from videovq.session import Session
from videovq.types import ActionSpec, Rollout, RolloutRequest, Sampling
from videovq.writable import hindrance

SCALE = 3


ENDINGS = (".gif", ".mp4", ".webm", ".png", ".npz")


@dataclass(frozen=True, repr=False)
class Prediction(Rollout):
    """A rollout that notebooks show as an animation.

    Attributes:
        names: of the action that leads to each predicted frame.
        fps: frames a second of the episodes that the model was trained on.
        codebook_size: K, the number of codes.
    """

    names: tuple[str, ...] = ()
    fps: float = 10.0
    codebook_size: int = 512

    def __repr__(self) -> str:
        samples, frames = self.codes.shape[:2]
        context, height, width, _ = self.request.context.shape
        return f"<Prediction: {samples} x {frames} frames of {height}x{width} after {context} of context>"

    def save(self, path: str | Path) -> None:
        """Write it in the format of the path's ending: an animation (``.gif``, ``.mp4``, ``.webm``), a strip with the
        time from left to right (``.png``), or the codes and frames (``.npz``). Missing folders are created, and an
        existing file is overwritten.

        Raises:
            UserError: it ends in something else, or cannot be written there.
        """
        path, titles = Path(path), sample_titles(len(self.codes))
        if path.suffix not in ENDINGS:
            raise UserError(f"{path}: must end in what it is to be; choose from {', '.join(ENDINGS)}")
        why = f"{path} is a folder" if path.is_dir() else hindrance(path.parent)
        if why:
            raise UserError(f"{path}: cannot be written ({why}); choose another path")
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".npz":
            write_arrays(path, self, titles, self.codebook_size)
        elif path.suffix == ".png":
            write_png(path, strip(self, None, self.names, titles, SCALE - 1))
        else:
            pictures = animation(self, None, self.names, titles, SCALE)
            if path.suffix == ".gif":
                write_gif(path, pictures, min(self.fps, 10), 0)
            else:
                write_movie(path, pictures, self.fps)

    def _repr_html_(self) -> str:
        with tempfile.TemporaryDirectory() as folder:
            self.save(Path(folder) / "r.gif")
            data = base64.b64encode((Path(folder) / "r.gif").read_bytes()).decode()
        return f'<img src="data:image/gif;base64,{data}" alt="rollout of {self.codes.shape[1]} frames">'


class Model:
    """A VQ-VAE and, where there is one, the predictor of its codes.

    Attributes:
        vqvae, predictor: the networks with their metadata.
        examples: recorded videos that ship with them.
    """

    def __init__(
        self,
        vqvae: TrainedVQVAE,
        predictor: TrainedPredictor | None,
        device: str = "auto",
        examples: Sequence[Path] = (),
    ) -> None:
        self.vqvae, self.predictor, self.examples = vqvae, predictor, list(examples)
        if predictor is not None:
            check_pair(vqvae, predictor)
            to_device(vqvae.network, predictor.network, device, "32-true")
        else:
            vqvae.network.to(find_device(device))

    def __repr__(self) -> str:
        height, width = self.vqvae.frame_size
        codes = f"{self.vqvae.network.quantizer.codebook_size} codes of {height}x{width} frames"
        if self.predictor is None:
            known = "no predictor"
        else:
            spec = self.predictor.action_spec
            known = f"actions: {', '.join(spec.names) or spec.kind}; {self.predictor.fps:g} frames a second"
        return f"<Model: {codes}; {known}; on {self.vqvae.network.device}>"

    @property
    def actions(self) -> ActionSpec:
        """The actions that the predictor knows.

        Raises:
            UserError: there is no predictor.
        """
        return self._with_predictor().action_spec

    def clip(
        self, path: str | Path = "", *, actions_at: Literal["", "after", "before"] = "", actions_key: str = ""
    ) -> tuple[UInt8[Tensor, "t h w c"], list[Any]]:
        """Frames of a video, cropped and resized for this model, and the actions in the file beside it (``NAME.json``,
        ``NAME.csv``, ...), as ``prep`` reads them.

        Args:
            path: of the video, or the name of an example that comes with the model; empty: the first of them.
            actions_at: ``before``: the file keeps an action beside the frame that it led to.
            actions_key: name of the array or column of actions, where it is not the usual one.

        Raises:
            UserError: the video or the actions cannot be used, or no example comes with this model.
        """
        if not path and not self.examples:
            raise UserError("clip: no example ships with this model; name a video")
        named = {example.stem: example for example in self.examples}
        source = named.get(str(path), Path(path)) if path else self.examples[0]
        declared = DeclareActionsConfig(actions_at=actions_at, actions_key=actions_key)
        found = read_clip(source, self.vqvae.frame_size, self.actions, declared=declared)
        return found.frames, found.actions.squeeze(-1).tolist()

    @torch.inference_mode()
    def encode(self, frames: UInt8[Tensor, "t h w c"] | np.ndarray) -> Int64[Tensor, "t y x"]:
        """Codes of RGB frames, 0..255.

        Raises:
            UserError: they are not of the size that the VQ-VAE was trained on.
        """
        checked = self._frames(frames)
        return self.vqvae.network.encode(to_float(checked.to(self.vqvae.network.device))).cpu()

    @torch.inference_mode()
    def decode(self, codes: Int64[Tensor, "t y x"] | np.ndarray) -> UInt8[Tensor, "t h w c"]:
        """RGB frames of codes.

        Raises:
            UserError: they are no grids of this VQ-VAE's codes.
        """
        grids, size = _tensor(codes), self.vqvae.network.quantizer.codebook_size
        indices = grids.long()
        if grids.is_floating_point() or indices.ndim != 3 or not ((indices >= 0) & (indices < size)).all():
            shape = tuple(grids.shape)
            raise UserError(
                f"codes: {grids.dtype} of shape {shape}; (time, rows, columns) of 0 to {size - 1} is needed"
            )
        return to_uint8(self.vqvae.network.decode(indices.to(self.vqvae.network.device))).cpu()

    def predict(
        self,
        frames: UInt8[Tensor, "t h w c"] | np.ndarray,
        actions: Sequence[Any] | np.ndarray | Tensor,
        n: int | None = None,
        *,
        samples: int = 1,
        temperature: float = LOOKING_TEMPERATURE,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Prediction:
        """Predict the next frames.

        Args:
            frames: the context, one frame or more.
            actions: names or numbers (lists of them where an action has several parts): first those between the context
                frames, then those to come, each of which leads to one predicted frame.
            n: number of frames to predict; None: one for every action to come. Where only one action is to come, it is
                held.
            samples: rollouts of the same context.
            temperature, top_k, top_p: see :class:`videovq.types.Sampling`.
            seed: of the sampling noise.

        Raises:
            UserError: frames or actions do not fit the model or each other, or there is no predictor.
        """
        predictor, context = self._with_predictor(), self._frames(frames)
        spec, between = predictor.action_spec, len(context) - 1
        values = self._actions(actions)
        known, coming = values[:between], values[between:]
        if len(coming) == 1 and n is not None:
            coming = coming * n
        if len(known) < between or not coming or (n is not None and len(coming) != n):
            needed = f"{between} between the frames and {n or 'at least 1'} after"
            raise UserError(f"actions: {len(values)} for {len(context)} frames; {needed} are needed")
        request = RolloutRequest(
            context,
            spec.tensor(known, "actions"),
            spec.tensor(coming, "actions"),
            samples,
            Sampling(temperature, top_k, top_p),
            seed,
        )
        found = generate(self.vqvae.network, predictor.network, request)
        labels = spec.labels(request.actions)
        size = self.vqvae.network.quantizer.codebook_size
        return Prediction(
            found.request, found.context_codes, found.codes, found.frames, tuple(labels), predictor.fps, size
        )

    def session(
        self,
        frames: UInt8[Tensor, "t h w c"] | np.ndarray,
        actions: Sequence[Any] | np.ndarray | Tensor = (),
        *,
        temperature: float = LOOKING_TEMPERATURE,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int = 0,
    ) -> Session:
        """Start a session, which predicts a frame for each action that it is given, as :meth:`predict` would.

        Args:
            frames: the context, one frame or more.
            actions: names or numbers, those between the context frames; more are not looked at.
            temperature, top_k, top_p: see :class:`videovq.types.Sampling`.
            seed: of the sampling noise.

        Raises:
            UserError: frames or actions do not fit the model or each other, or there is no predictor.
        """
        spec, context = self.actions, self._frames(frames)
        known = self._actions(actions)[: len(context) - 1]
        if len(known) < len(context) - 1:
            raise UserError(
                f"actions: {len(known)} for {len(context)} frames; {len(context) - 1} between them are needed"
            )
        sampling = Sampling(temperature, top_k, top_p)
        return Session.start(self._pair(), context, spec.tensor(known, "actions"), sampling, seed)

    def restore(self, path: str | Path) -> Session:
        """Go on with a session where it was saved.

        Raises:
            UserError: it is no file of a session, or of one with other networks.
        """
        return Session.load(path, self._pair())

    def _pair(self) -> Pair:
        return Pair(self.vqvae, self._with_predictor())

    def _actions(self, actions: Sequence[Any] | np.ndarray | Tensor) -> list[Any]:
        spec = self.actions
        return [spec.parse(a, "actions") if isinstance(a, str) else np.asarray(a).tolist() for a in actions]

    def _frames(self, frames: UInt8[Tensor, "t h w c"] | np.ndarray) -> UInt8[Tensor, "t h w c"]:
        tensor = _tensor(frames)
        if tensor.dtype != torch.uint8 or tensor.shape[1:] != (*self.vqvae.frame_size, 3) or not len(tensor):
            height, width = self.vqvae.frame_size
            raise UserError(
                f"frames: {tensor.dtype} of shape {tuple(tensor.shape)};"
                f" RGB uint8 (time, {height}, {width}, 3) is needed"
            )
        return tensor

    def _with_predictor(self) -> TrainedPredictor:
        if self.predictor is None:
            raise UserError("predictor: this model is a VQ-VAE alone; load one with a predictor")
        return self.predictor


def _tensor(array: Tensor | np.ndarray) -> Tensor:
    """A tensor of any array, also of views with negative strides, other byte orders, and read-only arrays."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.array(array, dtype=array.dtype.newbyteorder("="), order="C"))
    return torch.as_tensor(array)


def load(name: str | Path = "", *, vqvae: str = "", predictor: str = "", device: str = "auto") -> Model:
    """Load a trained model: one that ships, by name; a packed one, by its path; one of the Hub, by ``user/name`` or
    ``user/name@revision``; or one of yours, by run folders.

    Args:
        name: of a model that ships with videovq or is on the Hub, or path of a folder or .zip that ``videovq pack``
            wrote.
        vqvae: run folder of a VQ-VAE, where no name is given.
        predictor: run folder of a predictor of its codes.
        device: ``auto``, ``cpu``, ``gpu``, ``cuda``, ``cuda:1`` ... or ``mps``.

    Raises:
        UserError: there is none of that name, a run cannot be used, or the two do not belong together.
    """
    if bool(name) == bool(vqvae):
        raise UserError("load: give the name of a model that ships, or `vqvae`, a run folder")
    name = str(name)
    run: Path | None = Path(predictor) if predictor else None
    if name and not predictor:
        try:
            run = pretrained_run(name, "predictor")
        except UserError:
            run = None  # it is a VQ-VAE alone
    trained = load_vqvae(vqvae_run(vqvae, name))
    examples = pretrained_examples(name) if name else []
    return Model(trained, load_predictor(run) if run else None, device, examples)
