"""The error that a person can mend."""


class UserError(ValueError):
    """What a person can mend: one line that names the setting or file, and the remedy. The command line prints that
    line alone and exits with 2; any other exception is a fault of ours and keeps its traceback.
    """
