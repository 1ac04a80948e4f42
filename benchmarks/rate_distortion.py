"""Quality against rate over codebook sizes and grids: trains small VQ-VAEs and draws the rate-distortion plot.

    python benchmarks/rate_distortion.py EPISODE_STORE OUT [STEPS] [--points HALVINGSxCODES ...]

A point: how often height and width are halved, and the size of the codebook. Tiny networks, seed 0, trained on
``train``, measured on ``test``; OUT/report/rate_distortion.png is the plot.
"""

from arguments import arguments, there

if __name__ == "__main__":  # before what takes long to import
    usual = ["2x32", "2x128", "2x512", "2x2048", "1x8", "1x32", "1x128"]
    store, folder, steps, points = arguments(__doc__, EPISODE_STORE=there, OUT=str, STEPS=600, points=usual)

import json
from pathlib import Path

from videovq.config import (
    EMAConfig,
    EvaluateVQVAEConfig,
    OptimizerConfig,
    TrainVQVAEConfig,
    VQVAEConfig,
    VQVAETrainingConfig,
)
from videovq.evaluation.vqvae import evaluate
from videovq.training.vqvae import train

out, reports = Path(folder), list[str]()
for point in points:
    downsamplings, size = (int(number) for number in point.split("x"))
    name = f"{downsamplings}-{size}"
    train(
        TrainVQVAEConfig(
            store=store,
            run=str(out / name),
            model=VQVAEConfig(
                hidden=64,
                residual_hidden=32,
                downsamplings=downsamplings,
                code_dim=16,
                quantizer=EMAConfig(codebook_size=size, commitment=1.0, restart_below=0.3),
            ),
            optimizer=OptimizerConfig(learning_rate=2e-3),
            training=VQVAETrainingConfig(steps=steps, batch_size=16, validate_every=steps, checkpoint_every=steps),
        )
    )
    report = out / "report" / name
    evaluate(EvaluateVQVAEConfig(store=store, vqvae=str(out / name), out=str(report), compare=list(reports)))
    reports.append(str(report / "report.json"))
last = Path(reports[-1]).parent / "rate_distortion.png"
last.replace(out / "report" / "rate_distortion.png")
for path in reports:
    found = json.loads(Path(path).read_text(encoding="utf-8"))
    print(
        f"{found['grid'][0]}x{found['grid'][1]} K={found['codebook_size']:<5} {found['bits_per_pixel']:.3f} bits per"
        f" pixel, {found['psnr']:.2f} dB, perplexity {found['perplexity']:.0f}"
    )
