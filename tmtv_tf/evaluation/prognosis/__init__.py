"""Liu et al. 2022: classification, survival, the study's tables, figures and report."""
