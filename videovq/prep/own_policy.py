"""Policies that users bring: a function, or an agent that stable-baselines3 saved."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np

from videovq.errors import UserError
from videovq.prep.environments import Action, Environment, Observation

Act = Callable[[Any, dict[str, Any], np.random.Generator], Any]
PACKAGES = ("stable_baselines3", "sb3_contrib")  # where algorithms are
SAVED = ".zip"


class OwnPolicy:
    """A policy that asks a function or an agent, which a setting names, for every action.

    Args:
        name: ``module:function``, ``file.py:function`` or ``ALGORITHM:agent.zip``. The function is called with the
            environment's own observation, its ``info`` and a generator, and returns an action of its action space, or
            the name of a numbered one.
        seed: of the generator, or of the agent.

    Raises:
        UserError: there is no such function or agent; later, that it gave no action of the environment.
    """

    def __init__(self, name: str, environment: Environment, seed: int) -> None:
        self._name, self._environment = name, environment
        self._random = np.random.default_rng([seed, 2])
        where, _, what = name.rpartition(":")
        if not where or not what:
            raise UserError(
                f"policy: {name!r} must be MODULE:FUNCTION, FILE.py:FUNCTION, or the algorithm and the file of an"
                " agent: PPO:agent.zip"
            )
        self._act = agent(where, Path(what), seed) if what.endswith(SAVED) else function(where, what)

    def act(self, seen: Observation) -> Action:
        """The next action, as it is recorded."""
        given = self._act(seen.own, seen.info, self._random)
        try:
            return self._environment.recorded(given)
        except UserError as error:
            raise UserError(f"policy: {self._name} gave {given!r}, which is {error}") from None


def function(module: str, name: str) -> Act:
    """A function of a module, or of a file in Python.

    Raises:
        UserError: there is none.
    """
    found = getattr(of_file(Path(module)) if module.endswith(".py") else of_module(module), name, None)
    if not callable(found):
        raise UserError(f"policy: {module} has no function {name!r}")
    return found


def of_module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise UserError(f"policy: {name} cannot be imported ({error})") from None


def of_file(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"policy: {path}: no such file")
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def agent(algorithm: str, path: Path, seed: int) -> Act:
    """An agent that was saved; it draws from what its policy finds likely. Loading it runs code that the file holds.

    Raises:
        UserError: its package is missing, has no such algorithm, or cannot load the file; later, that the agent does
            not know such observations.
    """
    try:
        import_module(PACKAGES[0])
    except ImportError as error:
        raise UserError(
            f"policy: an agent needs the package {PACKAGES[0]} ({error}); pip install stable-baselines3"
        ) from None
    for package in PACKAGES:
        with suppress(ImportError):
            import_module(package)
    kinds = [getattr(sys.modules[package], algorithm, None) for package in PACKAGES if sys.modules.get(package)]
    kind: Any = next(filter(None, kinds), None)
    if not hasattr(kind, "load"):
        raise UserError(f"policy: stable-baselines3 has no algorithm {algorithm!r}; say which trained it: PPO:{path}")
    if not path.is_file():
        raise UserError(f"policy: {path}: no such file")
    try:
        loaded = kind.load(path, device="cpu", custom_objects={"buffer_size": 1})  # no room for what it will not learn
    except Exception as error:  # whatever torch, pickle and zipfile say of a file that is none, or another's
        raise UserError(f"policy: {path} cannot be loaded as an agent of {algorithm} ({error})") from error
    loaded.set_random_seed(seed)

    def act(observation: Any, info: dict[str, Any], random: np.random.Generator) -> Any:
        try:
            return loaded.predict(observation, deterministic=False)[0]
        except ValueError as error:
            raise UserError(f"policy: {path} does not know such observations ({error})") from error

    return act
