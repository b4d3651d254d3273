# Every system's targets to check (X_verify), clean (X_prune), keep (X_backup) and fetch (X_download).
# Snakemake cannot see what these look at, so they run each time they are asked for: see scripts/upkeep/request_file.py.
from scripts.systems import SYSTEMS
from scripts.upkeep.asking import Upkeep

UPKEEP = Upkeep(CONFIG, plan_mode)


def upkeep_request(ask, system):
    """The request for one dataset."""
    return planned(lambda wildcards: str(ask(system, wildcards.dataset)))


def upkeep_answers(datasets, ask, system, answer):
    """The answers for all datasets that have something to ask for."""

    def answers(wildcards):
        names = datasets(system)
        for dataset in names:
            # Before Snakemake looks for the answer: of a folder that it saw before, it knows the files of then.
            ask(system, dataset)
        return expand(f"{WORK}/{system}/{{dataset}}/{answer}", dataset=names)

    return planned(answers)


def upkeep_run_request(ask, system):
    """The request for one training run."""
    return planned(lambda wildcards: str(ask(system, wildcards.run)))


def upkeep_run_answers(runs, ask, system, answer):
    """The answers for all training runs that were begun; of a system that trains none there are none."""

    def answers(wildcards):
        names = runs(system)
        for run in names:
            ask(system, run)
        return expand(f"{WORK}/{system}/runs/{{run}}/{answer}", run=names)

    return planned(answers)


def upkeep_workers(system):
    return lambda wildcards: CONFIG[system]["datasets"][wildcards.dataset]["workers"]


def verification_files(system):
    """What a verification writes: its report and, of a system that can draw samples, a figure."""
    files = {"report": f"{RESULTS}/{system}/{{dataset}}/verification.json"}
    if SYSTEMS[system].draw_samples:
        files["figure"] = report(
            f"{RESULTS}/{system}/{{dataset}}/figures/verification.png",
            category=system,
            labels={"dataset": "{dataset}", "what": "verified samples"},
            caption="../docs/captions/verification.rst",
        )
    return files


# Of datasets with samples.
for system in (name for name in SYSTEMS if SYSTEMS[name].has_samples):

    rule:
        name:
            f"{system}_verification"
        input:
            request=upkeep_request(UPKEEP.verify_request, system),
        output:
            **verification_files(system),
        log:
            f"logs/{system}_verification/{{dataset}}.log",
        conda:
            f"../envs/{system}.yaml"
        threads: upkeep_workers(system)
        resources:
            mem_mb=growing(500, 150),
        script:
            "../scripts/upkeep/rule_verify.py"

    # Of its own, because Snakemake takes away what a failed job has written.
    rule:
        name:
            f"{system}_verified"
        input:
            report=f"{RESULTS}/{system}/{{dataset}}/verification.json",
        output:
            mark=f"{WORK}/{system}/{{dataset}}/verify/passed.json",
        log:
            f"logs/{system}_verified/{{dataset}}.log",
        localrule: True
        params:
            system=system,
        script:
            "../scripts/upkeep/rule_verified.py"

    rule:
        name:
            f"{system}_pruning"
        input:
            plan=upkeep_request(UPKEEP.prune_request, system),
        output:
            receipt=f"{WORK}/{system}/{{dataset}}/prune/receipt.json",
        log:
            f"logs/{system}_pruning/{{dataset}}.log",
        localrule: True
        script:
            "../scripts/upkeep/rule_prune.py"

    rule:
        name:
            f"{system}_prune"
        input:
            upkeep_answers(
                UPKEEP.to_prune, UPKEEP.prune_request, system, "prune/receipt.json"
            ),
        localrule: True

    rule:
        name:
            f"{system}_snapshot"
        input:
            request=upkeep_request(UPKEEP.backup_request, system),
        output:
            receipt=f"{WORK}/{system}/{{dataset}}/backup/receipt.json",
        log:
            f"logs/{system}_snapshot/{{dataset}}.log",
        threads: upkeep_workers(system)
        resources:
            mem_mb=growing(500, 150),
        script:
            "../scripts/upkeep/rule_backup.py"


# Training runs: one job a run, for few are as large as a dataset.
for system in (name for name in SYSTEMS if SYSTEMS[name].runs):

    rule:
        name:
            f"{system}_run_verification"
        input:
            request=upkeep_run_request(UPKEEP.verify_run_request, system),
        output:
            mark=f"{WORK}/{system}/runs/{{run}}/verify/passed.json",
        log:
            f"logs/{system}_run_verification/{{run}}.log",
        conda:
            f"../envs/{system}.yaml"
        script:
            "../scripts/upkeep/rule_verify_run.py"

    rule:
        name:
            f"{system}_run_snapshot"
        input:
            request=upkeep_run_request(UPKEEP.backup_run_request, system),
        output:
            receipt=f"{WORK}/{system}/runs/{{run}}/backup/receipt.json",
        log:
            f"logs/{system}_run_snapshot/{{run}}.log",
        conda:
            f"../envs/{system}.yaml"
        script:
            "../scripts/upkeep/rule_backup_run.py"


for system in SYSTEMS:

    rule:
        name:
            f"{system}_verify"
        input:
            upkeep_answers(
                UPKEEP.to_verify, UPKEEP.verify_request, system, "verify/passed.json"
            ),
            upkeep_run_answers(
                UPKEEP.runs_to_verify,
                UPKEEP.verify_run_request,
                system,
                "verify/passed.json",
            ),
        localrule: True

    rule:
        name:
            f"{system}_backup"
        input:
            upkeep_answers(
                UPKEEP.to_back_up, UPKEEP.backup_request, system, "backup/receipt.json"
            ),
            upkeep_run_answers(
                UPKEEP.runs_to_back_up,
                UPKEEP.backup_run_request,
                system,
                "backup/receipt.json",
            ),
        localrule: True

    rule:
        name:
            f"{system}_download"
        log:
            f"logs/{system}_download.log",
        localrule: True
        params:
            system=system,
            downloads=CONFIG[system]["downloads"],
        script:
            "../scripts/upkeep/rule_download.py"
