"""The audit log shows every change to it, and loses nothing that was said to be written."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.workers.operations.commands import run
from workers.console.audit import START, TORN, AuditBroken, AuditLog, entries, verify
from workers.errors import AuditUnavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def log(path):
    made = AuditLog(path)
    yield made
    made.close()


@pytest.fixture
def three(log, path):
    for number in range(3):
        log.append("ana", "flag.reveal", f"F{number}", level="grey", seconds=1.5)
    return path


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def rewrite(path: Path, changed: list[str]) -> None:
    path.write_text("".join(line + "\n" for line in changed))


def test_an_entry_says_who_did_what_to_what(three):
    entry = list(entries(three))[1]
    assert (entry["actor"], entry["action"], entry["subject"]) == ("ana", "flag.reveal", "F1")
    assert (entry["outcome"], entry["detail"]) == ("ok", {"level": "grey", "seconds": 1.5})


def test_a_log_that_nobody_touched_is_whole(three):
    count, head = verify(three)
    assert (count, head) == (3, list(entries(three))[-1]["hash"])


def test_a_changed_word_is_found(three):
    kept = lines(three)
    rewrite(three, [kept[0], kept[1].replace('"ana"', '"ben"'), kept[2]])
    with pytest.raises(AuditBroken, match="line 2: its text does not have its hash"):
        verify(three)


@pytest.mark.parametrize("order", [(0, 2), (1, 2), (1, 0, 2), (0, 1, 1, 2)])
def test_an_entry_taken_out_moved_or_repeated_is_found(three, order):
    kept = lines(three)
    rewrite(three, [kept[number] for number in order])
    with pytest.raises(AuditBroken, match="taken out or put in"):
        verify(three)


def test_a_changed_entry_with_a_new_hash_breaks_the_chain_at_the_next(three, tmp_path):
    forged = AuditLog(tmp_path / "forged.jsonl")
    forged.append("ana", "flag.reveal", "F0", level="clip")
    forged.close()
    kept = lines(three)
    rewrite(three, [lines(tmp_path / "forged.jsonl")[0], *kept[1:]])
    with pytest.raises(AuditBroken, match="line 2"):
        verify(three)


def test_entries_cut_off_the_end_show_against_a_head_noted_before(three):
    _, head = verify(three)
    rewrite(three, lines(three)[:2])
    verify(three)
    with pytest.raises(AuditBroken, match="cut off or replaced"):
        verify(three, head)


def test_a_head_noted_earlier_stays_in_the_chain(three, log):
    _, head = verify(three)
    log.append("ben", "sign-in")
    verify(three, head)
    verify(three, START)


def test_a_line_that_a_crash_left_unfinished_is_closed_and_named(three):
    with open(three, "a") as file:
        file.write('{"n":4,"at":"2026')
    with pytest.raises(AuditBroken, match="unfinished"):
        verify(three)
    after = AuditLog(three)
    after.append("ana", "sign-in")
    after.close()
    assert verify(three)[0] == 5
    assert [entry["action"] for entry in entries(three)][-2:] == [TORN, "sign-in"]


def test_a_line_that_is_no_entry_cannot_be_put_in(three):
    kept = lines(three)
    rewrite(three, [kept[0], "{}", *kept[1:]])
    with pytest.raises(AuditBroken, match="line 3"):
        verify(three)


def test_a_log_that_is_missing_is_not_whole(path):
    with pytest.raises(AuditBroken, match="no such file"):
        verify(path)


def test_reading_makes_no_log(path):
    AuditLog(path).close()
    assert not path.exists()


def test_a_log_that_was_moved_away_is_begun_anew(three, log):
    _, head = verify(three)
    three.rename(three.with_suffix(".old"))
    log.append("ana", "sign-in")
    assert verify(three)[0] == 1
    assert verify(three.with_suffix(".old")) == (3, head)


def test_the_log_is_for_its_owner_only(three):
    assert three.stat().st_mode & 0o077 == 0


def test_text_cannot_break_out_of_its_line(log, path):
    nasty = 'x"}\n{"n":2,"\u2028\ud800'
    log.append("ana", "note", nasty)
    assert len(lines(path)) == 1
    assert next(entries(path))["subject"] == nasty


@pytest.mark.parametrize("letter", ["x", "\U0001f600"])
def test_a_text_of_any_length_neither_fills_the_log_nor_breaks_its_chain(log, path, letter):
    log.append("ana", "sign-in")
    log.append(letter * 100_000, "forged", letter * 100_000, why=letter * 100_000, more=letter)
    other = AuditLog(path)
    other.append("ben", "sign-in")
    other.close()
    assert verify(path)[0] == 3
    assert path.stat().st_size < 200_000
    assert list(entries(path))[1]["subject"].endswith("(100000 characters)")


def test_a_log_whose_last_line_is_long_goes_on_with_its_number(three, log):
    last = json.loads(lines(three)[-1])
    with open(three, "a") as file:
        file.write("x" * 1_000_000)
    after = AuditLog(three)
    after.append("ana", "sign-in")
    after.close()
    assert verify(three)[0] == last["n"] + 2


def test_threads_write_one_chain(log, path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: log.append("ana", "claim", str(n)), range(200)))
    assert verify(path)[0] == 200


def write_some(path: Path, who: str) -> None:
    log = AuditLog(path)
    for number in range(50):
        log.append(who, "claim", str(number))
    log.close()


def test_processes_write_one_chain(path):
    start = multiprocessing.get_context("spawn").Process
    writers = [start(target=write_some, args=(path, f"p{n}")) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert verify(path)[0] == 150


def test_where_it_cannot_be_written_the_caller_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AuditUnavailable):
        AuditLog(tmp_path / "file" / "audit.jsonl").append("ana", "flag.reveal")


def fill_the_disk(path: Path) -> None:
    """A file-size limit stands in for a full disk: a write comes back short or fails."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (os.stat(path).st_size + 40, resource.RLIM_INFINITY))
    log = AuditLog(path)
    try:
        log.append("ana", "flag.reveal", "F9")
    except AuditUnavailable:
        os._exit(7)
    os._exit(0)


