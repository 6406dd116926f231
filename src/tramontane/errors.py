"""What can go wrong, said so that a user can act on it.

Every message says what was found, where (file, field, index), and what to do. The command line prints the message
alone and exits with code 2; no traceback of ours reaches a user.
"""


class TramontaneError(Exception):
    """A mistake in what was given, not in the program; its text is one line that names the place and the cure."""


class UnitError(TramontaneError):
    """A quantity whose unit is unknown or of the wrong dimension."""


class ContractError(TramontaneError):
    """A design, case or dataset that does not fit a contract."""


class FileError(TramontaneError):
    """A file that the system does not let be read or written: a full disk, a missing right."""


class FormatError(TramontaneError):
    """A file that cannot be read, or cannot be written, as the format its name says."""


class GeometryError(TramontaneError):
    """A geometry that cannot serve as a closed triangle surface."""


class DatasetError(TramontaneError):
    """A dataset on disk that is missing, damaged or inconsistent."""


class SolverError(TramontaneError):
    """A solver that failed on a design; the message is the reason recorded for it."""


class TrainingError(TramontaneError):
    """A training run that cannot go on."""


class SurrogateError(TramontaneError):
    """A saved surrogate that is damaged, of another format version, or does not fit what is asked of it."""


class TimeLimitError(TramontaneError):
    """A prediction that took longer than it may, or that nobody waits for any more."""
