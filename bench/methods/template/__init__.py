"""A first version of a person's own method: the scaffold."""
