"""The sections of params.yaml as dataclasses: what there is to say of a scale, a model, a row. tcan/config.py reads and checks them."""

from dataclasses import asdict, dataclass, field
from itertools import cycle

SETS = ("video", "puppets", "tiktok", "bizarre")
ESTIMATORS = ("openpose", "dwpose", "openpose_json", "blazepose", "exact+errors")
SPLITS = ("train", "test", "bizarre")
FURTHER, HELD_OUT = "further", "held_out"                             # clips like the rendered test ones, for the claims alone; both together
GENERATED = {"test": ("test",), "bizarre": ("bizarre",), HELD_OUT: ("test", FURTHER)}    # what rows are generated on: the splits of its clips
PERSONS = ("steadiest", "largest", "surest")
UNETS = ("stable_diffusion", "realistic_vision")                      # sources of tcan/fetch/declared/weights.yaml, the paper's first
CONTROLNETS = ("controlnet_openpose", "controlnet_v11p_openpose")
DTYPES = ("float32", "float16")
NOISES = ("window", "frame")                                          # of a clip: each frame's of a window its own, or one frame's for all
SHAPES = ("stable_diffusion_1_5", "any")


# --- data -------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class FrameSet:
    """How a set's frames are made, and what finds their key points. `split`: which clips of a published data set it holds; the other kinds have clips of
    several, but for a set of puppets that holds the further clips. `shards`: in how many pieces a large set is made, each by a job of its own; 0: whole."""

    kind: str = field(metadata={"choices": SETS})
    estimator: str = field(metadata={"choices": ESTIMATORS})
    split: str | None = field(default=None, metadata={"choices": (*SPLITS, FURTHER)})
    shards: int = field(default=0, metadata={"min": 0})


@dataclass(frozen=True)
class Video:
    """One clip of a real video. `crop`: [left, top, side] in the video's pixels, or two of them for a linear pan."""

    source: str
    file: str
    split: str = field(metadata={"choices": SPLITS})
    start: int = field(metadata={"min": 0})
    stride: int = field(metadata={"min": 1})
    crop: list


@dataclass(frozen=True)
class Puppets:
    """How many rendered clips there are, and which motions are kept for the test. `further_clips`: more like the test's, of a set of their own."""

    train_clips: int = field(metadata={"min": 1})
    test_clips: int = field(metadata={"min": 0})
    further_clips: int = field(metadata={"min": 0})
    bizarre_characters: int = field(metadata={"min": 0})
    train_motions: list[str]
    test_motions: list[str]
    supersample: int = field(metadata={"min": 1})

    def unseen(self, split):
        """(id, motion) of each clip of an unseen character in an unseen motion; split: test or FURTHER."""
        count = self.further_clips if split == FURTHER else self.test_clips
        return [(f"puppet_{split}_{index:02d}_{motion}", motion) for index, motion in zip(range(count), cycle(self.test_motions))]

    def options(self, split):
        """{option: value} of those that the clips of a set depend on; split: the set's. Further clips and the others don't depend on each other's number."""
        others = ("train_clips", "test_clips", "bizarre_characters") if split == FURTHER else ("further_clips",)
        return {"split": split, **{key: value for key, value in asdict(self).items() if key not in others}}


@dataclass(frozen=True)
class Errors:
    """Rates of the pose estimator's error model for rendered clips."""

    missing: float = field(metadata={"min": 0, "max": 1})
    swap: float = field(metadata={"min": 0, "max": 1})
    dropout: float = field(metadata={"min": 0, "max": 1})
    jitter: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class TikTok:
    """The TikTok set (tcan/data/tiktok.py). `source`: the authors' copy or its collectors'; `fit`: how a picture that isn't square becomes square;
    `min_frames`: shorter train clips are left out; `leakage`: what to do about test videos among the train clips; `manifest`: the test videos' frames, a
    CSV (None: the shipped one); `test_frames`: a folder of DisCo's test frames, where the set itself doesn't have them."""

    source: str = field(default="tiktok", metadata={"choices": ("tiktok", "tiktok_original")})
    fit: str = field(default="crop", metadata={"choices": ("crop", "pad", "stretch")})
    min_frames: int = field(default=16, metadata={"min": 1})
    leakage: str = field(default="stop", metadata={"choices": ("stop", "drop")})
    manifest: str | None = None
    test_frames: str | None = None


