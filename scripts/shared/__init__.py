"""What the systems share. Nothing here imports a system or Snakemake."""
