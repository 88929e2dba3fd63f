"""A large set's shards: which clips each holds, and what its folder is called. Imports nothing heavy, as the Snakefile reads it."""

SHARDS = "shards"  # the folder, in a set's folder, that holds those of its shards
SHARD = "shard"    # the column of a set's clips.csv that names a clip's folder there


def shard_name(number):
    """The name of shard `number`, as it stands in paths."""
    return f"{number:04d}"


def folders(place, count):
    """The folders that a set's clips lie in: its own, `place`, or those of its `count` shards."""
    return [place / SHARDS / shard_name(number) for number in range(count)] or [place]


def of_shard(ids, number, count):
    """The ids, sorted, that shard `number` of `count` holds: every count-th, so that all shards are of a size."""
    return sorted(ids)[number::count]