@dataclass(frozen=True)
class Bizarre:
    """The Bizarre Pose characters (tcan/data/bizarre.py): `images`, by id, or as many as `draw` by the seed; `keypoints`: a file of hand-made key points
    (None: the data set's own)."""

    images: list[str] = field(default_factory=list)
    draw: int = field(default=10, metadata={"min": 1})
    keypoints: str | None = None


@dataclass(frozen=True)
class Data:
    size: int = field(metadata={"min": 8})
    clip_frames: int = field(metadata={"min": 1})
    sets: dict[str, FrameSet]
    videos: dict[str, Video]
    puppets: Puppets
    errors: Errors
    tiktok: TikTok = TikTok()
    bizarre: Bizarre = Bizarre()

    def sets_for(self, *splits):
        """Names of the sets that may have clips of any of the splits."""
        return [name for name, frame_set in self.sets.items() if frame_set.split in splits or frame_set.split is None and set(splits) - {FURTHER}]


@dataclass(frozen=True)
class Pose:
    """`canvas`: the size in pixels at which key points are drawn before they are averaged down to the frame's size; `person`: which of several people in a
    picture OpenPose and DWPose follow; `batch`: pictures that go through them together."""

    canvas: int = field(metadata={"min": 8})
    person: str = field(default=PERSONS[0], metadata={"choices": PERSONS})
    batch: int = field(default=8, metadata={"min": 1})


# --- foundation -------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Autoencoder:
    patch: int = field(metadata={"min": 1})  # a latent stands for patch x patch pixels
    channels: int = field(metadata={"min": 1})
    layers: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class Denoiser:
    """The base UNet and its pose ControlNet. `pool`: rendered scenes; `targets`: pictures of a scene in a batch, beside its source; `teaching`: weight of
    the loss that teaches attention where to look (tcan/train/correspondence.py)."""

    channels: list[int]
    layers: int = field(metadata={"min": 1})
    heads: int = field(metadata={"min": 1})
    cross_attention_dim: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})
    pool: int = field(metadata={"min": 1})
    targets: int = field(metadata={"min": 1})
    pose_dropout: float = field(metadata={"min": 0, "max": 1})
    reference_dropout: float = field(metadata={"min": 0, "max": 1})
    teaching: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class Sharpening:
    """What the denoiser learns after its draft (tcan/train/denoiser.py). `pool`: scenes, the part `photographed` of which shows photographed people, while
    the same part of the others stands before photographed places; the part `finished` comes out like photographs of all sorts.
    `adversary`: how long the gradient of the adversary is, in units of the error's. `kept`: how much of the weights that it began from is in those it ends
    with, their weighted mean."""

    steps: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})
    pool: int = field(metadata={"min": 1})
    finished: float = field(metadata={"min": 0, "max": 1})
    photographed: float = field(metadata={"min": 0, "max": 1})
    adversary: float = field(metadata={"min": 0})
    kept: float = field(metadata={"min": 0, "max": 1})


@dataclass(frozen=True)
class Decoder:
    """The autoencoder's decoder, finished on what the denoiser makes (tcan/train/decoder.py). `channels`: of the convolutions at the pictures' own size;
    `pool`: scenes of the draft's pool whose pictures are generated for it."""

    channels: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    pool: int = field(metadata={"min": 1})


@dataclass(frozen=True)
class Rollouts:
    """What the denoiser learns last, along generation's own steps (tcan/train/rollouts.py). `adversary`, `kept`: as of Sharpening."""

    steps: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})
    adversary: float = field(metadata={"min": 0})
    kept: float = field(metadata={"min": 0, "max": 1})


