"""``videovq demo``: the worlds that ship, then the main job, small.

Every stage continues where an earlier demo stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import UInt8
from torch import Tensor

from videovq.config import (
    LOOKING_TEMPERATURE,
    DemoConfig,
    EMAConfig,
    EncodeConfig,
    EvaluateConfig,
    OptimizerConfig,
    PatchPredictorConfig,
    PlayConfig,
    PredictorTrainingConfig,
    PrepConfig,
    RecordConfig,
    RolloutConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
    VQVAEConfig,
    VQVAETrainingConfig,
)
from videovq.data.positions import FramePositions
from videovq.data.store import EpisodeStore, read_json
from videovq.data.windows import windows
from videovq.demo_page import write_demo_page
from videovq.evaluation.evaluate import evaluate
from videovq.frames import to_float, to_uint8
from videovq.models.predictors.predictor import Predictor
from videovq.models.vqvae import VQVAE
from videovq.play.command import NEEDED, play
from videovq.prep.prepare import prepare
from videovq.prep.record import record
from videovq.rollout.engine import generate
from videovq.rollout.write import rollout
from videovq.runs import is_finished, load_vqvae
from videovq.training import predictor, vqvae
from videovq.training.callbacks import duration
from videovq.training.contact_sheet import ContactSheet
from videovq.training.encode import encode
from videovq.training.step_time import seconds_of_training
from videovq.types import RolloutRequest, Sampling

FIRST, SECOND = "dmlab-small", "vizdoom"  # the worlds that ship
EXAMPLE = "courtyard"
CONTEXT, PREDICTED = 6, 10
COLUMNS = 8  # frames in the VQ-VAE's sheet
BESIDE = 1.1  # what the trainings take of the time is this much less than all


class Stage(NamedTuple):
    """One step of the demo."""

    name: str
    run: Callable[[], object]


def demo(config: DemoConfig) -> None:
    """Show the worlds that ship; record ViZDoom episodes, run every stage on them, and say how good the prediction is.

    Raises:
        UserError: ViZDoom is not installed, or cannot be recorded.
    """
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    notes = [f"Walk through DeepMind Lab's world: videovq play --pretrained {FIRST}"]
    stages = make_stages(config)
    if config.serve:
        serve()
    for i, stage in enumerate(stages, start=1):
        print(f"\n[{i}/{len(stages)}] {stage.name}", flush=True)
        write_demo_page(out, f"{stage.name} ({i} of {len(stages)})", notes)
        stage.run()
        if i == 1:
            print(f"\nLook at {out}/rollouts/deepmind-lab/recorded.gif")
            print(f"The page that grows: {(out / 'index.html').resolve().as_uri()}", flush=True)
    if config.train:
        notes.insert(0, verdict(read_json(out / "report" / "metrics.json")))
        print(f"\n{notes[0]}")
    write_demo_page(out, "", notes)
    print(f"\nThe rollouts, predicted purely as codes after the sixth frame: {out}/rollouts/")
    for path in sorted((out / "rollouts").glob("*/*.gif")):
        print(f"  {path}")


def make_stages(config: DemoConfig) -> list[Stage]:
    """Every stage with its settings."""
    out = Path(config.out)
    episodes, store, codes = str(out / "episodes"), str(out / "stores/episodes"), str(out / "stores/codes")
    reconstructing, predicting = trainings(config)
    recording = RecordConfig(out=episodes, episodes=config.size("episodes"), frames=config.size("frames"))
    preparing = PrepConfig(source=episodes, out=store, validation_fraction=0.05, test_fraction=0.1)
    encoding = EncodeConfig(store=store, vqvae=reconstructing.run, out=codes)
    predicted, coder = predicting.run, reconstructing.run
    measuring = EvaluateConfig(predictor=predicted, vqvae=coder, store=store, out=str(out / "report"))

    def rollouts(settings: RolloutConfig, folder: str) -> None:
        for actions in ("recorded", "each"):
            rollout(replace(settings, actions=actions, out=str(out / "rollouts" / folder / actions)))

    first = RolloutConfig(pretrained=FIRST, episode=EXAMPLE, frames=20)
    second = RolloutConfig(pretrained=SECOND, context=store, start=20)
    own = RolloutConfig(predictor=predicted, vqvae=coder, context=store, start=20)
    stages = [
        Stage("roll out DeepMind Lab, with the world that ships", lambda: rollouts(first, "deepmind-lab")),
        Stage("record ViZDoom episodes", lambda: record(recording)),
        Stage("prepare the EpisodeStore", lambda: prepare(preparing)),
        Stage("roll out ViZDoom, with the world that ships", lambda: rollouts(second, "vizdoom")),
    ]
    if not config.train:
        return stages
    return [
        *stages,
        Stage("measure how long the rest takes", lambda: announce(reconstructing, predicting)),
        Stage("train the VQ-VAE", lambda: vqvae.train(reconstructing, [vqvae_sheet(out, store)])),
        Stage("encode the episodes", lambda: encode(encoding)),
        Stage(
            "train the predictor",
            lambda: predictor.train(predicting, [predictor_sheet(out, store, coder)]),
        ),
        Stage("roll out", lambda: rollouts(own, "trained")),
        Stage("evaluate", lambda: evaluate(measuring)),
    ]


def trainings(config: DemoConfig) -> tuple[TrainVQVAEConfig, TrainPredictorConfig]:
    """Settings of the two trainings."""
    out = Path(config.out)
    reconstructing = TrainVQVAEConfig(
        store=str(out / "stores/episodes"),
        run=str(out / "runs/vqvae"),
        model=VQVAEConfig(
            hidden=64, residual_hidden=32, code_dim=16, quantizer=EMAConfig(commitment=1.0, restart_below=0.3)
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3),
        training=VQVAETrainingConfig(
            steps=config.size("vqvae_steps"), batch_size=32, validate_every=400, checkpoint_every=200
        ),
    )
    predicting = TrainPredictorConfig(
        store=str(out / "stores/codes"),
        run=str(out / "runs/predictor"),
        model=PatchPredictorConfig(width=96, blocks=3, decoder_blocks=1, transformer_width=96, heads=3),
        optimizer=OptimizerConfig(method="muon", learning_rate=5e-3, weight_decay=0.01),
        training=PredictorTrainingConfig(
            steps=config.size("predictor_steps"), batch_size=6, validate_every=350, checkpoint_every=100
        ),
    )
    return reconstructing, predicting


def serve() -> None:
    """Serve the page of ``videovq play`` from a thread of this process, as long as that runs."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        print(f"no page to play on: {', '.join(missing)} are not installed")
        return
    settings = PlayConfig(pretrained=FIRST, port=0, open=False)
    threading.Thread(target=play, args=(settings,), daemon=True, name="play").start()


