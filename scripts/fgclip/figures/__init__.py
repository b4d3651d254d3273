"""Pictures of scored videos, of evaluations and of trainings."""
