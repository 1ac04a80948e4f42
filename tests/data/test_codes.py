from __future__ import annotations

import pytest
import torch

from videovq.data.codes import from_stored, to_stored


@pytest.mark.parametrize(("size", "dtype"), [(512, torch.int16), (2**15, torch.int16), (2**16, torch.int32)])
def test_codes_come_back_from_the_smallest_numbers_that_hold_them(size: int, dtype: torch.dtype) -> None:
    codes = torch.tensor([[0, size // 2, size - 1]])
    stored = to_stored(codes, size)
    assert stored.dtype == dtype
    assert torch.equal(from_stored(stored), codes)


@pytest.mark.parametrize("wrong", [-1, 512])
def test_codes_outside_the_codebook_are_not_written(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"code {wrong} of 512"):
        to_stored(torch.tensor([3, wrong, 4]), 512)


def test_codes_that_were_written_wrapped_are_read_as_they_were() -> None:
    codes = torch.tensor([0, 32767, 32768, 65535])
    assert torch.equal(from_stored(codes.short()), codes)
