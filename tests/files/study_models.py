"""The size of the networks of the study of Liu et al., in small and in full."""

SMALL = (32, 16, 16, 1)


# Trainable parameters at full size. ResNet34 and DenseNet121 are those of torchvision's and MONAI's 3-D versions
# with one input channel and two classes.
TRAINABLE = {
    "resnet34": 63_470_658,
    "densenet121": 11_244_674,
    "zhou_vnet": 43_972_596,
    "segmentation_unet": 5_603_042,
    "encoder_classifier": 3_530_658,
    "multitask_unet_plain": 6_160_548,
    "multitask_unet_segmentation": 6_184_746,
    "multitask_unet_classification": 6_722_600,
    "multitask_unet": 6_746_798,
}
