"""Both papers' networks as Keras models, their losses and metrics, and the model file. Loads Keras on first use."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "_multitask_unet": ["multitask_unet"],
        "_vnet": ["vnet"],
        "losses": ["soft_dice_loss"],
        "study": ["build_model"],
    },
)
