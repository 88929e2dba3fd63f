"""The train split, encoded once for both stages."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from tcan.data import clips
from tcan.errors import UserError
from tcan.files import atomic_dir
from tcan.pose import keypoints
from tcan.progress import Progress
from tcan.provenance import write_run


class TrainClips:
    """The train split in memory: latents float32 (n, c, h', w'), drawn poses uint8 (n, h, w, 3), and where each clip's frames lie."""

    def __init__(self, folder):
        file = Path(folder) / "latents.safetensors"
        try:
            tensors = load_file(file)
        except FileNotFoundError as error:
            raise UserError(f"{file}: expected the encoded train split, found no file; run `tcan latents` first") from error
        self.latents, self.poses, self.lengths = tensors["latents"], tensors["poses"], tensors["lengths"].tolist()
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]]).tolist()

    def pose(self, index):
        """Drawn poses of frames as float32 (n, 3, h, w) in 0..1."""
        return self.poses[index].permute(0, 3, 1, 2).float() / 255


def run(args, config):
    from tcan.models.autoencoder import encode, to_tensor
    from tcan.models.foundation import Foundation
    from tcan.pose.draw import draw

    vae = Foundation(args.foundation).vae()
    table = clips.find(args.data, config.data.sets, "train")
    latents, poses, progress = [], [], Progress("latents", len(table))
    for number, clip in enumerate(table.itertuples()):
        frames, points = clips.read_clip(clip.folder), keypoints.load(clip.poses)
        if len(points) != len(frames):
            raise UserError(f"{clip.poses}: expected key points of {len(frames)} frames, got {len(points)}; run `tcan poses` again")
        with torch.no_grad():
            latents.append(encode(vae, to_tensor(frames)))
        poses.append(torch.from_numpy(draw(points, config.pose.canvas, frames.shape[1:3])))
        progress.update(number + 1)
    with atomic_dir(args.out) as folder:
        save_file({"latents": torch.cat(latents).contiguous(), "poses": torch.cat(poses), "lengths": torch.tensor([len(part) for part in latents])},
                  folder / "latents.safetensors")
        table[["id", "frames"]].to_csv(folder / "clips.csv", index=False, lineterminator="\n")
        write_run(folder, command="latents", config=config.resolved("data", "pose"), seed=config.seed, inputs=[args.foundation / "vae"])
