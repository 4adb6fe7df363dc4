"""How a training run can end without a result: both are findings about the settings, not mistakes of a user."""


class Diverged(Exception):  # noqa: N818 - an outcome, not an error
    """The loss or a prediction is no longer a finite number; another learning rate or precision may train."""


class Infeasible(Exception):  # noqa: N818
    """The model does not fit in memory even with one photo at a time; `mend` says what would."""

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"{self.problem}: {self.mend}" if self.mend else self.problem
