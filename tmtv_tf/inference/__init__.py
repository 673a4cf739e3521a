"""A trained network applied to a PET/CT."""
