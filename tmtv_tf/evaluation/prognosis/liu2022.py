"""The published results of Liu et al., IEEE Access 2022, 10: 81612, DOI 10.1109/ACCESS.2022.3195906."""

from __future__ import annotations

CITATION = "Liu et al., IEEE Access 2022 (269 patients, five folds)"
METHOD = "multitask_unet"

# Names of the models as the paper's tables write them; DP: deep supervision.
NAMES = {
    "resnet34": "CLS ResNet34",
    "densenet121": "CLS DenseNet121",
    "segmentation_unet": "SEG U-Net (A)",
    "encoder_classifier": "CLS U-Net encoder (B)",
    "multitask_unet_plain": "Multi-task U-Net w/o DP (C)",
    "zhou_vnet": "Multi-task V-Net (Zhou et al.)",
    "multitask_unet_segmentation": "Multi-task U-Net, DP on SEG (D)",
    "multitask_unet_classification": "Multi-task U-Net, DP on CLS (E)",
    "multitask_unet": "Multi-task U-Net, DP on both (the method)",
}
TABLE_3 = (
    "resnet34",
    "densenet121",
    "segmentation_unet",
    "multitask_unet_plain",
    "zhou_vnet",
    "multitask_unet",
)
TABLE_4 = (
    "segmentation_unet",
    "encoder_classifier",
    "multitask_unet_plain",
    "multitask_unet_segmentation",
    "multitask_unet_classification",
    "multitask_unet",
)

# Table 1: patients with an event within two years, and in complete remission, per fold.
FOLDS = ((18, 35), (18, 36), (17, 37), (17, 37), (19, 35))

METRICS = ("dice", "precision", "recall", "auc", "accuracy", "sensitivity", "specificity", "youden")
_N = None
# Table 3, five folds; the method's AUC is that of the abstract and Table 5 (the text of V-A says 0.821).
MAIN: dict[str, tuple[float | None, ...]] = {
    "resnet34": (_N, _N, _N, _N, 0.769, 0.584, 0.861, 0.445),
    "densenet121": (_N, _N, _N, _N, 0.773, 0.585, 0.867, 0.452),
    "segmentation_unet": (0.844, 0.884, 0.849, _N, _N, _N, _N, _N),
    "multitask_unet_plain": (0.855, 0.900, 0.852, _N, 0.784, 0.639, 0.855, 0.495),
    "zhou_vnet": (0.853, 0.891, 0.853, _N, 0.792, 0.651, 0.861, 0.512),
    "multitask_unet": (0.868, 0.875, 0.875, 0.823, 0.821, 0.730, 0.866, 0.596),
}
# Table 4, one fold.
ABLATION: dict[str, tuple[float | None, ...]] = {
    "segmentation_unet": (0.847, 0.864, 0.864, _N, _N, _N, _N, _N),
    "encoder_classifier": (_N, _N, _N, 0.784, 0.777, 0.588, 0.865, 0.453),
    "multitask_unet_plain": (0.857, 0.878, 0.870, 0.804, 0.796, 0.647, 0.865, 0.512),
    "multitask_unet_segmentation": (0.872, 0.892, 0.868, 0.800, 0.796, 0.588, 0.892, 0.480),
    "multitask_unet_classification": (0.860, 0.883, 0.865, 0.831, 0.833, 0.706, 0.892, 0.598),
    "multitask_unet": (0.878, 0.896, 0.879, 0.827, 0.833, 0.706, 0.892, 0.598),
}
# Table 5: source, task, number of cases, method, Dice, AUC.
LITERATURE: tuple[tuple[str, str, int, str, float | None, float | None], ...] = (
    ("Blanc-Durand et al.", "SEG", 733, "3D CNN", 0.730, _N),
    ("Xu et al.", "SEG", 63, "2D U-Net", 0.770, _N),
    ("Wang et al.", "SEG", 102, "3D U-Net", 0.859, _N),
    ("Eertink et al.", "CLS", 317, "Radiomics", _N, 0.790),
    ("Zhang et al.", "CLS", 152, "Radiomics", _N, 0.789),
    ("Liu et al.", "SEG+CLS", 269, "3D MT-U-Net with DP", 0.868, 0.823),
)
