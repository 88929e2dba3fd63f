"""The other systems of the tables, each on the same parts: a function (source, poses) -> frames."""

from tcan.baselines.copy import copy_source

BASELINES = {"copy": copy_source}
