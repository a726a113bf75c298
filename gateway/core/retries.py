"""How many further calls failing requests may make: a retry budget. Moments are handed in, in monotonic seconds."""

SHARE = 0.1
"""Failed further calls for each request, in the long run."""

AT_ONCE = 10.0
A_SECOND = 1.0
"""What may be made at once, and in each second, however few requests there are."""


class RetryBudget:
    """A second call for a request costs one, and gives it back if it is answered: to fall back on a backend that works
    is no waste. When all of them fail, each request would be sent to each of them just when they can bear it least;
    then the budget is soon used up, and requests fail after their first call."""

    __slots__ = ("_at", "_left")

    def __init__(self, moment: float) -> None:
        self._left = AT_ONCE
        self._at = moment

    def requested(self) -> None:
        """A request makes its first call."""
        self._left = min(AT_ONCE, self._left + SHARE)

    def take(self, moment: float) -> bool:
        """Whether a request may make a further call."""
        self._left = min(AT_ONCE, self._left + (moment - self._at) * A_SECOND)
        self._at = moment
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def give_back(self) -> None:
        """A further call was answered, or never sent."""
        self._left = min(AT_ONCE, self._left + 1)
