"""Whether a policy file on trial may go one step further, judged by the decisions that were kept meanwhile.

Nothing is changed here, and the server never changes a policy by itself: git is the truth. What is ready is a change of
one word, for somebody to commit.
"""

from collections.abc import Iterable, Iterator

import msgspec

from gateway.core.steering import plain
from gateway.core.stored import Stored
from gateway.policy.digest import tree_of
from gateway.policy.document import Document
from gateway.policy.model import Bundle, Mode, Rollout
from gateway.review.replay import Turned, replay
from gateway.review.words import code, escaped, shown

_MOST_SHOWN = 5


class Trial(msgspec.Struct, frozen=True):
    """What kept decisions say of a file on trial.

    `seconds` is how long its tree has decided requests, `requests` how many. `denied` are those that were served and
    would not be, had its rules been in force.
    """

    rollout: Rollout
    seconds: float
    requests: int
    denied: tuple[Turned, ...]

    @property
    def newly_denied(self) -> int:
        """Requests that its rules in force would have denied."""
        return sum(each.requests for each in self.denied)

    @property
    def missing(self) -> tuple[str, ...]:
        """What is in the way, in words; empty: it is ready for its next mode."""
        return tuple(_missing(self))


def begun(stored: Iterable[Stored], digest: str) -> float | None:
    """When the trial began (Unix seconds): with the first decision under this tree after the last under any other.

    `stored` are decisions, oldest first. None: the last one was under another tree, or there is none.
    """
    since: float | None = None
    for each in stored:
        if not _under(each, digest):
            since = None
        elif since is None:
            since = each.time
    return since


def trial(bundle: Bundle, rollout: Rollout, stored: Iterable[Stored], since: float | None, now: float) -> Trial:
    """Decides the requests of the trial again, as the tree is and with the rules of one file in force.

    `stored` are decisions since the trial began, at `since`; None: it has not begun. `now` is Unix seconds.
    """
    if since is None:
        return Trial(rollout, 0.0, 0, ())
    of_trial = (each for each in stored if each.time >= since and _under(each, bundle.digest))
    found = replay(of_trial, bundle, _with_mode(bundle, rollout, "enforce"))
    return Trial(rollout, max(0.0, now - since), found.requests, found.denied)


def promoted(bundle: Bundle, rollouts: Iterable[Rollout]) -> Bundle:
    """The tree with each of these files in its next mode."""
    for rollout in rollouts:
        bundle = _with_mode(bundle, rollout, rollout.next_mode)
    return bundle


def rewritten(rollout: Rollout, text: str) -> str | None:
    """A file with its next mode in the place of the mode, and not another character changed.

    None: the mode is written in a way that one word cannot take the place of.
    """
    lines, mark = text.split("\n"), rollout.mark
    line, at = lines[mark.line - 1], mark.column - 1
    at += line[at : at + 1] in ("'", '"')
    lines[mark.line - 1] = line[:at] + rollout.next_mode + line[at + len(rollout.mode) :]
    made = "\n".join(lines)
    before, after = (Document(mark.file, each.encode()).data for each in (text, made))
    right = isinstance(before, dict) and after == before | {"mode": rollout.next_mode}
    return made if right else None


def text(trials: Iterable[Trial]) -> str:
    """The trials for a terminal."""
    lines = []
    for each in trials:
        rollout = each.rollout
        lines += [f"{rollout.policy}: {_verdict(each)}  {rollout.mark}", *(f"    {said}" for said in _said(each))]
    return "\n".join(map(plain, lines)) or _NONE


def markdown(trials: Iterable[Trial]) -> str:
    """The trials for a pull request or the summary of a job."""
    lines = ["### Roll-out", ""]
    for each in trials:
        rollout = each.rollout
        lines.append(f"- {code(rollout.policy)} ({code(rollout.mark.file)}): {escaped(_verdict(each))}")
        lines += [f"  - {escaped(said)}" for said in _said(each)]
    return "\n".join(lines if len(lines) > 2 else [*lines, f"{_NONE}."])


def data(each: Trial) -> dict[str, object]:
    """A trial, for programs."""
    rollout = each.rollout
    return {
        "policy": rollout.policy,
        "place": str(rollout.mark),
        "mode": rollout.mode,
        "next": rollout.next_mode,
        "ready": not each.missing,
        "missing": each.missing,
        "seconds": round(each.seconds),
        "after_seconds": rollout.after_seconds,
        "requests": each.requests,
        "newly_denied": each.newly_denied,
        "max_share": rollout.max_share,
        "max_count": rollout.max_count,
        "denied": msgspec.to_builtins(each.denied),
    }


_NONE = "no file on trial has a `promote`"


def _under(stored: Stored, digest: str) -> bool:
    """Whether it was decided under this tree, whatever was suspended by order and whichever statuses began since."""
    return tree_of(stored.policy_digest) == tree_of(digest)


def _with_mode(bundle: Bundle, rollout: Rollout, mode: Mode) -> Bundle:
    rules = (
        msgspec.structs.replace(rule, mode=mode) if rule.mark.file == rollout.mark.file else rule
        for rule in bundle.rules
    )
    return msgspec.structs.replace(bundle, rules=tuple(rules))


def _missing(trial: Trial) -> Iterator[str]:
    rollout = trial.rollout
    if not trial.requests:
        yield "this tree has not decided any request yet"
        return
    if trial.seconds < rollout.after_seconds:
        yield f"{_span(trial.seconds)} of {_span(rollout.after_seconds)} have passed since this tree came into force"
    few = (
        trial.newly_denied <= rollout.max_count
        if rollout.max_count is not None
        else trial.newly_denied / trial.requests <= (rollout.max_share or 0.0)
    )
    if not few:
        yield f"it would newly deny more than {_most(rollout)}"


def _verdict(trial: Trial) -> str:
    rollout = trial.rollout
    return f"stays in {rollout.mode}" if trial.missing else f"ready for {rollout.next_mode}"


def _said(trial: Trial) -> Iterator[str]:
    yield from trial.missing
    if not trial.requests:
        return
    yield (
        f"{trial.newly_denied} of {trial.requests} requests in {_span(trial.seconds)} would be newly denied; "
        f"allowed: {_most(trial.rollout)}"
    )
    yield from shown(map(_turned, trial.denied), _MOST_SHOWN)


def _turned(each: Turned) -> str:
    return (
        f"{each.requests} of team {each.team}, key {each.key}, model {each.model}: {', '.join(each.why)}, "
        f"for example {each.example}"
    )


def _most(rollout: Rollout) -> str:
    return f"{rollout.max_count}" if rollout.max_share is None else f"{rollout.max_share * 100:g}%"


def _span(seconds: float) -> str:
    """A span, rounded down: what is short of a bound never reads as if it had been reached."""
    return f"{int(seconds // 3600)}h" if seconds >= 3600 else f"{int(seconds // 60)}m"
