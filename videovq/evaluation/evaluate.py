"""``videovq evaluate``: a predictor over a split, beside baselines and controls -> metrics.json and a page."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from videovq import __version__
from videovq.config import EvaluateConfig
from videovq.data.store import EpisodeStore
from videovq.data.windows import windows
from videovq.errors import UserError
from videovq.evaluation.bootstrap import format_interval, horizon_cells, horizon_summary
from videovq.evaluation.clips import Protocol, clips
from videovq.evaluation.likelihood import ActionBits, Likelihood, by_action, likelihood
from videovq.evaluation.motion import shift_by_action
from videovq.evaluation.outcomes import expectations, outcome_report
from videovq.evaluation.panels import counterfactual, panel, telling_windows
from videovq.evaluation.perceptual import FEWEST, VideoDistance, frechet, lpips_measure
from videovq.evaluation.pixel_bits import bits_per_value
from videovq.evaluation.prediction import CEILING, MEASURES, SHUFFLED, TRUTH, Measure, RolloutMeasures, prediction
from videovq.evaluation.predictor_page import curves, outcome_lines, predictor_page
from videovq.evaluation.watched import watch
from videovq.evaluation.watched_page import watched_lines
from videovq.parsing import to_plain
from videovq.pictures import write_png
from videovq.rollout.engine import find_device, to_device
from videovq.rollout.pair import Pair, load_pair, model_name, open_episodes
from videovq.runs import model_card, predictor_run
from videovq.storage import write_json, write_text
from videovq.types import ActionSpec, Sampling

PANELS = 2  # windows shown of the best, of the median and of the worst


@dataclass(frozen=True)
class Evaluation:
    """The networks and their measures."""

    pair: Pair
    likelihood: Likelihood
    actions: list[ActionBits]
    prediction: RolloutMeasures


def evaluate(config: EvaluateConfig) -> dict[str, Any]:
    """Measure, write ``metrics.json``, ``report.html`` and its pictures into ``config.out``, and print the table.

    Raises:
        UserError: runs and store do not belong together, or a setting cannot be used.
    """
    protocol = Protocol(config.split, config.context_frames, config.frames, config.stride)
    sampling = Sampling(config.temperature, config.top_k, config.top_p)
    measures: dict[str, Measure] = dict(MEASURES)
    if config.lpips:
        measures["lpips"] = lpips_measure(config.lpips)
    device = find_device(config.device)
    distance = VideoDistance(config.fvd, device) if config.fvd else None
    vqvae, predictor = pair = load_pair(config)
    store = open_episodes(config.store, pair)
    to_device(vqvae.network, predictor.network, config.device, "32-true")
    networks = vqvae.network, predictor.network
    length = config.context_frames + config.frames
    chosen = windows(store.split(config.split), length, config.stride, "context + frames")
    number = len(chosen)
    if distance and number < FEWEST:
        raise UserError(f"fvd: {number} windows are too few for a distance; it needs {FEWEST}: lower the stride")
    shifts = None
    if predictor.action_spec.kind == "discrete":
        if any(info.split == "train" for info in store.episodes):
            shifts = shift_by_action(store, "train", device)
        else:
            print(f"{store}: has no episode in split train, which `copy, moved` is measured on: it is left out")
    watched = watch(config, store, chosen, device)
    batches = clips(vqvae.network, store, protocol, config.batch_size, "bits")
    bits = likelihood(predictor.network, batches, config.context_frames)
    batches = clips(vqvae.network, store, protocol, config.batch_size, "rollouts")
    features = distance.features if distance else None
    rolled = prediction(
        *networks,
        batches,
        config.context_frames,
        config.samples,
        sampling,
        config.seed,
        shifts,
        measures,
        features,
        watched.observers,
    )
    found = Evaluation(pair, bits, by_action(bits, predictor.action_spec), rolled)
    metrics = {**metrics_json(found, config, store), **watched.report(rolled, predictor.action_spec, config.seed)}
    if predictor.network.outcome is not None:
        expected = expectations(*networks, store, config.split, config.context_frames)
        metrics["outcomes"] = outcome_report(expected, config.seed) if expected else None
    if distance and rolled.features:
        metrics["fvd"] = {"value": frechet(*rolled.features), "videos": number, "weights": distance.weights}
    shown = [
        panel(pair, store, protocol, window, word, sampling, config.seed)
        for word, window in telling_windows(rolled, PANELS)
    ]
    futures = counterfactual(pair, store, protocol, sampling, config.seed)
    charts = curves(metrics)
    text = predictor_page(
        metrics, charts, shown, futures, model_card(predictor_run(config.predictor, config.pretrained))
    )
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    strips = {f"window-{i + 1}": one.strip for i, one in enumerate(shown)}
    for name, picture in {**charts, "futures": futures, **strips}.items():
        if picture is not None:
            write_png(out / f"{name}.png", picture)
    write_text(out / "report.html", text)
    write_json(out / "metrics.json", metrics)
    print(text_table(metrics))
    print(f"written to {out / 'report.html'}")
    return metrics


def metrics_json(found: Evaluation, config: EvaluateConfig, store: EpisodeStore) -> dict[str, Any]:
    """The content of ``metrics.json``."""
    bits, rolled = found.likelihood, found.prediction
    positions, (height, width) = math.prod(found.pair.predictor.network.grid), store.header.grid
    controlled = has_control(len(bits.episodes), found.pair.predictor.action_spec)
    code_bits = float(bits.true.mean()) * positions / (3 * height * width)
    methods = {
        method: {measure: horizon_summary(values, rolled.episodes, config.seed) for measure, values in measured.items()}
        for method, measured in rolled.values.items()
        if controlled or method != SHUFFLED
    }
    for method, energies in rolled.gradients.items():
        if method in methods:
            for name, over in (("gradient_energy", TRUTH), ("gradient_energy_decoded", CEILING)):
                methods[method][name] = horizon_summary(energies, rolled.episodes, config.seed, rolled.gradients[over])
    return {
        "name": model_name(config),
        "videovq": __version__,
        "settings": to_plain(config),
        "sampling": asdict(Sampling(config.temperature, config.top_k, config.top_p)),
        "action_kind": found.pair.predictor.action_spec.kind,
        "windows": len(bits.episodes),
        "episodes": len(bits.episodes.unique()),
        "vqvae": found.pair.vqvae.codes_of,
        **({"decoder": found.pair.vqvae.fingerprint} if found.pair.vqvae.started_from else {}),
        "episodes_sha256": episodes_sha256(store, config.split),
        "bits_per_code": {
            "prediction": horizon_summary(bits.true, bits.episodes, config.seed),
            **({SHUFFLED: horizon_summary(bits.shuffled, bits.episodes, config.seed)} if controlled else {}),
            "without context": horizon_summary(bits.unconditional, bits.episodes, config.seed),
        },
        "bits_per_frame": float(bits.true.mean()) * positions,
        "bits_per_dim_bound": code_bits + bits_per_value(rolled.levels),
        "bits_by_action": [asdict(one) for one in found.actions],
        "methods": methods,
        "turns": {"steps": rolled.steps, "same way": rolled.same_way, "as far": rolled.as_far},
    }


def has_control(windows: int, spec: ActionSpec) -> bool:
    """Whether there are actions of another window for the shuffled control."""
    return windows > 1 and spec.kind != "none"


def episodes_sha256(store: EpisodeStore, split: str) -> str:
    """Fingerprint of the frames and actions of a split, wherever the store lies."""
    digest = hashlib.sha256()
    for info in store.split(split):
        episode = store.read(info)
        digest.update(f"{tuple(episode.frames.shape)} {info.discontinuities}".encode())
        for tensor in (episode.frames, episode.actions):
            digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def text_table(metrics: dict[str, Any]) -> str:
    """The main measures, for a terminal."""
    settings, bits = metrics["settings"], metrics["bits_per_code"]
    lines = [
        f"{metrics['name']}: {settings['context_frames']} -> {settings['frames']} frames, {metrics['windows']} windows"
        f" of {metrics['episodes']} {settings['split']} episodes, {settings['samples']} sample(s) at temperature"
        f" {settings['temperature']:g}, seed {settings['seed']}",
        "bits per code      "
        + "; ".join(
            f"{name} {one['mean']:.3f} ({format_interval(one['low'], one['high'])})" for name, one in bits.items()
        ),
        f"bits per frame     {metrics['bits_per_frame']:.0f}",
        f"bits per dim       {metrics['bits_per_dim_bound']:.3f} at most, of the pixels",
    ]
    turns = metrics["turns"]
    if turns["steps"]:
        shares = f"{turns['same way']:.1%} the same way, {turns['as far']:.1%} also as far"
        lines.append(f"sideways motion    {turns['steps']} clear steps: {shares}")
    if "outcomes" in metrics:
        lines += [f"{name:<19}{text}" for name, text in outcome_lines(metrics["outcomes"])]
    if "fvd" in metrics:
        fvd = metrics["fvd"]
        lines.append(f"FVD                {fvd['value']:.1f}: {fvd['videos']} videos, weights {fvd['weights'][:12]}")
    for measure in metrics["methods"]["prediction"]:
        name = measure.replace("_", " ") + " by horizon"
        lines.append(f"\n{name:<18}" + "".join(f"{h:>7}" for h in range(1, settings["frames"] + 1)))
        for method, measured in metrics["methods"].items():
            if measure in measured:
                lines.append(f"{method:<18}{horizon_cells(measured[measure], 2 if measure == 'psnr' else 3)}")
    lines += watched_lines(metrics)
    if metrics["bits_by_action"]:
        lines.append(f"\n{'bits by action':<24} {'frames':>7} {'true':>7} {'shuffled':>9}")
        for one in metrics["bits_by_action"]:
            lines.append(f"{one['name']:<24} {one['frames']:>7} {one['true']:>7.2f} {one['shuffled']:>9.2f}")
    return "\n".join(lines)
