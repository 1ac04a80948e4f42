"""The metadata of networks and scenes that a page receives first."""

from __future__ import annotations

import base64
from typing import Any

import torch

from videovq.data.clip import Clip
from videovq.pictures import png
from videovq.rollout.engine import decode_codes
from videovq.rollout.pair import Pair, networks_sha256


def world_metadata(pair: Pair) -> dict[str, Any]:
    """Metadata of the networks: actions, sizes, the colours of the codes, and a fingerprint."""
    predictor = pair.predictor
    return {
        "model": networks_sha256(pair),
        "actions": {"kind": predictor.action_spec.kind, **predictor.action_spec.to_json()},
        "size": list(pair.vqvae.frame_size),
        "grid": list(predictor.network.grid),
        "codes": len(predictor.network.codebook),
        "colours": base64.b64encode(code_colours(pair)).decode(),
    }


@torch.inference_mode()
def code_colours(pair: Pair) -> bytes:
    """Mean colour of every code, decoded in a field of the same code: red, green, blue of code 0, of code 1, ..."""
    vqvae, field = pair.vqvae.network, 5
    codes = torch.arange(vqvae.quantizer.codebook_size, device=vqvae.device)[:, None, None, None]
    edge = field // 2 * vqvae.stride
    middles = decode_codes(vqvae, codes.expand(-1, 1, field, field).contiguous())[:, 0, edge:-edge, edge:-edge]
    return bytes(middles.float().mean(dim=(1, 2)).round().byte().cpu().flatten().tolist())


def scene_metadata(clip: Clip) -> dict[str, Any]:
    """Metadata of a scene: its name and picture."""
    picture = base64.b64encode(png(clip.frames[-1].numpy())).decode()
    return {"name": clip.name, "frames": len(clip.frames), "picture": f"data:image/png;base64,{picture}"}
