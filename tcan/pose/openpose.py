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
    """Finds one person in the pictures of a clip. `folder` holds body_pose_model.pth."""

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
        except (LookupError, AttributeError, ValueError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(f"{path}: expected the weights of OpenPose's body network, got another file ({reason}); fetch it again") from error

    def __call__(self, pictures):
        """Key points of a clip's pictures, uint8 RGB (h, w, 3) each: xy (f, 18, 2) in units of a picture's width and height, NaN where
        missing, and score (f, 18)."""
        return tuple(map(np.stack, zip(*map(self.read, pictures), strict=True)))

    def read(self, picture):
        """The surest person of one picture: xy (18, 2) and score (18,). The detector's own steps; its `detect_poses` drops the scores."""
        small = self._resize(picture, SIDE)
        body = self._detector.body_estimation
        people = body.format_body_result(*body(np.ascontiguousarray(small[:, :, ::-1])))  # the network was trained on BGR
        xy, score = np.full((18, 2), np.nan, np.float32), np.zeros(18, np.float32)
        if people:
            for index, joint in enumerate(max(people, key=lambda person: person.total_score).keypoints):
                if joint is not None:
                    xy[index], score[index] = np.array([joint.x, joint.y]) / small.shape[1::-1], min(joint.score, 1)
        return xy, score
