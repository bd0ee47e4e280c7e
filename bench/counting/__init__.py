"""Exact counts: parameters and MACs, by three witnesses that must agree."""
