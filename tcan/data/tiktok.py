"""The TikTok set (Jafarian & Park 2021) as frames: the train clips, and the ten test videos with exactly the frames of DisCo's evaluation.

Size. The videos are upright (604 x 1080 the original ones), the networks' frames square. DisCo puts its frames through torchvision's RandomResizedCrop
with ratio (1, 1), which for the evaluation (scale (1, 1)), and for so narrow pictures always, falls back to the middle square of the shorter side; TCAN's
code resizes what it has to 512 x 512 and takes crops of ratio 0.9 to 1. So `fit: crop`, the middle square, is the default; `pad` keeps the whole picture in
a black square, `stretch` distorts it. Pictures that are square already are only resized, whatever `fit` says. Resizing averages over areas; DisCo's is
bilinear.

A clip that is broken, too short or without frames is left out of the train split and told of in left_out.csv; a broken test video stops.
"""

import errno
import hashlib
import sys
from pathlib import Path

from tcan import provenance
from tcan.data import clips, left_out, manifest, tiktok_layout
from tcan.data.growing import grow
from tcan.data.left_out import LeftOut
from tcan.data.pictures import squared
from tcan.data.shards import of_shard
from tcan.errors import UserError
from tcan.files import sha256_of, sha256_of_folder
from tcan.imports import sha256_of_code

SOURCE = "tiktok"
MACHINE = {errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.ESTALE}  # a disk's fault, not a clip's


def add_arguments(parser):
    parser.add_argument("--set", required=True, help="a set of kind `tiktok` in params.yaml")
    parser.add_argument("--raw", type=Path, required=True, help="folder of fetched sources, data/raw")
    parser.add_argument("--out", type=Path, required=True, help="folder to make, data/SCALE/frames/SET, or of a set with shards SET/shards/NUMBER")
    parser.add_argument("--shard", type=int, help="which of the set's shards; none for a set that is made whole")


def run(args, config):
    if args.set not in config.data.sets or config.data.sets[args.set].kind != "tiktok":
        known = [known for known, spec in config.data.sets.items() if spec.kind == "tiktok"]
        raise UserError(f"--set: expected a set of kind tiktok ({', '.join(known) or 'none is declared'}), got {args.set!r}")
    frame_set = config.data.sets[args.set]
    if args.shard is None and frame_set.shards or args.shard is not None and not 0 <= args.shard < frame_set.shards:
        expected = f"0 to {frame_set.shards - 1}" if frame_set.shards else "none, since the set is made whole"
        raise UserError(f"--shard: expected {expected}, got {args.shard}")
    make_shard(config.data.tiktok, config.data.size, config.seed, args.raw / config.data.tiktok.source, args.out,
               args.shard or 0, frame_set.shards or 1, frame_set.split)


def make_shard(options, size, seed, raw, out, shard=0, shards=1, split=None):
    """Write a shard of the set that lies in `raw`: `out`/<clip>/NNNN.png, size x size, named by the videos' own frame numbers, with clips.csv,
    left_out.csv and run.json.

    options: the section data.tiktok (fit, min_frames, manifest, test_frames); split: train or test, None for both. A killed run goes on at the clip it was
    at. No clip is held in memory.
    Raises UserError for a set of another layout and for test videos that aren't those of the manifest.
    """
    tests = manifest.load(options.manifest)
    layout = tiktok_layout.find(raw, tests)
    sources = tiktok_layout.test_sources(layout, tests, options.test_frames)
    test_ids = set(map(tiktok_layout.normal, tests))
    ids = of_shard({None: {*layout.train, *tests}, "train": layout.train, "test": tests}[split], shard, shards)

    def make(clip, folder):
        if clip in tests and split != "train":
            return _write(clip, "test", sources[clip], folder, size, options.fit)
        if tiktok_layout.normal(clip) in test_ids:
            raise LeftOut("it is a test video")
        try:
            source = tiktok_layout.train_source(layout.train[clip])
            if len(source.numbers) < options.min_frames:
                raise LeftOut(f"{len(source.numbers)} frames, fewer than data.tiktok.min_frames ({options.min_frames})")
            return _write(clip, "train", source, folder, size, options.fit)
        except UserError as error:
            if getattr(error.__cause__, "errno", None) in MACHINE:
                raise
            raise LeftOut(str(error).replace(f"{raw}/", "")) from error

    config = {"size": size, **{key: value for key, value in vars(options).items() if key not in ("source", "manifest", "leakage", "test_frames")},
              "manifest_sha256": hashlib.sha256(repr(sorted(tests.items())).encode()).hexdigest(), "layout": layout.name,
              "test_frames": {name: source.kind for name, source in sources.items()}, "split": split, "shard": shard, "shards": shards}

    def finish(folder, rows, reasons):
        lost = [{"id": clip, "split": "train", "reason": reason} for clip, reason in reasons.items()]
        if split is None:
            lost += [{"id": clip, "split": "train", "reason": "it is a test video"} for clip in set(ids) & set(tests) & set(layout.train)]
        clips.write_table(folder, rows.values())
        left_out.write(folder, lost)
        provenance.write_run(folder, command=f"tiktok {shard} of {shards}", config=config, seed=seed,
                             inputs=[path for path in [Path(raw) / "run.json"] if path.exists()],
                             extra={"clips": len(rows), "left_out": len(lost), "frames": sum(row["frames"] for row in rows.values())})
        left_out.tell(f"shard {shard} of {shards}", lost, len(rows) + len(lost))

    print(f"{raw}: the {layout.name} layout, {len(layout.train)} train clips, {len(tests)} test videos", file=sys.stderr)
    fetched = Path(raw) / "run.json"
    begun = {"raw": sha256_of(fetched) if fetched.exists() else None,
             "given": sha256_of_folder(options.test_frames) if options.test_frames and split != "train" else None}
    grow(out, {**config, **begun, "code": sha256_of_code(__name__), "ids": ids, "seed": seed}, ids, make, finish)


def _write(clip, split, source, folder, size, fit):
    digest = clips.write_clip(folder, (squared(picture, size, fit) for picture in _of_one_size(clip, source.pictures())), source.numbers)
    return {"id": clip, "split": split, "source": SOURCE, "fps": round(source.fps, 3), "frames": len(source.numbers), "height": size, "width": size,
            "sha256": digest}


def _of_one_size(clip, pictures):
    shape = None
    for picture in pictures:
        if shape not in (None, picture.shape):
            raise UserError(f"{clip}: expected pictures of one size, got {shape[1]} x {shape[0]} and {picture.shape[1]} x {picture.shape[0]}; "
                            "fetch the set again")
        shape = picture.shape
        yield picture