def announce(reconstructing: TrainVQVAEConfig, predicting: TrainPredictorConfig) -> None:
    """Say how long the trainings that have not ended take on this machine, measured in some steps of each."""
    left = [config for config in (reconstructing, predicting) if not is_finished(Path(config.run))]
    if left:
        seconds = sum(seconds_of_training(config, warm=2, timed=5) for config in left)
        print(f"{duration(BESIDE * seconds)} to go on this machine, with a picture of it every minute", flush=True)


def vqvae_sheet(out: Path, store: str) -> ContactSheet:
    """Frames of the validation through the codes of the VQ-VAE."""
    episodes = EpisodeStore(store)
    frames = episodes.frames(FramePositions(episodes.split("val")).spread(COLUMNS))

    def draw(network: VQVAE) -> UInt8[Tensor, "n h w c"]:
        return to_uint8(network(to_float(frames.to(next(network.parameters()).device))).reconstruction)

    return ContactSheet(out / "progress" / "vqvae.png", [""] * COLUMNS, frames, draw)


def predictor_sheet(out: Path, store: str, coder: str) -> ContactSheet:
    """The first window of the validation, predicted after its context."""
    episodes = EpisodeStore(store)
    window = windows(episodes.split("val"), CONTEXT + PREDICTED)[0]
    episode = episodes.read(window.episode, window.start, window.start + window.length)
    context, between = episode.frames[:CONTEXT], episode.actions[: CONTEXT - 1]
    sampling = Sampling(LOOKING_TEMPERATURE)
    request = RolloutRequest(context, between, episode.actions[CONTEXT - 1 : -1], sampling=sampling)

    def draw(network: Predictor) -> UInt8[Tensor, "n h w c"]:
        decoder = load_vqvae(coder).network.to(network.codebook.device)
        frames = generate(decoder, network, request).frames
        assert frames is not None
        return frames[0]

    titles = [f"+{i + 1}" for i in range(PREDICTED)]
    return ContactSheet(out / "progress" / "predictor.png", titles, episode.frames[CONTEXT:], draw)


def verdict(metrics: dict[str, Any]) -> str:
    """Whether the prediction beats copying the last context frame at horizons 3 to 10."""
    ours, copied = (metrics["methods"][name]["psnr"]["by_horizon"] for name in ("prediction", "copy last"))
    lost = [h for h in range(3, 11) if ours[h - 1] <= copied[h - 1]]
    if not lost:
        return "The prediction beats copying the last context frame at every horizon from 3 to 10."
    return (
        f"The prediction does NOT beat copying the last context frame at horizon(s) {', '.join(map(str, lost))}:"
        " it needs a longer training (configs/train_predictor.yaml)."
    )
