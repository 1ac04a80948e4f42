"""Discrete-latent, action-conditioned video prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from videovq.model import Model, load

__version__ = "0.1.0"
__all__ = ["Model", "load"]


def __getattr__(name: str) -> Any:
    """Import what is asked for only then: the command line starts without torch."""
    if name in __all__:
        from videovq import model

        return getattr(model, name)
    raise AttributeError(f"module 'videovq' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What Tab completes: also what is not imported yet."""
    return sorted({*globals(), *__all__})
