"""The V-Net of `tmtv_tf.models.vnet` in plain PyTorch, to be timed beside it. Run by benchmarks/train.py.

    python benchmarks/vnet_torch.py Z Y X BATCH STEPS PRECISION CHANNELS_LAST

PRECISION: float32, tf32 or bf16; CHANNELS_LAST: 0 or 1. Prints one JSON line: seconds per training step (the fastest of
STEPS after one to warm up) and the peak memory that they took. Needs PyTorch alone (any environment).
"""

import json
import sys
import time

import torch
from process_memory import resident_peak_bytes  # beside this script
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


def step_times(shape, batch, steps, device, precision, channels_last) -> list[float]:
    """Seconds of each of `steps` + 1 training steps."""
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    memory = torch.channels_last_3d if channels_last else torch.contiguous_format
    model = VNet().to(device).to(memory_format=memory)
    optimizer = torch.optim.SGD(model.parameters(), 0.001, momentum=0.9)
    image = torch.rand(batch, 2, *shape, device=device).to(memory_format=memory)
    target = (torch.rand(batch, 1, *shape, device=device) > 0.95).float()
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16"):
            probability = model(image)
        loss = soft_dice_loss(probability, target).mean()
        loss.backward()
        optimizer.step()
        loss.item()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    *numbers, precision, channels_last = sys.argv[1:]
    z, y, x, batch, steps = map(int, numbers)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if sum(p.numel() for p in VNet().parameters()) != 10_986_489:
        sys.exit("not the published network")
    before = resident_peak_bytes()
    times = step_times((z, y, x), batch, steps, device, precision, channels_last == "1")
    result = {
        "software": f"PyTorch {torch.__version__}",
        "gpu": device == "cuda",
        "seconds": min(times[1:]),
        "peak_bytes": (
            torch.cuda.max_memory_allocated() if device == "cuda" else resident_peak_bytes() - before
        ),
    }
    print(json.dumps(result))
