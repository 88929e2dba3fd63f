"""OpenPose (Cao et al. 2017), body only, through controlnet_aux. Its code and weights are for non-commercial use."""

import pickle
import warnings
from pathlib import Path

import numpy as np

from tcan import torchvision_ops
from tcan.errors import UserError

WEIGHTS = "body_pose_model.pth"
SIDE = 512  # the shorter side, in pixels, at which controlnet_aux looks at a picture


class OpenPose:
    """Finds one person in a picture. `folder` holds body_pose_model.pth."""

    name = "openpose"

    def __init__(self, folder):
        torchvision_ops.ensure()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from controlnet_aux.open_pose import OpenposeDetector
            from controlnet_aux.open_pose.body import Body
            from controlnet_aux.util import resize_image
        path = Path(folder) / WEIGHTS
        try:
            self._detector, self._resize = OpenposeDetector(Body(str(path))), resize_image
        except FileNotFoundError as error:
            raise UserError(f"{path}: expected OpenPose's weights, found no file; put {WEIGHTS} of lllyasviel/Annotators there") from error
        except (KeyError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(f"{path}: expected the weights of OpenPose's body network, got another file ({reason}); fetch it again") from error

    def __call__(self, picture):
        """Key points of the surest person in a picture, uint8 RGB (h, w, 3): xy (18, 2) in its pixels, NaN where missing, and score (18,)."""
        xy, score = np.full((18, 2), np.nan, np.float32), np.zeros(18, np.float32)
        people = self._detector.detect_poses(self._resize(picture, SIDE))
        if people:
            height, width = picture.shape[:2]
            for index, joint in enumerate(max(people, key=lambda person: person.body.total_score).body.keypoints):
                if joint is not None:
                    xy[index] = joint.x * width, joint.y * height
        return xy, score
