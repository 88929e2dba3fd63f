"""OpenPose (Cao et al. 2017), body only, with controlnet_aux's network. Its code and weights are for non-commercial use.

The people found are those of controlnet_aux's `Body`, called picture by picture; here several pictures go through the network together, and
tcan.pose.part_affinity reads its maps.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np

from tcan import torchvision_ops
from tcan.errors import UserError
from tcan.pose import part_affinity
from tcan.pose.people import People, pick

WEIGHTS = "body_pose_model.pth"
SIDE = 512  # the shorter side, in pixels, at which controlnet_aux looks at a picture
NETWORK_HEIGHT = 0.5 * 368  # in pixels: the one scale of Body's search
GREY = 128  # of the padding to the network's stride


class OpenPose:
    """Finds the people in pictures. `folder` holds body_pose_model.pth; `batch` pictures of equal size go through the network together, in
    float32, on `device` ("cpu", "cuda", "cuda:1")."""

    name = "openpose"

    def __init__(self, folder, device="cpu", batch=8):
        import torch

        torchvision_ops.ensure()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from controlnet_aux.open_pose.body import Body
            from controlnet_aux.util import resize_image
        path = Path(folder) / WEIGHTS
        try:
            self._network, self._resize = Body(str(path)).model, resize_image
        except FileNotFoundError as error:
            raise UserError(f"{path}: expected OpenPose's weights, found no file; put {WEIGHTS} of lllyasviel/Annotators there") from error
        except (LookupError, AttributeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(f"{path}: expected the weights of OpenPose's body network, got another file ({reason}); fetch it again") from error
        if str(device).startswith("cuda") and not torch.cuda.is_available():
            raise UserError(f"device: expected one that is here, got {device!r} without a CUDA device; pass --device cpu")
        self.device, self.batch, self.person = device, batch, "steadiest"
        self._network.to(device)

    def __call__(self, pictures):
        """The person of a clip's pictures, uint8 RGB (h, w, 3) each, whom the rule `person` picks (tcan.pose.people): xy (f, 18, 2) in units of a picture's
        width and height, NaN where missing, and score (f, 18)."""
        return pick(list(self.people(pictures)), self.person)[:2]

    def people(self, pictures):
        """Yield the People of each picture, uint8 RGB (h, w, 3); no more than a batch of them is held at a time."""
        for batch in _batches((self._resize(picture, SIDE) for picture in pictures), self.batch):
            size = batch[0].shape[:2]
            inputs, shape = zip(*map(network_input, batch), strict=True)
            for heat, fields in zip(*self.maps(np.stack(inputs)), strict=True):
                joints, total = part_affinity.people(heat, fields, shape[0], size)
                xy = (joints[..., :2] / size[::-1]).astype(np.float32)
                score = np.nan_to_num(np.minimum(joints[..., 2], 1)).astype(np.float32)
                yield People(xy, score, total, size)

    def maps(self, inputs):
        """The network's heat maps (n, 19, h / 8, w / 8) and PAFs (n, 38, h / 8, w / 8), float32, of inputs (n, 3, h, w) float32."""
        import torch

        # TensorFloat-32, torch's default for convolutions on a card, keeps ten bits of each number
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            fields, heat = self._network(torch.from_numpy(inputs).to(self.device))
        return heat.cpu().numpy(), fields.cpu().numpy()


def network_input(picture):
    """A picture, uint8 RGB (h, w, 3), as the network takes it: float32 BGR (3, h', w') in -0.5..0.5, padded to its stride, and (height, width)
    without the padding."""
    from controlnet_aux.open_pose.util import padRightDownCorner, smart_resize_k

    scale = NETWORK_HEIGHT / picture.shape[0]
    small = smart_resize_k(np.ascontiguousarray(picture[:, :, ::-1]), fx=scale, fy=scale)
    padded, _ = padRightDownCorner(small, part_affinity.STRIDE, GREY)
    return np.ascontiguousarray(np.float32(padded).transpose(2, 0, 1) / 256 - 0.5), small.shape[:2]


def _batches(pictures, count):
    """Lists of up to `count` pictures of one shape, in order."""
    batch = []
    for picture in pictures:
        if batch and (len(batch) == count or picture.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(picture)
    if batch:
        yield batch
