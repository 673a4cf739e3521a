"""The V-Net of `tmtv_tf.models.vnet` in plain PyTorch, to be timed beside it. Run by benchmarks/train.py.

    python benchmarks/vnet_torch.py Z Y X BATCH STEPS DEVICE

Needs PyTorch alone (any environment); prints one JSON line: seconds per training step of each way PyTorch has.
"""

import json
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    """`count` convolutions 5x5x5, the residual added before the last ReLU."""

    def __init__(self, channels_in: int, channels: int, count: int):
        super().__init__()
        sizes = [channels_in] + [channels] * (count - 1)
        self.convolutions = nn.ModuleList(nn.Conv3d(n, channels, 5, padding=2) for n in sizes)

    def forward(self, x, residual):
        for convolution in self.convolutions[:-1]:
            x = torch.relu(convolution(x))
        return torch.relu(self.convolutions[-1](x) + residual)


class VNet(nn.Module):
    """Revailler et al. 2022: 10 986 489 parameters."""

    def __init__(self, filters: int = 8, counts=(1, 2, 3, 3), bottom: int = 3):
        super().__init__()
        self.first = nn.Conv3d(2, filters, 5, padding=2)
        widths = [filters * 2**level for level in range(len(counts))]
        self.encoders = nn.ModuleList(Block(n, n, count) for n, count in zip(widths, counts))
        self.downs = nn.ModuleList(nn.Conv3d(n, 2 * n, 2, stride=2) for n in widths)
        self.bottom = Block(2 * widths[-1], 2 * widths[-1], bottom)
        self.ups = nn.ModuleList(nn.ConvTranspose3d(2 * n, n, 2, stride=2) for n in widths)
        self.decoders = nn.ModuleList(Block(2 * n, n, count) for n, count in zip(widths, counts))
        self.dropout = nn.Dropout(0.2)
        self.last = nn.Conv3d(filters, 1, 5, padding=2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        skips = []
        for encoder, down in zip(self.encoders, self.downs):
            x = encoder(x, x)
            skips.append(x)
            x = torch.relu(down(x))
        x = self.bottom(x, x)
        for up, decoder in zip(reversed(self.ups), reversed(self.decoders)):
            x = torch.relu(up(x))
            x = decoder(torch.cat([x, skips.pop()], dim=1), x)
        return torch.sigmoid(self.last(self.dropout(x)).float())


def soft_dice_loss(p, g, smooth: float = 0.1):
    axes = (1, 2, 3, 4)
    return 1 - (2 * (p * g).sum(axes) + smooth) / ((p * p).sum(axes) + (g * g).sum(axes) + smooth)


def seconds_per_step(shape, batch, steps, device, bf16, channels_last) -> float:
    """The fastest of `steps` training steps after one to warm up."""
    torch.manual_seed(0)
    memory = torch.channels_last_3d if channels_last else torch.contiguous_format
    model = VNet().to(device).to(memory_format=memory)
    optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)
    image = torch.rand(batch, 2, *shape, device=device).to(memory_format=memory)
    target = (torch.rand(batch, 1, *shape, device=device) > 0.95).float()
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            probability = model(image)
        soft_dice_loss(probability, target).mean().backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[1:])


if __name__ == "__main__":
    z, y, x, batch, steps = map(int, sys.argv[1:6])
    device = sys.argv[6]
    if sum(p.numel() for p in VNet().parameters()) != 10_986_489:
        sys.exit("not the published network")
    results = {}
    for bf16 in (False, True):
        for channels_last in (False, True):
            name = f"{'bf16' if bf16 else 'float32'}{', channels last' if channels_last else ''}"
            results[name] = seconds_per_step((z, y, x), batch, steps, device, bf16, channels_last)
            print(f"PyTorch {name}: {results[name]:.3f} s", file=sys.stderr, flush=True)
    print(json.dumps({"version": torch.__version__, "seconds_per_step": results}))