@dataclass(frozen=True)
class Motion:
    """The motion modules mm1 and mm2 before stage 2. `adversary`: as of Sharpening."""

    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    pool: int = field(metadata={"min": 1})
    layers: int = field(metadata={"min": 1})
    noise: str = field(metadata={"choices": NOISES})
    adversary: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class Published:
    """Which published networks the foundation is, the paper's by default (tcan/models/conversion.py). `shape`: that of Stable Diffusion 1.5, or any of its
    kind, for toy-sized stand-ins."""

    denoising: str = field(default=UNETS[0], metadata={"choices": UNETS})
    appearance: str = field(default=UNETS[1], metadata={"choices": UNETS})
    controlnet: str = field(default=CONTROLNETS[0], metadata={"choices": CONTROLNETS})
    dtype: str = field(default=DTYPES[0], metadata={"choices": DTYPES})
    shape: str = field(default=SHAPES[0], metadata={"choices": SHAPES})


@dataclass(frozen=True)
class Foundation:
    source: str = field(metadata={"choices": ("shipped", "trained", "published")})
    latent_channels: int = field(metadata={"min": 1})
    autoencoder: Autoencoder
    denoiser: Denoiser
    sharpening: Sharpening
    photographs: Sharpening
    decoder: Decoder
    rollouts: Rollouts
    motion: Motion
    published: Published = Published()


# --- the paper's method -----------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Diffusion:
    """The noise schedule, in the words of diffusers' DDIMScheduler."""

    beta_schedule: str = field(metadata={"choices": ("linear", "scaled_linear", "squaredcos_cap_v2")})
    beta_start: float = field(metadata={"min": 0, "max": 1})
    beta_end: float = field(metadata={"min": 0, "max": 1})
    prediction_type: str = field(metadata={"choices": ("epsilon", "v_prediction", "sample")})
    zero_terminal_snr: bool


@dataclass(frozen=True)
class Appearance:
    """Reference attention (eq. 1) and APPA (eq. 2)."""

    blocks: list[str] = field(metadata={"choices": ("down", "mid", "up")})
    lora_rank: int = field(metadata={"min": 1})
    lora_alpha: int = field(metadata={"min": 1})
    lora_targets: list[str] = field(metadata={"choices": ("attn1", "attn2")})


@dataclass(frozen=True)
class Training:
    """What both stages' trainings have. A step takes `accumulate` batches, shared among the processes of `torchrun`."""

    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    accumulate: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    gradient_clip: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})  # 0: none
    mixed_precision: str = field(metadata={"choices": ("no", "bf16")})
    gradient_checkpointing: bool
    checkpoint_every: int = field(metadata={"min": 1})
    live_curves: bool
    sample_every: int = field(metadata={"min": 0})  # 0: never


@dataclass(frozen=True)
class Stage1(Training):
    """`adversary`: as of Sharpening; 0 for the paper's loss alone."""

    min_gap: int = field(metadata={"min": 0})
    reference_dropout: float = field(metadata={"min": 0, "max": 1})
    adversary: float = field(metadata={"min": 0})


@dataclass(frozen=True)
class Stage2(Training):
    """`adversary`: as stage 1's, of each frame and the next; `errors`: rates of errors put into the train clips' poses beside those that the estimator makes,
    as in `data.errors`."""

    frames: int = field(metadata={"min": 1})
    noise: str = field(metadata={"choices": NOISES})
    adversary: float = field(metadata={"min": 0})
    errors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Generate:
    steps: int = field(metadata={"min": 1})
    guidance: float = field(metadata={"min": 0})
    window: int = field(metadata={"min": 1})
    overlap: int = field(metadata={"min": 0})
    closed_loop: bool
    ptm: bool
    tau: float = field(metadata={"min": 0})
    ptm_scope: str = field(metadata={"choices": ("window", "clip")})
    noise: str = field(metadata={"choices": NOISES})
    pairing: str = field(metadata={"choices": ("diagonal", "product")})
    limb_lengths: str = field(metadata={"choices": ("first", "clip")})


@dataclass(frozen=True)
class Evaluate:
    protocols: list[str]
    window: int = field(metadata={"min": 1})
    gaps: bool  # whether the test set's frame numbers may have gaps; no window spans one
    networks: dict[str, str]


