"""Public benchmarks: recordings that anyone can make, which are the same as everybody's to the last pixel.

``configs/benchmarks/record_NAME.yaml`` has the settings, the JSON beside it the package that shows the world, the
version of it that was used, and the split and checksum of every episode. The checksum is of what the engine shows and
of the actions, before the frames are resized: how that rounds is the processor's business.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import metadata

from videovq.config import RecordConfig
from videovq.data.store import read_json
from videovq.errors import UserError
from videovq.parsing import read_config
from videovq.prep.environments import Action, Observation
from videovq.shipped import shipped_configs

BEGINNING = "benchmarks/record_"
FREE = ("out", "workers", "benchmark")  # what does not decide what is recorded


@dataclass(frozen=True)
class Benchmark:
    """A recording that is to be made again.

    Attributes:
        settings: with which it is made.
        package, version: that showed the world when the checksums were taken.
        episodes: ``{"split", "sha256"}`` of each.
    """

    name: str
    settings: RecordConfig
    package: str
    version: str
    episodes: list[dict[str, str]]

    def settings_for(self, given: RecordConfig) -> RecordConfig:
        """The benchmark's settings, but for those that are everybody's own.

        Raises:
            UserError: something else was given.
        """
        usual = RecordConfig()
        for name in RecordConfig.__dataclass_fields__:
            value, fixed = getattr(given, name), getattr(self.settings, name)
            if name not in FREE and value not in (getattr(usual, name), fixed):
                raise UserError(f"{name}: benchmark {self.name} is recorded with {fixed!r}; leave {name} out")
        return replace(self.settings, **{name: getattr(given, name) for name in FREE})

    def confirm(self, index: int, found: str) -> str:
        """The split of an episode whose checksum was found.

        Raises:
            UserError: it is not the benchmark's.
        """
        if found == self.episodes[index]["sha256"]:
            return self.episodes[index]["split"]
        here = metadata.version(self.package)
        remedy = f"pip install {self.package}=={self.version}"
        if here == self.version:
            remedy = "the version is the same, so it is this machine that shows another world: record it on another"
        raise UserError(
            f"benchmark {self.name}: episode {index} is not what it should be (sha256 {found[:12]} and not"
            f" {self.episodes[index]['sha256'][:12]}): its checksums are of {self.package} {self.version}, this is"
            f" {here}; {remedy}"
        )


def open_benchmark(name: str) -> Benchmark:
    """A benchmark that ships, by its name.

    Raises:
        UserError: there is none of that name.
    """
    ships = shipped_configs().items()
    found = {key.removeprefix(BEGINNING): path for key, path in ships if key.startswith(BEGINNING)}
    if name not in found:
        raise UserError(f"benchmark: no {name!r}; choose from {', '.join(found)}")
    facts = read_json(found[name].with_suffix(".json"))
    return Benchmark(name, read_config(RecordConfig, found[name]), **facts)


class Witness:
    """A policy that notes the checksum of all it sees and does.

    Attributes:
        policy: chooses the actions.
    """

    def __init__(self, policy: Callable[[Observation, bool], Action]) -> None:
        self.policy = policy
        self._digest = hashlib.sha256()

    def __call__(self, seen: Observation, blocked: bool) -> Action:
        action = self.policy(seen, blocked)
        self._digest.update(seen.frame.tobytes())
        self._digest.update(json.dumps(action).encode())
        return action

    @property
    def checksum(self) -> str:
        """sha256 of every frame as the engine showed it, each followed by its action."""
        return self._digest.hexdigest()
