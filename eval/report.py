"""`python -m eval report`: Tables 1 to 3 with the paper's values and the ones scored here, and the pictures beneath them."""

from pathlib import Path
from urllib.parse import quote

from eval.files import entries_of

NUMBERS = (1, 2, 3)


def add_arguments(parser):
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="parameter file: rows, titles, tables (default: %(default)s)")
    parser.add_argument("--scale", required=True, help="one of the parameter file's scales")
    parser.add_argument("--results", type=Path, required=True, help="folder of ROW/metrics.json")
    parser.add_argument("--outputs", type=Path, required=True, help="folder of ROW/{test,bizarre}/CLIP/0000.png and on")
    parser.add_argument("--data", type=Path, required=True, help="folder of frames/ and poses/")
    parser.add_argument("--out", type=Path, required=True, help="folder for table{1,2,3}.{md,csv}, strips/, overview.png, index.md")


def run(args):
    """Write the report, whole or not at all. Raises UserError for results that can't stand in one table, or frames that are not there."""
    from eval import markdown, tables  # here, so that --help need not wait for pandas

    systems, command = tables.read_systems(args.params, args.scale)
    paper, scored = tables.read_paper(), tables.read_results(args.results, systems)
    with entries_of(args.out) as folder:
        for number in NUMBERS:
            frame = tables.build(number, systems, paper, scored, command)
            frame.drop(columns=["kind", "frames_from"]).convert_dtypes().to_csv(folder / f"table{number}.csv", index=False, lineterminator="\n")
            (folder / f"table{number}.md").write_text(markdown.page(number, frame, scored, args.scale))
        shown = draw(folder, systems, args.outputs, args.data)
        (folder / "index.md").write_text(index(args.scale, systems, scored, shown, _sets(args.data)))


def draw(folder, systems, outputs, data):
    """Draw strips/*.webp and overview.png below `folder`; return {heading: [(title, file), ...]}. The copied source is left out, as it is shown anyway;
    so are systems whose frames were made elsewhere, which have none of the characters, and of the characters the ceilings, which have no truth there."""
    from eval import strips, tables

    moving = {row: system for row, system in systems.items() if not (row == "copy" or system.external) and (outputs / row).is_dir()}
    titles = {row: system.title for row, system in moving.items()}
    free = {row: title for row, title in titles.items() if systems[row].kind != tables.CEILING}
    test, characters = strips.find_clips(data, "test"), strips.find_clips(data, "bizarre")
    shown, pairs = {"Test clips": [], "Characters of other proportions": []}, _pairs(outputs, moving, characters, test)
    (folder / "strips").mkdir()
    for clip in test if titles else []:
        strips.save(strips.strip_of_test_clip(clip, titles, outputs), folder / "strips" / f"{clip.id}.webp")
        shown["Test clips"].append((clip.id, f"strips/{clip.id}.webp"))
    for character, driving in pairs:
        name = f"strips/{strips.pair(character, driving)}.webp"
        strips.save(strips.strip_of_pair(character, driving, free, outputs), folder / name)
        shown["Characters of other proportions"].append((f"{character.id}, driven by {driving.id}", name))
    if free:
        first = next(iter(free))
        main = {row: title for row, title in free.items() if systems[row].kind == tables.SYSTEM and (row == first or 1 in systems[row].tables)}
        strips.save(strips.overview(some(test, 3), pairs[:1], main, outputs), folder / "overview.png")
    return shown


def _pairs(outputs, rows, characters, driving):
    """One (character, driving clip) for each character that a row was generated for; the driving clips take turns."""
    there = {path.name for row in rows for path in (outputs / row / "bizarre").glob("*__*")}
    pairs = []
    for turn, character in enumerate(characters):
        mine = [clip for clip in driving if f"{character.id}__{clip.id}" in there]
        if mine:
            pairs.append((character, mine[turn % len(mine)]))
    return pairs


def some(clips, most):
    """Up to `most` clips, the sets taking turns: real people (`human`) come first, as the sets are sorted by name."""
    turns = [[clip for clip in clips if clip.set == name] for name in dict.fromkeys(clip.set for clip in clips)]
    longest = max(map(len, turns), default=0)
    return [turn[place] for place in range(longest) for turn in turns if place < len(turn)][:most]


def _sets(data):
    """{set: names of its test clips}."""
    from eval import strips

    sets = {}
    for clip in strips.find_clips(data, "test"):
        sets.setdefault(clip.set, []).append(clip.id)
    return sets


def index(scale, systems, scored, shown, sets):
    """The page that links the tables and shows the pictures."""
    from eval import markdown

    parts = [f"# Report, scale {markdown.code(scale)}",
             "\n".join(f"- [Table {number}](table{number}.md): {markdown.TITLES[number]} ([CSV](table{number}.csv))" for number in NUMBERS),
             "[How to read the tables](../../docs/reading_the_tables.md)"]
    if any(shown.values()):
        parts += ["![Source, driving pose, driving frame and what the main rows make of them](overview.png)",
                  "Each line is a clip at the frame whose pose is farthest from the source's."]
    if scored:
        parts.append(markdown.about(scale, next(iter(scored.values()))))
    if apart := markdown.by_set(systems, scored, sets):
        parts += ["## Each set of clips apart", apart]
    for heading, pictures in shown.items():
        if pictures:
            parts.append(f"## {heading}")
            parts += [f"### {markdown.escape(title)}\n\n![{markdown.escape(title)}]({quote(file)})" for title, file in pictures]
    return "\n\n".join(parts) + "\n"
