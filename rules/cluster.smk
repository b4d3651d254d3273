# Where a cluster bills and puts the jobs: the configuration's `cluster`. What a profile says of a rule wins.
CLUSTER = CONFIG.get("cluster", {})


def cluster_partition(gpu):
    """The partition of a job: of those with GPUs where it asks for one."""

    def partition(wildcards):
        asked = gpu.evaluate(wildcards).value
        return CLUSTER.get("gpu_partition" if asked else "partition")

    return partition


for each in workflow.rules:
    if "account" in CLUSTER:
        each.resources.setdefault("slurm_account", CLUSTER["account"])
    if "partition" in CLUSTER or "gpu_partition" in CLUSTER:
        each.resources.setdefault(
            "slurm_partition", cluster_partition(each.resources.get("gpu"))
        )
