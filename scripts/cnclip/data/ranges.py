"""Which bytes of a long text file each job reads; a line belongs to the range in which it begins."""


def n_shards(size: int, shard_bytes: int) -> int:
    """How many jobs read a file of `size` bytes, about `shard_bytes` each: one at least, also for an empty file."""
    return max(1, -(-size // shard_bytes))


def byte_range(shard: int, n: int, size: int) -> tuple[int, int]:
    """First byte of a shard, and the first after it.

    Args:
        shard: its number, from 0.
        n: how many shards the file has.
        size: of the file, in bytes, when it is read: so nothing is passed over in a file that came after the plan.
    """
    return size * shard // n, size * (shard + 1) // n
