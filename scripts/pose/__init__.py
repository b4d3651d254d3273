"""Captions to 3D poses with MARDM (Meng et al., CVPR 2025)."""
