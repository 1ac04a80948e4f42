import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_damaged_recordings_are_read_or_refused() -> None:
    """In a process of its own: what decoders do to damaged files could take this one down."""
    done = subprocess.run([sys.executable, "-m", "tests.prep.fuzz", "20"], capture_output=True, text=True)
    assert done.returncode == 0, "\n".join(done.stderr.splitlines()[-25:])
    assert len(done.stdout.splitlines()) == 12
    assert "'refused': 0" not in done.stdout
