"""What benchmarks share: the device they measure on, by name, and its memory."""

from __future__ import annotations

import platform
from pathlib import Path

import torch


def device_name(device: torch.device) -> str:
    """The name of a card, or of the processor with its threads and instructions."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine()
    )
    return f"{model}, {torch.get_num_threads()} thread(s), {torch.backends.cpu.get_cpu_capability()}"


def most_memory(device: torch.device) -> float:
    """MiB of a card's memory in use at its highest since the last call of this function; nan: not a card of CUDA."""
    if device.type != "cuda":
        return float("nan")
    most = torch.cuda.max_memory_allocated(device) / 2**20
    torch.cuda.reset_peak_memory_stats(device)
    return most
