"""The card of a network: what a run and its evaluation recorded, in the form of the check lists of the field."""
