"""`tcan-eval GEN TRUE`, `tcan-eval COMMAND`. Machines read stdout, people stderr. A command's module is imported only when it runs."""

import argparse
import contextlib
import importlib
import os
import sys
import traceback
from pathlib import Path

from eval.errors import UserError

COMMANDS = {  # name: (module with add_arguments(parser) and run(args), what it does)
    "score": ("eval.score_command", "score generated frames against true ones, under named protocols"),
    "compare": ("eval.compare_command", "differences between two scored systems, with intervals over videos"),
    "measure": ("eval.measure_command", "measure what is known of rendered people: joints, limbs, identity, a still background"),
    "report": ("eval.report", "write the tables, strips and index of a scale's results"),
    "claims": ("eval.claims.command", "put the paper's claims to the test over videos and seeds, and draw its curves"),
    "figure": ("eval.figures.command", "draw one of the paper's figures from what the pipeline made"),
}


def parser(command=None):
    """The argument parser; only the named command's module is imported, so `--help` answers at once."""
    top = argparse.ArgumentParser(prog="tcan-eval", description="Metrics of human image animation under named protocols. "
                                  "`tcan-eval GEN TRUE` is `tcan-eval score GEN TRUE`.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        sub = commands.add_parser(name, help=summary, description=summary)
        sub.add_argument("--log", type=Path, help="file for progress and tracebacks (default: progress on stderr, no traceback)")
        if name == command:
            importlib.import_module(module).add_arguments(sub)
    return top


def main(arguments=None):
    """Run a command. -> exit code: 0, 2 for a mistake of the user's (told in one line), 1 for one of ours, 130 for an interrupt."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    sys.stderr = sys.stderr or open(os.devnull, "w")     # closed by the caller: print would take stdout for it
    if arguments and arguments[0] not in (*COMMANDS, "-h", "--help"):
        arguments.insert(0, "score")
    args = parser(arguments[0] if arguments else None).parse_args(arguments)
    people = sys.stderr
    with contextlib.ExitStack() as stack:
        try:
            if args.log:
                args.log.parent.mkdir(parents=True, exist_ok=True)
                log = open(args.log, "w", buffering=1, encoding="utf-8", errors="backslashreplace")
                stack.enter_context(contextlib.redirect_stderr(stack.enter_context(log)))
            importlib.import_module(COMMANDS[args.command][0]).run(args)
            return 0
        except (Exception, KeyboardInterrupt) as error:
            code, message = _explain(error, args.command)
            if sys.stderr is not people:
                traceback.print_exc()
                message += f" (traceback: {args.log})"
            print(f"error: {_one_line(message)}", file=people)
            return code


def _explain(error, command):
    """Exit code and one line for an exception."""
    if isinstance(error, UserError):
        return 2, str(error)
    if isinstance(error, KeyboardInterrupt):
        return 130, "interrupted; nothing was written"
    if isinstance(error, OSError):
        return 2, (f"{error.filename or command}: expected to read or write, got {error.strerror or error}; "
                   "check the disk's space and permissions")
    return 1, f"{command} failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _one_line(text):
    """Text whose line ends, escapes and undecodable bytes, which names of files may hold, are written out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
