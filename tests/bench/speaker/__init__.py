"""What the speaker system is measured on."""
