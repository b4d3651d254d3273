"""Pictures and captions of a dataset in the official formats: read, checked, stored, shown."""
