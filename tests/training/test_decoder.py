"""A decoder trained alone: other pictures of the same codes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import Once, stopped_at_a_checkpoint, vqvae_config
from videovq.config import EncodeConfig, LossConfig, ModelChoice, PackConfig, TrainVQVAEConfig
from videovq.data.store import CodeStore, EpisodeStore
from videovq.frames import to_float
from videovq.models.vqvae import VQVAE
from videovq.pack import pack, vqvae_beside
from videovq.rollout.pair import check_pair, load_pair
from videovq.runs import WEIGHTS, load_predictor, load_vqvae, read_facts, save_weights
from videovq.training import vqvae
from videovq.training.decoder import DecoderAlone, swapped
from videovq.training.encode import encode
from videovq.training.similar import SimilarCodes
from videovq.training.start import vqvae_starts


def decoder_config(store: EpisodeStore, run: Path, init: Path, steps: int = 20) -> TrainVQVAEConfig:
    config = vqvae_config(store, run, steps)
    return replace(
        config,
        init=str(init),
        decoder_only=True,
        code_swaps=0.3,
        loss=LossConfig(gradients=0.1, adversarial=0.3, adversarial_after=5, discriminator_width=8),
        optimizer=replace(config.optimizer, weight_average=0.9),
        training=replace(config.training, validate_every=steps, checkpoint_every=10),
    )


@pytest.fixture(scope="session")
def decoder_run(episode_store: EpisodeStore, vqvae_run: Path, once: Once) -> Path:
    return once("decoder", lambda run: vqvae.train(decoder_config(episode_store, run, vqvae_run)))


def test_the_decoder_alone_has_learnt(decoder_run: Path, vqvae_run: Path) -> None:
    after, before = (load_file(run / WEIGHTS) for run in (decoder_run, vqvae_run))
    assert after.keys() == before.keys()
    changed = {name for name in before if not torch.equal(after[name], before[name])}
    assert changed == {name for name in before if name.startswith("decoder.")}


def test_its_codes_are_those_of_the_vqvae_that_it_began_with(
    decoder_run: Path, vqvae_run: Path, predictor_run: Path, code_store: CodeStore, episode_store: EpisodeStore,
    tmp_path: Path,
) -> None:  # fmt: skip
    ours, theirs = load_vqvae(decoder_run), load_vqvae(vqvae_run)
    assert ours.codes_of == theirs.codes_of == theirs.fingerprint != ours.fingerprint
    check_pair(ours, load_predictor(predictor_run))
    again = encode(EncodeConfig(store=str(episode_store), vqvae=str(decoder_run), out=str(tmp_path / "codes")))
    assert again.header.fingerprint == code_store.header.fingerprint
    for info in code_store.episodes:
        assert torch.equal(again.read(info).codes, code_store.read(info).codes)


def test_codes_stay_the_first_ones_until_an_encoder_learns_again(
    decoder_run: Path, vqvae_run: Path, tmp_path: Path
) -> None:
    config, first = load_vqvae(vqvae_run).config, load_vqvae(vqvae_run).fingerprint
    decoder, whole = DecoderAlone(config, 1.0, 0.0), VQVAE(config)
    assert vqvae_starts(decoder, config, str(vqvae_run))["codes_of"] == first
    assert vqvae_starts(decoder, config, str(decoder_run))["codes_of"] == first
    assert "codes_of" not in vqvae_starts(whole, config, str(decoder_run))
    other = other_encoder(vqvae_run, tmp_path / "other")
    assert vqvae_starts(decoder, config, str(other))["codes_of"] == load_vqvae(other).fingerprint != first


def other_encoder(run: Path, to: Path) -> Path:
    """A run with the settings of another, and as if it had been trained longer."""
    tensors, facts = load_file(run / WEIGHTS), read_facts(run)
    shutil.copytree(run, to, dirs_exist_ok=True)
    save_weights(to, {name: 1.01 * value if "encoder" in name else value for name, value in tensors.items()}, facts)
    return to


def test_a_training_does_not_go_on_with_other_codes(
    vqvae_run: Path, episode_store: EpisodeStore, tmp_path: Path
) -> None:
    shutil.copytree(vqvae_run, tmp_path / "init")
    config = decoder_config(episode_store, tmp_path / "run", tmp_path / "init")
    with stopped_at_a_checkpoint():
        vqvae.train(config)
    other_encoder(vqvae_run, tmp_path / "init")
    with pytest.raises(ValueError, match="^init: is no longer the VQ-VAE that this run began with; choose another run"):
        vqvae.train(config)


def test_packed_it_keeps_its_codes_unless_rounding_changes_the_encoder(
    decoder_run: Path, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    codes_of = load_vqvae(vqvae_run).fingerprint
    pack(PackConfig(str(decoder_run), out=str(tmp_path / "whole")))
    assert load_vqvae(tmp_path / "whole" / "vqvae").codes_of == codes_of
    pack(PackConfig(str(predictor_run), str(decoder_run), str(tmp_path / "half"), "float16"))
    rounded = load_vqvae(tmp_path / "half" / "vqvae")
    assert rounded.codes_of == rounded.fingerprint == load_predictor(tmp_path / "half" / "predictor").vqvae
    # another decoder for a world that was rounded already: rounded again, its encoder stays
    facts = {**read_facts(decoder_run), "codes_of": rounded.codes_of}
    tensors = {**load_file(decoder_run / WEIGHTS), **rounded.network.encoder.state_dict(prefix="encoder.")}
    tensors |= rounded.network.quantizer.state_dict(prefix="quantizer.")
    shutil.copytree(decoder_run, tmp_path / "decoder")
    save_weights(tmp_path / "decoder", tensors, facts)
    pack(PackConfig(str(tmp_path / "decoder"), out=str(tmp_path / "again"), dtype="float16"))
    other = str(tmp_path / "again" / "vqvae")
    pair = load_pair(ModelChoice(pretrained=str(tmp_path / "half"), vqvae=other))
    assert pair.vqvae.codes_of == rounded.fingerprint
    with pytest.raises(ValueError, match="another VQ-VAE"):
        load_pair(ModelChoice(pretrained=str(tmp_path / "half"), vqvae=str(vqvae_run)))
    with pytest.raises(ValueError, match="^vqvae: .* has no effect beside pretrained"):
        load_pair(ModelChoice(str(predictor_run), other, str(tmp_path / "half")))


def test_packing_takes_the_vqvae_that_wrote_the_codes_before_another_decoder(
    decoder_run: Path, vqvae_run: Path, predictor_run: Path, tmp_path: Path
) -> None:
    predictor = load_predictor(predictor_run)
    for name, run in (("p", predictor_run), ("a_decoder", decoder_run)):
        shutil.copytree(run, tmp_path / name)
    assert vqvae_beside(tmp_path / "p", predictor) == tmp_path / "a_decoder"
    shutil.copytree(vqvae_run, tmp_path / "vqvae")
    assert vqvae_beside(tmp_path / "p", predictor) == tmp_path / "vqvae"


def test_codes_are_swapped_in_training_only(vqvae_run: Path, episode_store: EpisodeStore) -> None:
    start = load_vqvae(vqvae_run)
    network = DecoderAlone(start.config, 1.0, 0.9)
    network.load_state_dict(start.network.state_dict())
    frames = to_float(episode_store.read(episode_store.split("val")[0]).frames[:8])
    torch.manual_seed(0)
    with torch.no_grad():
        expected = start.network(frames)
        seen, learnt = network.eval()(frames), network.train()(frames)
    assert torch.equal(seen.reconstruction, expected.reconstruction)
    assert torch.equal(learnt.quantizer.codes, expected.quantizer.codes)
    whole = (learnt.reconstruction == expected.reconstruction).flatten(1).all(dim=1)
    assert 0 < whole.sum() < len(whole), "some frames keep their codes"


def test_swaps_are_half_similar_half_any_up_to_a_part_of_every_other_frame() -> None:
    torch.manual_seed(0)
    codes = torch.full((400, 10, 10), 50)
    similar = SimilarCodes(torch.arange(100.0)[:, None])
    found = swapped(codes, similar, 0.4)
    part = (found != codes).float().mean(dim=(1, 2))
    assert 0.4 < (part == 0).float().mean() < 0.6
    assert 0.15 < part[part > 0].mean() < 0.25 and part.max() < 0.6
    distance = (found - codes).abs()[found != codes]
    assert 0.5 < (distance <= 4).float().mean() < 0.65, "similar ones, and those among any that are similar by chance"
    assert found.min() < 10 and found.max() > 90
