"""The network: CLIP with a dense map, regions and time; its files, its texts and its pixels."""
