from __future__ import annotations

import numpy as np
import pytest

from tests.training.takes import take, write_take
from training.errors import PoolRejected
from training.frame_cache import cached_takes
from training.gameplay import takes_from_pool


def test_a_take_is_decoded_once_at_the_engine_s_size_with_times_from_zero(tmp_path):
    write_take(tmp_path / "pool", take("a"), [(200, 0, 0), (0, 200, 0), (0, 0, 200)])

    [first] = cached_takes(takes_from_pool(tmp_path / "pool"), tmp_path / "cache")
    (tmp_path / "pool" / "a.ts").write_bytes(b"gone")
    [again] = cached_takes([first.take], tmp_path / "cache")

    assert first.frames.shape == (3, 224, 224, 3)
    assert first.times_s == pytest.approx([0.0, 0.25, 0.5])
    assert first.frames.mean(axis=(1, 2)).argmax(axis=1).tolist() == [0, 1, 2]
    assert np.array_equal(first.frames, again.frames)


def test_a_file_that_is_no_video_is_refused_by_name(tmp_path):
    write_take(tmp_path, take("a"), [(0, 0, 0)])
    (tmp_path / "a.ts").write_bytes(b"not a video")

    with pytest.raises(PoolRejected, match=r"a\.ts"):
        cached_takes(takes_from_pool(tmp_path), tmp_path / "cache")
