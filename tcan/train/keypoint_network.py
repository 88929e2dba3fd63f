"""The network that finds key points of rendered people again: the evaluation's eye for where the generated person's joints are.

A `UNet2DModel` of diffusers, so that who uses it needs diffusers and nothing of ours. It sees patches of PATCH x PATCH pixels as channels
(pixel_unshuffle of RGB in -1..1) and says 18 maps in the same way (pixel_shuffle gives them the picture's size): the softmax of a map over
the picture says where OpenPose's joint is. Trained on rendered people, as the foundation is, by the cross-entropy with a Gaussian at the true
place; a joint that the head hides, or that is outside the picture, says nothing.
"""

import math
import os
import time

import torch
from torch.nn import functional

from tcan import models, seeds  # noqa: F401
from tcan.data import motion
from tcan.files import atomic_dir
from tcan.imports import sha256_of_code
from tcan.models.autoencoder import to_tensor
from tcan.models.foundation import as_float16
from tcan.pose.keypoints import INDEX, MIRRORED
from tcan.provenance import identities, write_run
from tcan.train import loop
from tcan.train.processes import accelerator

from diffusers import UNet2DModel

PATCH = 2       # at 32 x 32 the network takes a quarter of the time that it takes at 64 x 64, and is as exact
AVERTED = 3.0   # how much oftener than the others those are drawn who don't face us
SIGMA = 1.0     # of the Gaussian around a true joint, in pixels
SECTIONS = ("data", "pose", "measures")


def run(args, config):
    part, seed, started, processes, code = config.measures.keypoint_network, config.seed, time.time(), accelerator(), sha256_of_code(__name__)
    frames, xy = _render(args.raw, config)
    often = shares(xy, config.data.size)
    torch.manual_seed(seed)
    network = build(part, config.data.size).to(processes.device)

    def loss(step, generator):
        item = torch.multinomial(often, part.batch, replacement=True, generator=generator)
        pictures, joints = moved(to_tensor(frames[item.numpy()]), xy[item], generator)
        return cross_entropy(logits(network, spoilt(pictures, generator).to(processes.device)), joints.to(processes.device))

    losses = loop.train({"network": network}, loss, name="keypoint_network",
                        config=config.resolved(*SECTIONS) | identities(args.raw / motion.SOURCE), code=code, seed=seed, steps=part.steps,
                        learning_rate=part.learning_rate, run=args.run, checkpoint_every=100, decay=0.2, ema=part.ema,
                        processes=processes)
    with atomic_dir(args.out) as folder:
        as_float16(network).save_pretrained(folder)
        loop.write_curve(folder, losses)
        write_run(folder, command="keypoint_network", config=config.resolved(*SECTIONS), seed=seed, device=processes.device,
                  extra=loop.figures(losses, started))


def build(part, size):
    """The network of a `config.KeypointNetwork` for pictures of size x size pixels."""
    levels = len(part.channels)
    return UNet2DModel(sample_size=size // PATCH, in_channels=3 * PATCH**2, out_channels=18 * PATCH**2, block_out_channels=part.channels,
                       layers_per_block=part.layers, norm_num_groups=math.gcd(8, *part.channels), down_block_types=("DownBlock2D",) * levels,
                       up_block_types=("UpBlock2D",) * levels)


def shares(xy, size):
    """How often each picture is drawn, (n,), up to a factor: AVERTED for those whose left shoulder isn't clearly on the right.

    Two of three people face us. A network soon finds their joints, with whatever is on the right for left, and is slow to learn better.
    """
    facing = xy[:, INDEX["left_shoulder"], 0] - xy[:, INDEX["right_shoulder"], 0] > 0.08 * size
    return torch.where(facing, 1.0, AVERTED)


def logits(network, pictures):
    """(b, 3, h, w) in -1..1 -> (b, 18, h, w)."""
    return functional.pixel_shuffle(network(functional.pixel_unshuffle(pictures, PATCH), 0).sample, PATCH)


