"""Results beside the truth: agreement, detection, classification, survival; tables, figures, reports."""
