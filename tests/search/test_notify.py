"""`notify=`: the user's own command hears of a new best, a failure and the end, and can break nothing."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from geotune.record.folder import RunFolder
from geotune.record.record import Record
from geotune.record.trial import Outcome
from geotune.search import notify
from geotune.search.notify import Herald, Notifier

SAY = 'echo "$GEOTUNE_EVENT|$GEOTUNE_TRIAL|$GEOTUNE_VALUE|$GEOTUNE_TEXT|$GEOTUNE_RUN" >> {}'


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "toy-1")


def heard(file: Path) -> list[list[str]]:
    return [line.split("|") for line in file.read_text().splitlines()]


def test_the_command_finds_the_event_in_its_environment(run: RunFolder, tmp_path: Path) -> None:
    file, said = tmp_path / "heard", list[str]()
    notifier = Notifier(SAY.format(file), run, said.append)
    notifier.tell("best", "57.4 m; $(touch bad) 'quoted'", trial=3, value=57.42)
    notifier.tell("end", "done")
    notifier.close()
    assert heard(file) == [
        ["best", "3", "57.42", "57.4 m; $(touch bad) 'quoted'", str(run.path)],
        ["end", "", "", "done", str(run.path)],
    ]
    assert said == []


def test_of_bests_that_wait_the_latest_is_told(run: RunFolder, tmp_path: Path) -> None:
    file, gate = tmp_path / "heard", tmp_path / "gate"
    notifier = Notifier(f"while [ ! -e {gate} ]; do sleep 0.01; done; " + SAY.format(file), run, print)
    notifier.tell("failure", "the first one takes its time")
    for number in range(5):
        notifier.tell("best", f"best {number}", trial=number)
    gate.touch()
    notifier.close()
    assert [words[3] for words in heard(file)] == ["the first one takes its time", "best 4"]


def test_a_command_that_fails_is_said_once(run: RunFolder) -> None:
    said: list[str] = []
    notifier = Notifier("echo no such channel >&2; exit 3", run, said.append)
    notifier.tell("best", "one", trial=1)
    notifier.tell("end", "two")
    notifier.close()
    assert said == [
        "notify=echo no such channel >&2; exit 3: exit code 3: no such channel; the search goes on",
    ]


def test_a_command_that_hangs_is_killed(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PATIENCE_SECONDS", 0.2)
    said: list[str] = []
    notifier = Notifier(f"sleep 100; touch {tmp_path / 'late'}", run, said.append)
    notifier.tell("best", "one", trial=1)
    while not said:
        time.sleep(0.01)
    notifier.close()
    assert "no end after 0 s" in said[0]


def test_at_the_end_every_command_is_started_and_none_is_waited_for(run: RunFolder, tmp_path: Path) -> None:
    gate, file = tmp_path / "gate", tmp_path / "heard"
    wait = f'while [ "$GEOTUNE_EVENT" = best -a ! -e {gate} ]; do sleep 0.01; done; '
    notifier = Notifier(wait + SAY.format(file), run, print)
    notifier.tell("best", "hangs", trial=1)
    notifier.tell("end", "done")
    notifier.close()
    assert [words[0] for words in heard(file)] == ["end"]
    gate.touch()
    while len(heard(file)) < 2:  # the command outlives the search
        time.sleep(0.01)


def test_without_a_command_there_is_no_thread(run: RunFolder) -> None:
    silent = Notifier("", run, print)
    silent.tell("end", "done")
    silent.close()


class Told(Notifier):
    def __init__(self, run: RunFolder) -> None:
        super().__init__("", run, print)
        self.events: list[tuple[str, int | None, float | None, str]] = []

    def tell(self, event: str, text: str, *, trial: int | None = None, value: float | None = None) -> None:
        self.events.append((event, trial, value, text))


def test_what_is_worth_telling(make_search: Callable[..., tuple[RunFolder, object]]) -> None:
    run, _ = make_search("trials=5", "stopping.rule=none", "train.epochs=3")
    record = Record(run)
    told = Told(run)
    herald = Herald(record, told)

    def report(number: int, attempt: int, epoch: int, value: float) -> None:
        record.report(number, attempt, epoch, {"valid/median_km": value})
        herald.look()

    for _ in range(2):
        assert record.issue() is not None
        herald.look()
    report(0, 1, 1, 500.0)
    report(0, 1, 2, 400.0)
    assert [event[1:3] for event in told.events] == [(0, 500.0)], "who leads already is told of again when it has ended"
    report(1, 1, 1, 450.0)
    report(0, 1, 3, 390.0)
    record.finish(0, 1, Outcome.COMPLETE)
    herald.look()
    assert [event[1:3] for event in told.events] == [(0, 500.0), (0, 390.0)]
    report(1, 1, 2, 100.0)
    assert told.events[-1] == ("best", 1, 100.0, f"{run.name}: trial 1 is the best so far: 100 km")
    for _ in range(3):
        record.lost(1, record._attempts.live[1], "first line\nCUDA error: broken")
        herald.look()
        record.issue()
    while record.trials()[1].state != "crashed":
        record.lost(1, record._attempts.live[1], "first line\nCUDA error: broken")
        record.issue()
    herald.look()
    herald.look()
    failures = [event for event in told.events if event[0] == "failure"]
    assert failures == [("failure", 1, None, f"{run.name}: trial 1 crashed: CUDA error: broken")]
    record.close()


def test_what_cannot_be_told_or_kept_does_not_silence_the_rest(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, said = tmp_path / "heard", list[str]()
    notifier = Notifier(SAY.format(file), run, said.append)
    notifier.tell("failure", "a\0b")
    deadline = time.monotonic() + 30
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    make, full = tempfile.TemporaryFile, [OSError(28, "No space left on device")]

    def no_room_at_first() -> Any:
        if full:
            raise full.pop()
        return make()

    monkeypatch.setattr(tempfile, "TemporaryFile", no_room_at_first)
    notifier.tell("failure", "no room in /tmp")
    notifier.tell("end", "done")
    notifier.close()
    assert [words[3] for words in heard(file)] == ["done"]
    assert len(said) == 1
