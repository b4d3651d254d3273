"""What the cnclip system is measured on."""
