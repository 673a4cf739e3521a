"""Case folders and cohorts: prepare, layouts, truth, pseudonyms, splits."""
