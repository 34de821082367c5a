"""The one error a user is meant to read."""


class WorldsimError(Exception):
    """Something outside the program is wrong: a file, a value, a missing library.

    The message is one line (or a few short ones) that names the offending value and says what
    to do about it. Programs print it without a traceback and exit with status 1. It is not for
    bugs in worldsim itself: those keep their traceback.
    """
