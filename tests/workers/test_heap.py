"""The C heap: freed memory is used again without page faults."""

import subprocess
import sys

import pytest

FAULTS = """
import resource
from workers.heap import keep_freed_memory
{setting}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def buffers():
    return [bytearray(4 << 20) for _ in range(4)]
buffers()
before = faults()
for _ in range(20):
    buffers()
print(faults() - before)
"""
PAGES = 4 * (4 << 20) // 4096


def faults_of_twenty_rounds(setting: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", FAULTS.format(setting=setting)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_buffers_that_come_and_go_cost_no_page_faults():
    assert faults_of_twenty_rounds("assert keep_freed_memory()") < PAGES


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's behaviour")
def test_without_it_each_round_costs_its_pages_again():
    assert faults_of_twenty_rounds("") > 10 * PAGES
