"""Searching an index that lies in memory: exact cosines, filters, order, segments of videos, duplicates.

Pure: arrays in, arrays out. Only `load` reads a file.
"""
