"""Small films and takes made on the spot, with pictures that tell their number."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from workers.simulate.film import FilmSettings, film
from workers.simulate.takes import Take, write_take
from workers.simulate.truth import Incident, Rule, Span

SIZE = (160, 96)
FPS = 10


def pictures(count, size=SIZE):
    for number in range(count):
        yield np.full((size[1], size[0], 3), number * 7 % 255, np.uint8)


def add_take(
    pool: Path,
    name: str,
    seconds: float = 3.0,
    incidents: tuple[Incident, ...] = (),
    ambiguous: tuple[Span, ...] = (),
    size=SIZE,
) -> Take:
    """A take whose truth is given instead of played."""
    frames = round(seconds * FPS)
    take = Take(
        take=name,
        file=f"{name}.ts",
        wad="freedoom2",
        map="map01",
        scenario=None,
        split="test",
        seed=1,
        width=size[0],
        height=size[1],
        fps=FPS,
        duration_s=frames / FPS,
        rule=Rule(),
        incidents=incidents,
        ambiguous=ambiguous,
    )
    settings = FilmSettings(size[0], size[1], FPS, keyframe_interval_s=0.5, quality=30)
    write_take(pool, take, film(pictures(frames, size), settings))
    return take


def incident(start_s: float, end_s: float) -> Incident:
    return Incident(start_s=start_s, end_s=end_s, kills=1, damage_dealt=20, damage_taken=5)


def ordinary_file(
    path: Path, *, frames=65, fps=25, codec="libx264", keyframes_every=25, reordered=3
) -> Path:
    """A video as others make them; the container by the path's ending."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        if codec == "libx264":
            stream.codec_context.options = {
                "x264-params": f"keyint={keyframes_every}:bframes={reordered}:scenecut=0"
            }
        for number, picture in enumerate(pictures(frames)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
