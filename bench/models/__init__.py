"""Backbones: the networks before compression, one file each, found by their decorator."""

from bench.models.backbone import BACKBONES, Backbone, backbone

__all__ = ["BACKBONES", "Backbone", "backbone"]
