"""Figures that every system can draw. Only the jobs that draw import this: matplotlib takes half a second."""
