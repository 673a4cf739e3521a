"""Many samples on disk, as a training reads them: small raw files that can be mapped into memory.

`<pool>/<world>/<number>.npz` (not compressed) holds `pet` uint16 (the square root of SUV / SUV_MAX, so that steps are
fine where the uptake is low), `ct` uint8 (HU in steps of 8 from -1024), `quarters` uint8 (4 TMTVprob), `lesions`
uint8 and `hot` bool.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from petct.files import replace_atomically
from tmtv_tf.phantom.worlds.sample import Sample, make_sample

SUV_MAX = 64.0
HU_STEP, HU_LOW = 8.0, -1024.0


def write_sample(path: Path, sample: Sample) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pet = np.sqrt(np.clip(sample.suv, 0, SUV_MAX) / SUV_MAX) * 65535
    with replace_atomically(path) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            pet=np.rint(pet).astype(np.uint16),
            ct=np.clip(np.rint((sample.hu - HU_LOW) / HU_STEP), 0, 255).astype(np.uint8),
            quarters=np.rint(sample.tmtvprob * 4).astype(np.uint8),
            lesions=sample.lesions,
            hot=sample.hot,
        )


def read_sample(path: Path) -> Sample:
    """The inverse, to the precision of the file."""
    with np.load(path) as stored:
        suv = np.square(stored["pet"].astype(np.float32) / 65535) * SUV_MAX
        hu = stored["ct"].astype(np.float32) * HU_STEP + HU_LOW
        return Sample(suv, hu, stored["quarters"].astype(np.float32) / 4, stored["lesions"], stored["hot"])


def fill_pool(
    pool: Path,
    worlds: Sequence[str],
    count: int,
    seed: int,
    anatomies: Path | None,
    *,
    part: tuple[int, int] = (0, 1),
) -> int:
    """Make the samples 0 .. count - 1 of each world that are missing, worlds in turn; the number made.

    `part` (k, n): only every n-th number from k on, so that n processes share the work.
    """
    made = 0
    for number in range(part[0], count, part[1]):
        for world in worlds:
            path = pool / world / f"{number:05d}.npz"
            if not path.is_file():
                write_sample(path, make_sample(world, (seed, number), anatomies))
                made += 1
    return made


def pool_files(pool: Path, worlds: Sequence[str]) -> list[Path]:
    """The finished samples of these worlds, in order."""
    return sorted(path for world in worlds for path in (pool / world).glob("[0-9]*.npz"))


def main() -> None:
    """python -m tmtv_tf.phantom.worlds.pool POOL WORLDS COUNT SEED ANATOMIES [K N]"""
    import sys

    pool, worlds, count, seed, anatomies, *part = sys.argv[1:]
    k, n = (int(v) for v in part) if part else (0, 1)
    fill_pool(Path(pool), worlds.split(","), int(count), int(seed), Path(anatomies), part=(k, n))


if __name__ == "__main__":
    main()
