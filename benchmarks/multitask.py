"""One training step of the multitask U-Net, here and in PyTorch: the same network, losses, optimizer and data.

    python -m benchmarks.multitask --framework keras
    python benchmarks/multitask.py --framework torch        # needs PyTorch, in an environment of its own

Both print the number of trainable parameters (they must be equal), the median seconds of a step, and the processor
time of all threads. Run them one after the other on a quiet machine. `--precision bfloat16` is mixed precision in both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np

FILTERS = (32, 64, 128, 256)
STAGE_WEIGHTS = (0.53, 0.27, 0.13, 0.07)
PROGNOSIS_WEIGHTS = (0.1, 0.2, 0.7)


def batch_of(shape: tuple[int, ...], n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images and truths (B, Z, Y, X), events (B,)."""
    rng = np.random.default_rng(0)
    return rng.random((n, *shape), np.float32), rng.random((n, *shape)) > 0.98, np.arange(n) % 2


def keras_step(shape, n, width, precision):
    """A function that makes one training step; the number of trainable parameters."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras

    from tmtv_tf.input.multitask_dataset import stage_truth
    from tmtv_tf.models.multitask_losses import multitask_losses
    from tmtv_tf.models.study import build_model

    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    model = build_model("multitask_unet", (*shape, 1), width=width)
    losses, weights = multitask_losses(list(model.output))
    model.compile(
        keras.optimizers.Adam(1e-4),
        loss=losses,
        loss_weights=weights,
        jit_compile=keras.backend.backend() == "jax",
    )
    image, truth, event = batch_of(shape, n)
    stages = [stage_truth(t[..., None].astype(np.float32)) for t in truth]
    targets = {name: np.stack([s[name] for s in stages]) for name in stages[0]}
    targets |= {name: event[:, None].astype(np.float32) for name in model.output if name.startswith("prog")}

    def step():
        model.train_on_batch(image[..., None], targets)

    return step, sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def torch_step(shape, n, width, precision):
    """As `keras_step`, in PyTorch."""
    import torch
    from torch import nn
    from torch.nn import functional

    filters = [max(2, round(f * width)) for f in FILTERS]

    def conv(a, b):
        return [nn.Conv3d(a, b, 3, padding=1, bias=False), nn.BatchNorm3d(b), nn.ReLU()]

    def up(a, b):
        return nn.Sequential(nn.ConvTranspose3d(a, b, 2, 2, bias=False), nn.BatchNorm3d(b), nn.ReLU())

    def head(a, pool_first):
        first = [nn.MaxPool3d(2)] if pool_first else []
        middle = [*conv(a, 64), *first, *conv(64, 64), nn.MaxPool3d(2, ceil_mode=True)]
        return nn.Sequential(
            *middle, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
        )

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            pairs = list(zip([1, *filters], filters, strict=False))
            self.down = nn.ModuleList(nn.Sequential(*conv(a, b), *conv(b, b)) for a, b in pairs)
            self.up = nn.ModuleList(up(b, a) for a, b in zip(filters, filters[1:], strict=False))
            self.join = nn.ModuleList(nn.Sequential(*conv(2 * a, a), *conv(a, a)) for a in filters[:-1])
            self.segment = nn.ModuleList(nn.Conv3d(a, 2, 3, padding=1) for a in filters)
            self.heads = nn.ModuleList(head(a, a != filters[-1]) for a in filters[1:])

        def forward(self, x):
            skips = []
            for level, block in enumerate(self.down):
                x = block(functional.max_pool3d(x, 2) if level else x)
                skips.append(x)
            features = [x]
            for level in (2, 1, 0):
                x = self.join[level](torch.cat([skips[level], self.up[level](x)], 1))
                features.insert(0, x)
            segmentations = [s(f).float().softmax(1) for s, f in zip(self.segment, features, strict=True)]
            events = [h(f).float().softmax(1) for h, f in zip(self.heads, features[1:], strict=True)]
            return segmentations, sum(w * e for w, e in zip(PROGNOSIS_WEIGHTS, events, strict=True))

    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Network().to(device).train()
    optimizer = torch.optim.Adam(network.parameters(), 1e-4)
    image, truth, event = (torch.from_numpy(np.asarray(a)).to(device) for a in batch_of(shape, n))

    def step():
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            segmentations, p = network(image[:, None])
        loss = 0.0
        for stage, (weight, s) in enumerate(zip(STAGE_WEIGHTS, segmentations, strict=True)):
            f = 2**stage
            y = truth[:, f // 2 :: f, f // 2 :: f, f // 2 :: f].float()
            axes = (1, 2, 3)
            dice = (2 * (s[:, 1] * y).sum(axes) + 1) / (s[:, 1].sum(axes) + y.sum(axes) + 1)
            loss = loss + 0.1 * weight * (1 - dice).mean()
        loss = loss - 0.9 * p.gather(1, event[:, None].long()).clamp(min=1e-7).log().mean()
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return step, sum(p.numel() for p in network.parameters() if p.requires_grad)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--framework", choices=("keras", "torch"), required=True)
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 64, 64), help="Z Y X (paper: 224 64 64)")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    options = parser.parse_args()
    make = keras_step if options.framework == "keras" else torch_step
    step, parameters = make(tuple(options.shape), options.batch, options.width, options.precision)
    for _ in range(2):
        step()
    seconds, processor = [], time.process_time()
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(
        f"{options.framework} {options.precision}, {'x'.join(map(str, options.shape))}, batch {options.batch}: "
        f"{parameters} trainable parameters, median step {statistics.median(seconds):.2f} s "
        f"(fastest {min(seconds):.2f}), processor {(time.process_time() - processor) / options.steps:.2f} s"
    )


if __name__ == "__main__":
    main()
