# What the paper downloads: autoencoder, base UNet with pose ControlNet, motion modules. Downloaded too (source: published), made here, or shipped in
# weights/<scale>. `snakemake foundation` makes models/<scale>/foundation whatever params.yaml says; foundation.source says which folder is read downstream.
PUBLISHED = CONFIG.foundation.published if CONFIG.foundation.source == "published" else None
FOUNDATION_PARTS = ("vae", "denoiser", *(["appearance"] if PUBLISHED else []), "mm1", "mm2")
FOUNDATION = f"weights/{SCALE}" if CONFIG.foundation.source == "shipped" else f"models/{SCALE}/foundation"
RENDERED = {  # what the pool of rendered people is made from
    "seed": CONFIG.seed, "size": CONFIG.data.size, "canvas": CONFIG.pose.canvas,
    "supersample": CONFIG.data.puppets.supersample, "motions": CONFIG.data.puppets.train_motions,
}


def foundation(*parts):
    """The files of foundation parts that a rule reads: all of a shipped folder, or the marker of one made here."""
    if CONFIG.foundation.source != "shipped":
        return [f"{FOUNDATION}/{part}/run.json" for part in parts]
    files = {part: sorted(path.as_posix() for path in Path(FOUNDATION, part).rglob("*") if path.is_file()) for part in parts}
    for part in parts:
        if not files[part]:
            sys.exit(f"error: {FOUNDATION}/{part}: expected the shipped weights, found none; "
                     f"restore {FOUNDATION} from git, or set scales.{SCALE}.foundation.source to trained")
    return [path for part in parts for path in files[part]]


include: "published.smk" if PUBLISHED else "trained.smk"
