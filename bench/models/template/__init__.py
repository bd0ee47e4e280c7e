"""A first version of a person's own backbone: the scaffold."""
