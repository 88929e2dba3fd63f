"""The train split, encoded once for both stages: a file a clip, of latents and key points. Poses are drawn when a training asks for them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from tcan.data import clips
from tcan.errors import UserError
from tcan.files import atomic_dir, atomic_file, keep_run, sha256_of, sha256_of_folder
from tcan.imports import sha256_of_code
from tcan.pose import keypoints
from tcan.pose.corrupt import add_errors, rates_of
from tcan.pose.draw import draw
from tcan.pose.keypoints import Keypoints
from tcan.progress import Progress
from tcan.provenance import write_run
from tcan.seeds import rng


class TrainClips:
    """The encoded train split. A place is (clip, frame); only the frames asked for are read, so that a set larger than the memory serves as well."""

    def __init__(self, folder, canvas, errors=None, seed=0):
        """folder: what `tcan latents` wrote; canvas: as in tcan.pose.draw.draw; errors: rates of errors that are put into the poses, as an estimator's the same
        whenever a frame is asked for ({kind: rate}, tcan.pose.corrupt.add_errors), drawn by the seed."""
        try:
            table = pd.read_csv(Path(folder) / "clips.csv", dtype={"id": str})
        except FileNotFoundError as error:
            raise UserError(f"{folder}: expected the encoded train split, found none; run `tcan latents` first") from error
        self.paths, self.lengths = [Path(folder) / f"{name}.safetensors" for name in table.id], table.frames.tolist()
        self.canvas, self.opened = canvas, {}
        self.errors, self.seed, self.with_errors = errors, seed, {}

    def latents(self, places):
        """float32 (n, c, h', w')."""
        return torch.stack([self._file(clip).get_slice("latents")[frame] for clip, frame in places])

    def pictures(self, places):
        """Drawn poses, uint8 (n, h, w, 3)."""
        return np.concatenate([self._drawn(*place) for place in places])

    def pose(self, places):
        """Drawn poses as the ControlNet takes them, float32 (n, 3, h, w) in 0..1."""
        return torch.from_numpy(self.pictures(places)).permute(0, 3, 1, 2).float() / 255

    def _drawn(self, clip, frame):
        points = self._wrong(clip).frames(slice(frame, frame + 1)) if self.errors else self._points(clip, slice(frame, frame + 1))
        return draw(points, self.canvas, tuple(self._file(clip).get_tensor("frame_size").tolist()))

    def _points(self, clip, frames):
        file = self._file(clip)
        xy, score = (file.get_slice(name)[frames].numpy() for name in ("xy", "score"))
        return Keypoints(xy, score, tuple(file.get_tensor("size").tolist()), "")

    def _wrong(self, clip):
        """A clip's key points with errors, those of all of its frames drawn at once."""
        if clip not in self.with_errors:
            self.with_errors[clip] = add_errors(self._points(clip, slice(None)), rates_of(self.errors), rng(self.seed, "train errors", clip))
        return self.with_errors[clip]

    def _file(self, clip):
        if clip not in self.opened:
            path = self.paths[clip]
            try:
                self.opened[clip] = safe_open(path, "pt")
            except (FileNotFoundError, SafetensorError) as error:
                raise UserError(f"{path}: expected an encoded clip, got {error}; delete {path.parent} and run `tcan latents` again") from error
        return self.opened[clip]


def run(args, config):
    """Encode clip by clip. What is done stays done when it is interrupted."""
    from tcan.models.autoencoder import encode, to_tensor
    from tcan.models.foundation import Foundation
    from tcan.train.processes import accelerator

    device = accelerator().device
    vae = Foundation(args.foundation).vae().to(device)
    table = clips.find(args.data, config.data.sets_for("train"), "train")
    keep_run(args.run, {"code": sha256_of_code(__name__), "vae": sha256_of_folder(args.foundation / "vae"),
                        "clips": [table.id.tolist(), table.sha256.tolist()], "poses": [sha256_of(path) for path in table.poses]})
    progress = Progress("latents", len(table))
    for number, clip in enumerate(table.itertuples()):
        path = args.run / f"{clip.id}.safetensors"
        if not path.exists():
            frames, points = clips.read_clip(clip.folder), keypoints.load(clip.poses)
            if len(points) != len(frames):
                raise UserError(f"{clip.poses}: expected key points of {len(frames)} frames, got {len(points)}; run `tcan poses` again")
            with torch.no_grad():
                encoded = torch.cat([encode(vae, to_tensor(frames[first:first + 64]).to(device)).cpu() for first in range(0, len(frames), 64)])
            with atomic_file(path) as temporary:
                save_file({"latents": encoded, "xy": torch.from_numpy(points.xy), "score": torch.from_numpy(points.score),
                           "size": torch.tensor(points.size), "frame_size": torch.tensor(frames.shape[1:3])}, temporary)
        progress.update(number + 1)
    with atomic_dir(args.out) as folder:
        for name in table.id:
            shutil.copyfile(args.run / f"{name}.safetensors", folder / f"{name}.safetensors")
        table[["id", "frames"]].to_csv(folder / "clips.csv", index=False, lineterminator="\n")
        write_run(folder, command="latents", config=config.resolved("data", "pose"), seed=config.seed, device=device, inputs=[args.foundation / "vae"])
    shutil.rmtree(args.run)
