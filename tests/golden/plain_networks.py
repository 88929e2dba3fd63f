"""The video networks from their state dicts alone, layer by layer: what the papers' tables say, in calls of torch's functions."""

import torch.nn.functional as F
from torch import cat, sqrt


def i3d(state, x):
    """I3D: windows (n, 3, 16, 224, 224) -> (n, 400) logits. TensorFlow's SAME padding, BN eps 1e-3, a zero-padded max-pool, a 2x7x7 mean at the end."""
    def same(x, kernel, stride):
        for axis, (k, s) in enumerate(zip(kernel, stride)):
            size = x.shape[axis + 2]
            total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
            x = F.pad(x, [0, 0] * (2 - axis) + [total // 2, total - total // 2])
        return x

    def unit(name, x, stride=1):
        weight = state[f"{name}.conv3d.weight"]
        x = F.conv3d(same(x, weight.shape[2:], [stride] * 3), weight, stride=stride)
        scale = state[f"{name}.bn.weight"] / sqrt(state[f"{name}.bn.running_var"] + 1e-3)
        shape = (1, -1, 1, 1, 1)
        return F.relu((x - state[f"{name}.bn.running_mean"].view(shape)) * scale.view(shape) + state[f"{name}.bn.bias"].view(shape))

    def pool(x, kernel, stride):
        return F.max_pool3d(same(x, kernel, stride), kernel, stride)

    def mixed(name, x):
        return cat([unit(f"{name}.b0", x), unit(f"{name}.b1b", unit(f"{name}.b1a", x)), unit(f"{name}.b2b", unit(f"{name}.b2a", x)),
                    unit(f"{name}.b3b", pool(x, (3, 3, 3), (1, 1, 1)))], dim=1)

    y = pool(unit("Conv3d_1a_7x7", x, 2), (1, 3, 3), (1, 2, 2))
    y = pool(unit("Conv3d_2c_3x3", unit("Conv3d_2b_1x1", y)), (1, 3, 3), (1, 2, 2))
    for block in "3b 3c pool 4b 4c 4d 4e 4f last 5b 5c".split():
        size = {"pool": (3, 3, 3), "last": (2, 2, 2)}.get(block)
        y = pool(y, size, (2, 2, 2)) if size else mixed(f"Mixed_{block}", y)
    y = F.avg_pool3d(y, (2, 7, 7), stride=1)
    return F.conv3d(y, state["logits.conv3d.weight"], state["logits.conv3d.bias"])[..., 0, 0].mean(dim=2)


def resnet3d(state, x):
    """3D ResNet-50: windows (n, 3, 16, 112, 112) -> (n, 2048), the maps after layer4 averaged over space and time."""
    def norm(name, x):
        return F.batch_norm(x, *(state[f"{name}.{kind}"] for kind in ("running_mean", "running_var", "weight", "bias")))

    x = F.relu(norm("bn1", F.conv3d(x, state["conv1.weight"], stride=(1, 2, 2), padding=3)))
    x = F.max_pool3d(x, 3, 2, padding=1)
    for layer, blocks in enumerate((3, 4, 6, 3), 1):
        for block in range(blocks):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = F.relu(norm(f"{name}.bn1", F.conv3d(x, state[f"{name}.conv1.weight"])))
            y = F.relu(norm(f"{name}.bn2", F.conv3d(y, state[f"{name}.conv2.weight"], stride=stride, padding=1)))
            y = norm(f"{name}.bn3", F.conv3d(y, state[f"{name}.conv3.weight"]))
            if block == 0:      # shortcut B: a convolution where the shape changes
                x = norm(f"{name}.downsample.1", F.conv3d(x, state[f"{name}.downsample.0.weight"], stride=stride))
            x = F.relu(x + y)
    return x.mean(dim=(2, 3, 4))