def test_a_full_disk_is_told_and_the_chain_goes_on_afterwards(three):
    writer = multiprocessing.get_context("spawn").Process(target=fill_the_disk, args=(three,))
    writer.start()
    writer.join()
    assert writer.exitcode == 7
    later = AuditLog(three)
    later.append("ana", "sign-in")
    later.close()
    assert verify(three)[0] == 5


class TestCommand:
    def test_verify_says_whole_with_count_and_head(self, three):
        _, head = verify(three)
        told = run("audit", "verify", str(three), "--json").document()
        assert told == {"whole": True, "entries": 3, "head": head}

    def test_verify_ends_with_an_error_for_a_broken_log(self, three):
        rewrite(three, lines(three)[1:])
        answer = run("audit", "verify", str(three), "--json")
        assert answer.code == 1
        assert answer.document()["whole"] is False

    def test_show_filters(self, three, log):
        log.append("ben", "sign-in", outcome="denied")
        shown = run("audit", "show", str(three), "--outcome", "denied", "--json").lines()
        assert [entry["actor"] for entry in shown] == ["ben"]
        assert len(run("audit", "show", str(three), "--action", "flag", "--json").lines()) == 3

    def test_show_prints_a_table_for_people(self, three):
        assert "flag.reveal" in run("audit", "show", str(three)).text

    def test_what_a_stranger_typed_cannot_steer_the_terminal(self, three, log):
        log.append("anonymous", "sign-in", "\x1b]0;x\x07\x9b2J\u202eana\n", why="\x1b[2J")
        shown = run("audit", "show", str(three), "--action", "sign-in").text
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\u202e"}

    def test_the_log_of_the_settings_is_read_where_no_file_is_given(self, three):
        state = {"FLAGPOST_CONSOLE_STATE": str(three.parent)}
        assert json.loads(run("audit", "verify", "--json", **state).text)["entries"] == 3
