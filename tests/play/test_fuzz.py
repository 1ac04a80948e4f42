from pathlib import Path

import pytest

from tests.play.fuzz import fuzz
from tests.play.served import Served
from videovq.data.store import EpisodeStore

pytestmark = pytest.mark.slow


def test_malformed_messages_and_uploads_harm_nobody(
    vqvae_run: Path,
    predictor_run: Path,
    episode_store: EpisodeStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Against the command in a process of its own: what decoders do to broken videos could take this one down."""
    served = Served(vqvae_run, predictor_run, Path(str(episode_store)), tmp_path / "log")
    try:
        found = fuzz(served, 300)
    finally:
        served.close()
    counts, memory = found["counts"], found["memory"]
    assert counts["refused"] > 200 and counts["upload 422"] > 5 and counts["upload 200"] and counts["closed"]
    assert memory["most, bombs"] - memory["idle"] < 256, capsys.readouterr().err
    assert memory["after"] - memory["warm"] < 64
