"""Train the V-Net of Revailler et al. 2022: python -m training.train_vnet --config C.yaml --data CASES --out RUN."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from tmtv_tf.models.file import Outlining
from training.commands import script, vnet
from training.config import AugmentationConfig, FitConfig, GridConfig, Strict
from training.networks import NetworkConfig, VNetConfig

app = script(vnet)


class LossConfig(Strict):
    """One of `tmtv_tf.models.losses`."""

    kind: Literal["soft_dice", "tversky", "dice_cross_entropy"] = "soft_dice"
    options: dict[str, float] = {}
    binarize_target: bool = False


class Config(FitConfig):
    """Everything an experiment with the V-Net can change.

    model : the V-Net; with `architecture: compact` the network of the packaged models, to fine-tune one of them.
    packed : compute the first level on the packed grid (`tmtv_tf.models.packed`: the same function). By default
        where that is possible (ReLU, no normalisation, kernels up to 5) and expected to be faster: on GPUs, and on
        CPUs with instructions for bfloat16 (AVX-512 BF16 or AMX), in any precision.
    outlining : how what the network finds is outlined on the PET where it is used; training does not know of it.
    """

    packed: bool | None = None
    monitor: Literal["loss", "val_loss", "dice", "val_dice"] = "val_loss"  # type: ignore[assignment]

    grid: GridConfig = GridConfig()
    model: NetworkConfig = VNetConfig()
    loss: LossConfig = LossConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    outlining: Outlining | None = None


def run(config: Config, data: Path, out: Path) -> None:
    """Train as configured."""
    from tmtv_tf._backend import quiet_tensorflow

    quiet_tensorflow()
    from petct.errors import CaseError
    from tmtv_tf.input.dataset import steps_per_epoch, training_dataset, validation_dataset
    from tmtv_tf.models.losses import SegmentationLoss
    from training.fit import Experiment, conclusion, run_fit
    from training.multi_worker import chief_first, worker_of
    from training.run import data_fingerprint, open_run, prepare_arrays, split_cases, trained_on
    from training.strategy import check_batch, check_validation, choose_strategy, describe_devices, is_chief

    strategy = choose_strategy(config.optimizer.gradient_accumulation_steps > 1)
    check_batch(config.batch, strategy)
    # What cannot be built is refused before anything is prepared (and after the strategy: TensorFlow wants it first).
    SegmentationLoss(**config.loss.model_dump())
    network_to_train(config, config.augmentation)
    grid = config.grid.grid()
    splits = split_cases(data)
    for split in ("train", "validation"):
        if not splits[split]:
            raise CaseError(f"{data / 'cohort.csv'}: no case of the split {split!r}.")
    check_validation(len(splits["validation"]), config.batch, strategy)
    with chief_first(strategy, is_chief(strategy)):
        arrays = {
            split: prepare_arrays(data, [row["case_id"] for row in splits[split]], grid)
            for split in ("train", "validation")
        }
        examples, augmentation = training_examples(arrays["train"], config)
        fingerprint = data_fingerprint(arrays)
        open_run(out, config, fingerprint, describe_devices(strategy), writes=is_chief(strategy))
    provenance = {"config": config.model_dump(mode="json"), "data_sha256": fingerprint["sha256"]}
    seen = trained_on(data, [a.case_id for a in arrays["train"]])
    experiment = Experiment(
        build=lambda: network_to_train(config, augmentation),
        compile_options=lambda: compile_options(config),
        training_data=lambda epoch, step: training_dataset(
            examples,
            batch=config.batch,
            seed=config.seed,
            epochs=config.epochs,
            first_epoch=epoch,
            first_step=step,
            worker=worker_of(strategy),
            augmentation=augmentation,
            augmented_later=config.augmentation.on_accelerator,
        ),
        steps_per_epoch=steps_per_epoch(len(examples), config.batch),
        validation_data=validation_dataset(arrays["validation"], batch=config.batch),
        save=lambda path, model: save(path, model, config, provenance, seen),
        callbacks=pictures(arrays["validation"][0], out) if is_chief(strategy) else [],
    )
    if is_chief(strategy):
        print(opening(describe_devices(strategy), arrays, len(examples), config, out), flush=True)
    progress = run_fit(experiment, config, out, strategy)
    if is_chief(strategy):
        print(conclusion(progress, config, out))


def opening(devices: list[str], arrays: dict, images: int, config: Config, out: Path) -> str:
    """What a run says first."""
    return (
        f"V-Net on {', '.join(devices)}: {len(arrays['train'])} training cases ({images} images), "
        f"{len(arrays['validation'])} validation cases, batch {config.batch}, up to epoch {config.epochs}. "
        f"Log: {out / 'log.csv'}"
    )


def build(config: Config):
    """The network as configured, not compiled."""
    from training.networks import build_network

    return build_network(config.model, config.grid.grid().input_shape)


def network_to_train(config: Config, augmentation=None):
    """The configured network, packed where that is asked for or faster; augmenting by itself if so configured."""
    from tmtv_tf.models.packed import pack
    from training.strategy import computes_in_bfloat16

    # Packing gains on a GPU (expected, not measured), and on a CPU with bfloat16, in float32 too; nothing elsewhere.
    packed = config.packed if config.packed is not None else config.model.packable and computes_in_bfloat16()
    network = pack(build(config)) if packed else build(config)
    if not config.augmentation.on_accelerator:
        return network
    from training.on_accelerator import augmenting

    return augmenting(network, augmentation, config.grid.grid(), config.seed)


def compile_options(config: Config) -> dict[str, Any]:
    """Loss and metrics for `model.compile`."""
    from tmtv_tf.models.losses import SegmentationLoss
    from tmtv_tf.models.metrics import HardDice

    return {"loss": SegmentationLoss(**config.loss.model_dump()), "metrics": [HardDice()]}


def save(path: Path, model, config: Config, provenance: dict[str, Any], trained_on: str) -> None:
    """Write the plain float32 network with the weights of the one in training."""
    from tmtv_tf.models.file import save_model
    from training.fit import dtype_policy
    from training.networks import build_network

    without_start = config.model.model_copy(update={"initial_weights": None})
    with dtype_policy("float32"):
        plain = build_network(without_start, config.grid.grid().input_shape)
    plain.set_weights(model.get_weights())
    save_model(
        path,
        plain,
        config.grid.grid(),
        provenance,
        trained_on=trained_on,
        trained_on_text=config.trained_on,
        outlining=config.outlining,
    )


def pictures(arrays, out: Path) -> list:
    """The callback that draws the first validation case, where TensorBoard is installed."""
    from importlib.util import find_spec

    from tmtv_tf.input.arrays import read_model_arrays
    from training.pictures import MipPictures

    if find_spec("tensorboard") is None:
        return []
    return [MipPictures(out / "tensorboard", *read_model_arrays(arrays), arrays.case_id)]


def training_examples(arrays, config: Config):
    """What an epoch consists of, and the augmentation that is drawn anew in each."""
    augmentation = config.augmentation
    if augmentation.mode == "online":
        return arrays, augmentation
    if augmentation.mode == "paper":
        from tmtv_tf.input.augment import augmented_arrays

        return [*arrays, *augmented_arrays(arrays, augmentation, config.seed)], None
    return arrays, None


if __name__ == "__main__":
    from petct.console import run_app

    run_app(app)
