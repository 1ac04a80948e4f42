"""``videovq demo``: the main job, small. Every stage continues where an earlier demo stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from videovq.config import (
    DemoConfig,
    EMAConfig,
    EncodeConfig,
    EvaluateConfig,
    OptimizerConfig,
    PatchPredictorConfig,
    PredictorTrainingConfig,
    PrepConfig,
    RecordConfig,
    RolloutConfig,
    TrainingConfig,
    TrainPredictorConfig,
    TrainVQVAEConfig,
    VQVAEConfig,
)
from videovq.data.store import read_json
from videovq.evaluation.evaluate import evaluate
from videovq.prep.prepare import prepare
from videovq.prep.record import record
from videovq.rollout.write import rollout
from videovq.training import predictor, vqvae
from videovq.training.encode import encode

SHIPPED = "vizdoom"


class Stage(NamedTuple):
    """One step of the demo."""

    name: str
    run: Callable[[], object]


def demo(config: DemoConfig) -> None:
    """Record ViZDoom episodes, run every stage on them, and say how good the prediction is."""
    out = Path(config.out)
    stages = make_stages(config)
    for i, stage in enumerate(stages, start=1):
        print(f"\n[{i}/{len(stages)}] {stage.name}", flush=True)
        stage.run()
    if config.train:
        print(f"\n{verdict(read_json(out / 'report' / 'metrics.json'))}")
    print(f"\nThe rollouts, predicted purely as codes after the sixth frame: {out}/rollouts/")
    for path in sorted((out / "rollouts").glob("*/*.gif")):
        print(f"  {path}")


def make_stages(config: DemoConfig) -> list[Stage]:
    """Every stage with its settings."""
    out = Path(config.out)
    episodes, store, codes = str(out / "episodes"), str(out / "stores/episodes"), str(out / "stores/codes")
    vqvae_run, predictor_run = str(out / "runs/vqvae"), str(out / "runs/predictor")
    recording = RecordConfig(out=episodes, episodes=config.episodes, frames=config.frames)
    preparing = PrepConfig(source=episodes, out=store, validation_fraction=0.05, test_fraction=0.1)
    reconstructing = TrainVQVAEConfig(
        store=store,
        run=vqvae_run,
        model=VQVAEConfig(
            hidden=64, residual_hidden=32, code_dim=16, quantizer=EMAConfig(commitment=1.0, restart_below=0.3)
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3),
        training=TrainingConfig(steps=config.vqvae_steps, batch_size=32, validate_every=400, checkpoint_every=200),
    )
    encoding = EncodeConfig(store=store, vqvae=vqvae_run, out=codes)
    predicting = TrainPredictorConfig(
        store=codes,
        run=predictor_run,
        model=PatchPredictorConfig(width=96, blocks=3, decoder_blocks=1, transformer_width=96, heads=3),
        optimizer=OptimizerConfig(method="muon", learning_rate=5e-3, weight_decay=0.01),
        training=PredictorTrainingConfig(
            steps=config.predictor_steps, batch_size=6, validate_every=350, checkpoint_every=100
        ),
    )
    rolling = RolloutConfig(predictor=predictor_run, vqvae=vqvae_run, context=store, start=20)
    measuring = EvaluateConfig(predictor=predictor_run, vqvae=vqvae_run, store=store, out=str(out / "report"))
    shipped = RolloutConfig(pretrained=SHIPPED, context=store, start=20)

    def rollouts(settings: RolloutConfig, folder: str) -> None:
        for actions in ("recorded", "each"):
            rollout(replace(settings, actions=actions, out=str(out / "rollouts" / folder / actions)))

    stages = [
        Stage("record ViZDoom episodes", lambda: record(recording)),
        Stage("prepare the EpisodeStore", lambda: prepare(preparing)),
        Stage("roll out with the model that ships", lambda: rollouts(shipped, "shipped")),
        Stage("train the VQ-VAE", lambda: vqvae.train(reconstructing)),
        Stage("encode the episodes", lambda: encode(encoding)),
        Stage("train the predictor", lambda: predictor.train(predicting)),
        Stage("roll out", lambda: rollouts(rolling, "trained")),
        Stage("evaluate", lambda: evaluate(measuring)),
    ]
    return stages if config.train else stages[:3]


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
