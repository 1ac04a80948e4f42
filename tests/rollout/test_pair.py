from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from videovq.config import ModelChoice
from videovq.data.store import EpisodeStore
from videovq.rollout.pair import Pair, check_pair, load_pair, open_episodes
from videovq.types import ActionSpec


@pytest.fixture
def pair(vqvae_run: Path, predictor_run: Path) -> Pair:
    return load_pair(ModelChoice(str(predictor_run), str(vqvae_run)))


def test_another_vqvae_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="another VQ-VAE"):
        check_pair(replace(pair.vqvae, fingerprint="0" * 64), pair.predictor)


def test_episodes_that_the_networks_do_not_understand_are_refused(pair: Pair, episode_store: EpisodeStore) -> None:
    assert open_episodes(episode_store.folder.path, pair).header == episode_store.header
    larger = pair._replace(vqvae=replace(pair.vqvae, frame_size=(84, 84)))
    with pytest.raises(ValueError, match=r"its frames are \(24, 24\), but the VQ-VAE was trained on \(84, 84\)"):
        open_episodes(episode_store.folder.path, larger)
    others = pair._replace(predictor=replace(pair.predictor, action_spec=ActionSpec("discrete", (3,))))
    with pytest.raises(ValueError, match="its actions differ"):
        open_episodes(episode_store.folder.path, others)
