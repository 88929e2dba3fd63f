# params.yaml, read and checked before the first job is planned, and what all rules share.
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, workflow.basedir)  # this checkout's packages, whatever else is installed
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # and this environment's python in every shell

from eval import features
from eval.errors import UserError as EvalUserError
from tcan import config as configuration
from tcan.data.shards import shard_name
from tcan.errors import UserError
from tcan.fetch import sources as declared
from tcan.files import sha256_of
from tcan.imports import sources_of
from tcan.sections import GENERATED
from workflow.external import fingerprint, folders
from workflow.locks import release_stale
from workflow.processes import launcher
from workflow.targets import check_targets

ALIVE = None if {"-n", "--dry-run", "--dryrun"} & set(sys.argv) else release_stale()  # after a kill, the same command goes on

try:
    CONFIG = configuration.load("params.yaml", config.get("scale"))
    SOURCES = declared.load()
    NETWORKS = [features.check(name, role) for role, name in CONFIG.evaluate.networks.items()]
    EVALUATION_SOURCES = sorted({network.file.split("/")[0] for network in NETWORKS})
    for name in [*EVALUATION_SOURCES, *(video.source for video in CONFIG.data.videos.values())]:
        declared.find(name)
    check_targets(sys.argv[1:], CONFIG)
    EXTERNAL = folders(CONFIG.external)
    TRAINER = launcher(config.get("processes", 1), CONFIG.stages)
except (UserError, EvalUserError) as error:
    sys.exit(f"error: {error}")  # one line; a traceback would say less

SCALE = CONFIG.scale
ROWS, MODELS, STAGE1 = CONFIG.every_row, CONFIG.every_model, CONFIG.stage1_models  # the tables', and those that `claims` adds
SETS = CONFIG.data.sets_for("train", "test", "bizarre")  # all but the further clips, which `claims` alone asks for
KINDS = {frame_set.kind for frame_set in CONFIG.data.sets.values()}
GENERATED_SPLITS = ("test", "bizarre")  # on which every row is generated; the claims have another of GENERATED
GPU = int(CONFIG.foundation.source == "published")  # a job that runs networks of that size has the machine's cards to itself (profiles/default)
LARGE = 8 if GPU else 1                             # and as many times the memory
if not GPU:  # a step on processors makes and drops tensors of some MB: kept from the kernel, trainings take a tenth less time (bench/results/reproduce.md)
    for option, value in {"MMAP_MAX": 0, "TRIM_THRESHOLD": 2**32, "TOP_PAD": 2**28}.items():     # of glibc, mallopt(3)
        os.environ.setdefault(f"MALLOC_{option}_", str(value))
ESTIMATOR_SOURCES = {"blazepose": ["mediapipe"], "openpose": ["annotators"], "dwpose": ["dwpose"], "openpose_json": [], "exact+errors": []}


def any_of(names):
    """A regular expression for exactly these names."""
    return "|".join(map(re.escape, names)) or "(?!)"


def sets_of_kind(kind, sharded=False):
    return [name for name, frame_set in CONFIG.data.sets.items() if frame_set.kind == kind and bool(frame_set.shards) == sharded]


def shards_of(name):
    return [shard_name(number) for number in range(CONFIG.data.sets[name].shards)]


def sets_with(split):
    """The sets that hold clips of a split, or of all splits that are generated as one."""
    if len(GENERATED.get(split, ())) > 1:
        return [name for part in GENERATED[split] for name in sets_with(part)]
    puppets = CONFIG.data.puppets
    declared = {
        "puppets": {"train": True, "test": puppets.test_clips, "bizarre": puppets.bizarre_characters, "further": puppets.further_clips}[split],
        "video": any(video.split == split for video in CONFIG.data.videos.values()),
    }
    return [name for name in CONFIG.data.sets_for(split) if declared.get(CONFIG.data.sets[name].kind, True)]


def given(path):
    """A fingerprint of a file or folder of the user's that params.yaml names: a file's time alone changes nothing. None where none is named, or none is there."""
    path = Path(path) if path else None
    return None if path is None or not path.exists() else fingerprint(path) if path.is_dir() else sha256_of(path)


def clips_of(sets):
    """The markers of these sets' frames and key points. A marker appears with its whole folder, or not at all."""
    return [f"data/{SCALE}/{marker}" for name in sets for marker in (f"frames/{name}/clips.csv", f"poses/{name}/run.json")]


def code(*modules, without=()):
    """The source files that these modules' results depend on: an edit of one reruns the rule. Folders `without` are left out."""
    return sorted({path for module in modules for path in sources_of(module, Path(workflow.basedir), without)})


def raw(names):
    """Fetched sources. Never outdated by time, since their content is pinned: a rule that reads one has `pins` among its params."""
    return [ancient(f"data/raw/{name}/run.json") for name in names]


def pins(names):
    return {name: SOURCES[name].fingerprint for name in names}


wildcard_constraints:
    source=any_of(SOURCES),
    set=any_of(name for name, frame_set in CONFIG.data.sets.items() if not frame_set.shards),
    sharded_set=any_of(name for name, frame_set in CONFIG.data.sets.items() if frame_set.shards),
    shard=r"\d+",
    video_set=any_of(sets_of_kind("video")),
    puppet_set=any_of(sets_of_kind("puppets")),
    tiktok_set=any_of(sets_of_kind("tiktok")),
    bizarre_set=any_of(sets_of_kind("bizarre")),
    motion_module="mm1|mm2",
    sharpening_pool="finished_pool|photographed_pool",
    sharpened="sharpened|photographed",
    stage1=any_of(STAGE1),
    model=any_of(MODELS),
    row=any_of(ROWS),
    split=any_of(GENERATED),
