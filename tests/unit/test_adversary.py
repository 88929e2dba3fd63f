"""The discriminator of the foundation's denoiser."""

import torch

from tcan.train.adversary import WARM_UP, Adversary, balanced, folded, of_pairs, pair_context, pairs


def toy(seed=0, channels=4, side=8):
    torch.manual_seed(seed)
    adversary = Adversary(channels, channels + 48, width=16)
    return adversary, torch.cat([torch.randn(6, channels, side, side), folded(torch.rand(6, 3, 4 * side, 4 * side), side)], dim=1)


def test_each_loss_reaches_its_own_network_alone():
    adversary, context = toy()
    true, made = torch.randn(6, 4, 8, 8), torch.randn(6, 4, 8, 8, requires_grad=True)
    judging, fooling = adversary.losses(true, made, context, torch.Generator().manual_seed(0))
    fooling.backward(retain_graph=True)
    assert made.grad.abs().max() > 0 and all(value.grad is None for value in adversary.parameters())
    made.grad = None
    judging.backward()
    assert made.grad is None and all(value.grad is not None for value in adversary.parameters())


def test_equal_pictures_are_told_apart_by_nothing():
    adversary, context = toy()
    true = torch.randn(6, 4, 8, 8)
    judging, fooling = adversary.losses(true, true.clone(), context, torch.Generator().manual_seed(0))
    assert abs(fooling.item() - 0.6931) < 1e-4 and judging.item() >= 0.6931        # log 2: a coin's throw, and the slope's part


def test_what_squared_error_leaves_in_the_middle_is_decided():
    """What is true is 1 or -1 all over, without a sign of which: squared error is least at 0. With the adversary the network chooses."""
    def reached(weight):
        adversary, context = toy(1)
        network = torch.nn.Sequential(torch.nn.Conv2d(4, 32, 1), torch.nn.ReLU(), torch.nn.Conv2d(32, 4, 1))
        optimizer = torch.optim.Adam([*network.parameters(), *adversary.parameters()], lr=2e-3)
        generator = torch.Generator().manual_seed(0)
        for _ in range(400):
            noise = torch.randn(6, 4, 1, 1, generator=generator).expand(6, 4, 8, 8)
            true = (2.0 * (torch.rand(6, 1, 1, 1, generator=generator) < 0.5) - 1).expand(6, 4, 8, 8)
            made = network(noise)
            error = (made - true).square().mean()
            optimizer.zero_grad()
            (error + adversary.beside(error, true, made, 0 * context, network[-1].weight, weight, WARM_UP, generator)).backward()
            optimizer.step()
        with torch.no_grad():
            return network(torch.randn(500, 4, 1, 1, generator=generator)).mean(1).abs().mean().item()

    assert reached(0.0) < 0.2 and reached(2.0) > 0.5


def test_the_balance_is_of_the_gradients_lengths():
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    error, other = (3 * parameter).sum(), (parameter ** 2).sum()
    factor = balanced(error, other, parameter, 0.5)
    assert abs(factor.item() - 0.5 * 3 * 2 ** 0.5 / 20 ** 0.5) < 1e-5 and not factor.requires_grad


def test_pairs_are_each_frame_and_the_next():
    clip = torch.arange(2 * 3 * 1).reshape(2, 3, 1, 1, 1)
    assert pairs(clip).flatten(1).tolist() == [[0, 1], [1, 2], [3, 4], [4, 5]]


def test_pairs_are_judged_beside_their_source_and_both_poses():
    source, drawn = torch.tensor([10, 20]).reshape(2, 1, 1, 1), torch.arange(2 * 3).reshape(2, 3, 1, 1, 1)
    assert pair_context(source, drawn).flatten(1).tolist() == [[10, 0, 1], [10, 1, 2], [20, 3, 4], [20, 4, 5]]
    clips, poses = torch.randn(2, 3, 4, 8, 8), folded(torch.rand(6, 3, 32, 32), 8).unflatten(0, (2, 3))
    assert len(of_pairs(4, 4)(pairs(clips), pair_context(clips[:, 0], poses))) == 4
