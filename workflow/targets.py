"""A target that no rule can make gets a line that says why, instead of Snakemake's "No rule to produce"."""

from tcan.errors import UserError

SCALED = ("data", "models", "outputs", "results", "reports")


def check_targets(words, config):
    """Check those words of a command line that are files of this project. Raises UserError for another scale's, and for unknown rows and models."""
    if "claims" in words and not any(frame_set.kind == "puppets" for frame_set in config.data.sets.values()):
        raise UserError(f"claims: expected a scale with rendered people, whose true poses are known, got {config.scale!r}; "
                        f"leave out --config scale={config.scale}")
    for word in words:
        parts = word.split("/")
        if len(parts) < 3 or parts[0] not in SCALED or parts[:2] == ["data", "raw"]:
            continue
        kind, scale, name = parts[:3]
        if name == "claims" and len(parts) > 4:  # a row or model that the claims need beside the tables'
            name = "/".join(parts[2:4])
        if scale != config.scale:
            raise UserError(f"{word}: expected a target of the scale {config.scale!r}, got one of {scale!r}; add --config scale={scale}")
        if kind == "outputs" and parts[2:4] == ["claims", "attention"]:
            config.row(parts[4])
        elif kind == "outputs":
            config.row(name)
        elif kind == "results" and name not in ("curves", "claims"):
            config.scored_row(name)
        elif kind == "models" and name not in ("foundation", "latents", "stage1", "keypoint_network"):
            config.model(name)
