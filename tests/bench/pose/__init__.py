"""What the pose system is measured on."""
