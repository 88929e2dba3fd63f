"""A large set's shards: which clips each holds, and what its folder is called. Imports nothing heavy, as the Snakefile reads it."""

SHARDS = "shards"  # the folder, in a set's folder, that holds those of its shards
SHARD = "shard"    # the column of a set's clips.csv that names a clip's folder there


def shard_name(number):
    """The name of shard `number`, as it stands in paths."""
    return f"{number:04d}"


def of_shard(ids, number, count):
    """The ids, sorted, that shard `number` of `count` holds: every count-th, so that all shards are of a size."""
    return sorted(ids)[number::count]
