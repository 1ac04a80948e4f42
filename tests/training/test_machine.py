from __future__ import annotations

import pytest
import torch
from torch import nn

from videovq.config import EMAConfig
from videovq.models.build import build_quantizer
from videovq.training.machine import products

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


def test_products_of_a_training_may_be_rounded_on_cuda_and_are_as_before_afterwards() -> None:
    with pytest.raises(KeyboardInterrupt), products(CUDA, nn.Linear(2, 2)):
        assert torch.get_float32_matmul_precision() == "high"
        raise KeyboardInterrupt
    assert torch.get_float32_matmul_precision() == "highest"


def test_products_keep_all_bits_where_a_quantizer_learns_and_on_processors() -> None:
    quantizing = nn.Sequential(build_quantizer(EMAConfig(codebook_size=4), 2))
    for device, network in ((CUDA, quantizing), (CPU, nn.Linear(2, 2))):
        with products(device, network):
            assert torch.get_float32_matmul_precision() == "highest"