def cross_entropy(logits, xy):
    """Mean over the joints that can be seen of the cross-entropy between a Gaussian at the true place and the softmax over the picture.

    logits: (b, 18, h, w); xy: (b, 18, 2) in pixels, NaN where hidden.
    """
    height, width = logits.shape[2:]
    seen = ((xy >= 0) & (xy <= torch.tensor([width - 1, height - 1], device=xy.device))).all(dim=-1)  # NaN is neither
    place = torch.where(seen[..., None], xy, 0.0)
    across, down = (torch.softmax(-((torch.arange(side, device=xy.device) - place[..., axis, None]) / SIGMA) ** 2 / 2, dim=-1)
                    for axis, side in ((0, width), (1, height)))
    target = down[..., :, None] * across[..., None, :]
    return -(target.flatten(2) * logits.flatten(2).log_softmax(dim=-1)).sum(dim=-1)[seen].mean()


def moved(pictures, xy, generator):
    """Pictures (b, 3, h, w) and their joints (b, 18, 2), mirrored (half of them), stretched, turned and shifted a little."""
    count, size = len(pictures), pictures.shape[-1]

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, generator=generator)

    mirror = torch.rand(count, generator=generator) < 0.5
    angle, scale = uniform(-0.2, 0.2), uniform(0.8, 1.1, 1) * uniform(0.88, 1.12, 2)
    cosine, sine = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([cosine, -sine], dim=-1), torch.stack([sine, cosine], dim=-1)], dim=-2)
    back = turn / scale[:, None]  # from where a pixel comes to lie to where it lay
    back[:, :, 0] *= torch.where(mirror, -1.0, 1.0)[:, None]
    shift = uniform(-0.08, 0.08, 2) * size
    grid = functional.affine_grid(torch.cat([back, shift[..., None] * 2 / size], dim=-1), list(pictures.shape), align_corners=False)
    pictures = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    middle = (size - 1) / 2
    xy = torch.where(mirror[:, None, None], xy[:, MIRRORED], xy)
    return pictures, (xy - middle - shift[:, None]) @ back.inverse().transpose(1, 2) + middle


def spoilt(pictures, generator):
    """Pictures (b, 3, h, w) in -1..1 as a generator may leave them: of other contrast and colour, half of them soft, half of them noisy."""
    count = len(pictures)

    def uniform(low, high, *shape):
        return low + (high - low) * torch.rand(count, *shape, 1, 1, generator=generator)

    def half(value):
        return value * (torch.rand(count, 1, 1, 1, generator=generator) < 0.5)

    pictures = pictures * uniform(0.7, 1.2, 1) + uniform(-0.15, 0.15, 1) + uniform(-0.1, 0.1, 3)
    sigma = half(uniform(0.3, 1.5, 1)).clamp(min=0.1)
    window = torch.softmax(-(torch.arange(-4, 5) / sigma) ** 2 / 2, dim=-1)  # (b, 1, 1, 9)
    flat = functional.pad(pictures.transpose(0, 1), (4, 4, 4, 4), mode="replicate")  # (3, b, ...): a group of the convolution for each item
    soft = functional.conv2d(functional.conv2d(flat, window, groups=count), window.transpose(2, 3), groups=count).transpose(0, 1)
    return (soft + half(uniform(0.0, 0.15, 1)) * torch.randn(pictures.shape, generator=generator)).clamp(-1, 1)


def _render(raw, config):
    """Rendered people, uint8 (n, h, w, 3), and their exact key points, float32 tensor (n, 18, 2). No test motion is used."""
    from tcan.data.motion import SOURCE, load_motions
    from tcan.data.puppets import render_pool

    puppets, motions = config.data.puppets, load_motions(raw / SOURCE)
    frames, xy = render_pool(config.measures.keypoint_network.pool, config.data.size, puppets.supersample, seeds.derive(config.seed, "keypoint_network"),
                             {name: motions[name] for name in puppets.train_motions}, pictures=1, workers=os.cpu_count())
    return frames[:, 0], torch.from_numpy(xy[:, 0])
