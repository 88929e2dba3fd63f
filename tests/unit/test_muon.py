"""The optimiser that the foundation is trained with: matrices move along orthogonal directions, the rest as AdamW moves it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tcan.train.muon import MATRIX_RATE, SMALLEST, Muon, orthogonal


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3), st.integers(SMALLEST, 60), st.integers(SMALLEST, 60), st.integers(0, 2**31), st.floats(1e-6, 1e6))
def test_the_direction_is_nearly_orthogonal_whatever_the_gradients_size(count, rows, columns, seed, size):
    matrices = size * torch.randn(count, rows, columns, generator=torch.Generator().manual_seed(seed))
    found = orthogonal(matrices)
    left, values, right = torch.linalg.svd(matrices, full_matrices=False)
    strong = values > 0.03 * values.norm(dim=1, keepdim=True)       # weaker directions come up more slowly
    reached = torch.linalg.svdvals(found)
    assert reached.max() < 1.3
    along = torch.einsum("nrk,nrc,nkc->nk", left, found, right)     # how far each singular direction is moved
    assert (along[strong] > 0.5).all() and (along[strong] < 1.3).all()
    assert found.dtype == matrices.dtype


def test_convolutions_of_one_shape_move_as_each_would_alone():
    torch.manual_seed(0)
    one, two = (torch.nn.Parameter(torch.randn(16, 12, 3, 3)) for _ in range(2))
    gradients = [torch.randn(16, 12, 3, 3) for _ in range(2)]
    together = [value.detach().clone().requires_grad_() for value in (one, two)]
    for values in ([one], [two], together):
        optimizer = Muon(values, 1e-3)
        for value, gradient in zip(values, gradients if values is together else gradients[values[0] is two:], strict=False):
            value.grad = gradient
        optimizer.step()
    assert torch.allclose(one, together[0], atol=1e-3) and torch.allclose(two, together[1], atol=1e-3)
    assert not torch.allclose(one, two)


def test_a_step_is_of_one_length_and_against_the_gradient():
    value = torch.nn.Parameter(torch.zeros(24, 48))
    optimizer = Muon([value], lr=1e-3)
    value.grad = 1e-5 * torch.randn(24, 48, generator=torch.Generator().manual_seed(1))
    optimizer.step()
    moved = torch.linalg.svdvals(value.detach()) / (MATRIX_RATE * 1e-3)
    assert 0.6 < moved.min() and moved.max() < 1.3
    assert (value * value.grad).sum() < 0


def test_what_is_no_matrix_moves_as_adamw_moves_it():
    torch.manual_seed(0)
    ours, theirs = ([torch.nn.Parameter(torch.linspace(-1, 1, 7)), torch.nn.Parameter(torch.linspace(0, 1, 27).reshape(3, 9))] for _ in range(2))
    muon, adamw = Muon(ours, 0.01), torch.optim.AdamW(theirs, 0.01, weight_decay=1e-2)
    for _ in range(5):
        for mine, their in zip(ours, theirs, strict=True):
            mine.grad = torch.randn_like(mine)
            their.grad = mine.grad.clone()
        muon.step()
        adamw.step()
    assert all(torch.allclose(mine, their, atol=1e-6) for mine, their in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("rates", [[1.0, 0.5]])
def test_the_rate_of_each_group_may_be_changed(rates):
    value = torch.nn.Parameter(torch.zeros(16, 16))
    optimizer, lengths = Muon([value], lr=1e-3), []
    first = optimizer.param_groups[0]["lr"]
    for rate in rates:
        optimizer.param_groups[0]["lr"] = rate * first
        before = value.detach().clone()
        value.grad = torch.eye(16)
        optimizer.step()
        lengths.append((value.detach() - before).norm())
    assert lengths[1] / lengths[0] == pytest.approx(0.5, rel=0.1)
