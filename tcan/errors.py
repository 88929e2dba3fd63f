"""The one exception a user is meant to read."""


class UserError(Exception):
    """A mistake outside the code (a file, a parameter, a disk), told in one line: what was expected, what came, what to do."""