# --- models and rows --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class KeypointNetwork:
    """What finds the key points of generated rendered people again (`eval.measures`), trained on `pool` rendered pictures."""

    channels: list[int]
    layers: int = field(metadata={"min": 1})
    steps: int = field(metadata={"min": 1})
    batch: int = field(metadata={"min": 1})
    learning_rate: float = field(metadata={"min": 0})
    ema: float = field(metadata={"min": 0, "max": 1})
    pool: int = field(metadata={"min": 1})


@dataclass(frozen=True)
class Measures:
    """Measures where the truth is known, beside the protocols' metrics."""

    keypoint_network: KeypointNetwork


@dataclass(frozen=True)
class InjectedErrors:
    """Errors put into exact poses: `rows` with each kind at each rate; `repeated_rows` also with every seed, without errors and at `repeated_rate`."""

    rows: list[str]
    kinds: list[str] = field(metadata={"choices": ("missing", "swap", "dropout", "jitter")})
    rates: list[float] = field(metadata={"min": 0, "max": 1})
    repeated_rows: list[str]
    repeated_rate: float = field(metadata={"min": 0, "max": 1})


@dataclass(frozen=True)
class LearntErrors:
    """Models that see wrong poses in training: those of `rows`, with `stage2` over the scale's (its `errors` among it), for every seed; generated from
    exact poses and from those with errors of `kinds`, at the repeated rate of InjectedErrors. `control`: those of `rows` that are also trained by that `stage2`
    without its errors, which tells what they do from what a longer and faster training does."""

    rows: list[str]
    kinds: list[str] = field(metadata={"choices": ("missing", "swap", "dropout", "jitter")})
    control: list[str] = field(default_factory=list)
    stage2: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Taus:
    """A row, generated with the temperature map at each of the values of tau (eq. 5)."""

    row: str
    values: list[float] = field(metadata={"min": 0})


@dataclass(frozen=True)
class Claims:
    """What `snakemake claims` makes beyond the tables (tcan/claims.py). `held_out`: rows that are generated on the test clips and the further ones together,
    with every seed where they have a model, for what ten videos don't make clear."""

    seeds: list[int]
    rows: list[str]
    proportions: list[str]
    held_out: list[str]
    errors: InjectedErrors
    learnt_errors: LearntErrors
    tau: Taus
    retargeting: str
    protocols: list[str]


@dataclass(frozen=True)
class Model:
    """What is trained: the switches of Table 2, and what it changes of the scale's `stage2`."""

    appa: bool
    temporal_controlnet: bool
    motion_module: str = field(metadata={"choices": ("mm1", "mm2")})
    train_controlnet: bool = False
    seed: int | None = None  # None: the scale's
    stage2: dict = field(default_factory=dict)

    @property
    def stage1(self):
        """The name of the stage-1 training that this model stands on; models that agree in it share it."""
        name = ("appa" if self.appa else "plain") + ("_unfrozen" if self.train_controlnet else "")
        return name if self.seed is None else f"claims/{name}_seed{self.seed}"


@dataclass(frozen=True)
class Row:
    """What is generated and scored: a model or a baseline, and what it changes of the scale's `generate`. `poses`: those that the estimator found, or
    the exact ones of rendered clips. `errors`: rates of errors put into the driving poses, as in `data.errors`. `retarget`: whether poses of another body
    are brought to the source's proportions. `seed`: of the noise; None: the scale's. `scales`: those that have the row; None: all."""

    title: str
    tables: list[int] = field(metadata={"choices": (1, 2, 3)})
    model: str | None = None
    baseline: str | None = field(default=None, metadata={"choices": ("copy", "warp", "autoencoder")})
    poses: str = field(default="estimated", metadata={"choices": ("estimated", "exact")})
    errors: dict[str, float] = field(default_factory=dict)
    retarget: bool = True
    seed: int | None = None
    scales: list[str] | None = None
    generate: dict = field(default_factory=dict)


@dataclass(frozen=True)
class External:
    """A row whose frames somebody else generated. `frames`: their folder, relative to the project or absolute.

    `scale`: whose test clips they are of. It has no default: scales differ in clips, lengths and sizes, and the folder doesn't say which it was made for.
    """

    title: str
    frames: str
    scale: str
    tables: list[int] = field(default_factory=lambda: [1], metadata={"choices": (1, 2, 3)})
