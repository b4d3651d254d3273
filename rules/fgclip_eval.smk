# FG-CLIP video anomaly detection, evaluation: scores of the test videos, metrics, heat maps, the comparison of the models.
FGCLIP_FORM = r"[A-Za-z0-9_-]+(\.(init|epoch[0-9]+))?"
FGCLIP_SCORE_RECEIPT = (
    f"{FGCLIP_WORK}/scores/{{form}}/scores.{{form}}/receipt/{{shard}}.json"
)
FGCLIP_EVAL = f"{FGCLIP_RESULTS}/eval/{{form}}"
FGCLIP_HEATMAPS = f"{FGCLIP_RESULTS}/heatmaps/{{form}}"
FGCLIP_COMPARISON = f"{FGCLIP_RESULTS}/comparison"


@functools.cache
def fgclip_scores_stage(dataset, form):
    return scores_stage(CONFIG, fgclip_videos_stage(dataset), form)


def fgclip_plan_of_scores(dataset, form):
    """The stage, once the dataset's videos are planned: both have the same shards."""
    PLANS.shards(fgclip_videos_stage(dataset))
    return fgclip_scores_stage(dataset, form)


@planned
def fgclip_scores_plan(wildcards):
    stage = fgclip_plan_of_scores(wildcards.dataset, wildcards.form)
    plan = PLANS.plan(stage, wildcards.shard)
    # Asks for resources come after Snakemake has fixed their totals, and this one brings its own.
    fgclip_score_gpu(wildcards)
    return plan


def fgclip_score_gpu(wildcards):
    return job_gpus(max(d["jobs_per_gpu"] for d in FGCLIP["datasets"].values()))


def fgclip_score_receipts(dataset, form):
    shards = PLANS.shards(fgclip_plan_of_scores(dataset, form))
    return expand(FGCLIP_SCORE_RECEIPT, dataset=dataset, form=form, shard=shards)


def fgclip_form_model(wildcards):
    """The model folder that a form is, or comes with: kept epochs lie beside the outcome of their run."""
    kind = "init" if wildcards.form.endswith(".init") else "model"
    return f"{FGCLIP_RUN}/{kind}".format(run=fgclip_runs.of_run(wildcards.form))


@functools.cache
def fgclip_forms(dataset):
    return fgclip_runs.forms(CONFIG, dataset)


def fgclip_of_forms(*paths):
    """Target: some files of every model on the test videos of its dataset."""
    return planned(
        lambda wildcards: [
            path.format(dataset=dataset, form=form)
            for dataset in FGCLIP["datasets"]
            for form in fgclip_forms(dataset)
            for path in paths
        ]
    )


localrules:
    fgclip_score,
    fgclip_eval,
    fgclip_heatmaps,
    fgclip_compare,
    fgclip_eval_figures,
    fgclip_comparison_figure,
    all_fgclip,
    fgclip_all,


rule fgclip_score_shard:
    input:
        plan=fgclip_scores_plan,
        model=fgclip_form_model,
        gate=FGCLIP_GATE,
    output:
        receipt=FGCLIP_SCORE_RECEIPT,
    log:
        "logs/fgclip_score_shard/{dataset}/{form}/{shard}.log",
    benchmark:
        "logs/fgclip_score_shard/{dataset}/{form}/{shard}.benchmark.tsv"
    wildcard_constraints:
        form=FGCLIP_FORM,
    conda:
        "../envs/fgclip.yaml"
    threads: fgclip_option("workers")
    resources:
        gpu=planned(fgclip_score_gpu),
        mem_mb=growing(1500, 2000),
    script:
        "../scripts/fgclip/scoring/rule_score.py"


rule fgclip_evaluate:
    input:
        receipts=planned(
            lambda wildcards: fgclip_score_receipts(wildcards.dataset, wildcards.form)
        ),
        test=FGCLIP_TEST,
        records=FGCLIP_RECORDS,
    output:
        metrics=f"{FGCLIP_EVAL}/metrics.json",
        table=f"{FGCLIP_EVAL}/metrics.csv",
        bootstrap=f"{FGCLIP_EVAL}/bootstrap.npz",
    log:
        "logs/fgclip_evaluate/{dataset}/{form}.log",
    wildcard_constraints:
        form=FGCLIP_FORM,
    conda:
        "../envs/fgclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        scores_dir=lambda wildcards: f"{FGCLIP_RESULTS}/scores/{wildcards.form}".format(
            dataset=wildcards.dataset
        ),
        expand=fgclip_option("expand"),
        allow_missing=fgclip_option("allow_missing"),
        bootstrap=fgclip_option("bootstrap"),
        seed=fgclip_option("seed"),
    script:
        "../scripts/fgclip/evaluation/rule_evaluate.py"


rule fgclip_score:
    input:
        planned(
            lambda wildcards: [
                receipt
                for dataset in FGCLIP["datasets"]
                for form in fgclip_forms(dataset)
                for receipt in fgclip_score_receipts(dataset, form)
            ]
        ),


rule fgclip_eval:
    input:
        fgclip_of_forms(f"{FGCLIP_EVAL}/metrics.json"),


rule fgclip_eval_figures:
    input:
        metrics=f"{FGCLIP_EVAL}/metrics.json",
    output:
        overall=fgclip_report(
            f"{FGCLIP_EVAL}/overall.png", "scores", "fgclip_overall", of="{form}"
        ),
        classes=fgclip_report(
            f"{FGCLIP_EVAL}/classes.png",
            "AUC by class",
            "fgclip_class_scores",
            of="{form}",
        ),
    log:
        "logs/fgclip_eval_figures/{dataset}/{form}.log",
    wildcard_constraints:
        form=FGCLIP_FORM,
    conda:
        "../envs/fgclip.yaml"
    params:
        pdf=fgclip_option("pdf"),
    script:
        "../scripts/fgclip/figures/rule_eval_figures.py"


# Where and when, of some test videos: strips, curves, videos, and one page of all.
rule fgclip_heatmaps_form:
    input:
        receipts=planned(
            lambda wildcards: fgclip_score_receipts(wildcards.dataset, wildcards.form)
        ),
        metrics=f"{FGCLIP_EVAL}/metrics.json",
        test=FGCLIP_TEST,
    output:
        folder=report(
            directory(FGCLIP_HEATMAPS),
            patterns=["{key}.png"],
            category="fgclip",
            labels={"of": "{form}", "what": "heat map {key}"},
            caption="../docs/captions/fgclip_heatmap.rst",
        ),
        gallery=fgclip_report(
            f"{FGCLIP_RESULTS}/heatmaps/{{form}}.html",
            "gallery",
            "fgclip_gallery",
            of="{form}",
        ),
    log:
        "logs/fgclip_heatmaps_form/{dataset}/{form}.log",
    wildcard_constraints:
        form=FGCLIP_FORM,
    conda:
        "../envs/fgclip.yaml"
    resources:
        mem_mb=growing(4000),
    params:
        scores_dir=lambda wildcards: f"{FGCLIP_RESULTS}/scores/{wildcards.form}".format(
            dataset=wildcards.dataset
        ),
        facts_dir=lambda wildcards: f"{FGCLIP_RESULTS}/videos".format(
            dataset=wildcards.dataset
        ),
        shown=fgclip_option("shown"),
        shown_most=fgclip_option("shown_most"),
        overlays=fgclip_option("overlays"),
        pdf=fgclip_option("pdf"),
    script:
        "../scripts/fgclip/figures/rule_heatmaps.py"


# All models of a dataset side by side, with what was published elsewhere.
rule fgclip_compare_forms:
    input:
        metrics=planned(
            lambda wildcards: [
                f"{FGCLIP_EVAL}/metrics.json".format(
                    dataset=wildcards.dataset, form=form
                )
                for form in fgclip_forms(wildcards.dataset)
            ]
        ),
        test=FGCLIP_TEST,
    output:
        table=fgclip_report(
            f"{FGCLIP_COMPARISON}/comparison.html", "comparison", "fgclip_comparison"
        ),
        data=f"{FGCLIP_COMPARISON}/comparison.json",
        csv=f"{FGCLIP_COMPARISON}/comparison.csv",
        latex=f"{FGCLIP_COMPARISON}/comparison.tex",
        prompts=[f"{FGCLIP_COMPARISON}/prompts.{kind}" for kind in ("csv", "json")],
    log:
        "logs/fgclip_compare_forms/{dataset}.log",
    conda:
        "../envs/fgclip.yaml"
    params:
        about=fgclip_of_dataset(fgclip_inputs.about_forms),
        baseline="",
        scores_dir=lambda wildcards: f"{FGCLIP_RESULTS}/scores".format(
            dataset=wildcards.dataset
        ),
    script:
        "../scripts/fgclip/evaluation/rule_compare.py"


rule fgclip_comparison_figure:
    input:
        data=f"{FGCLIP_COMPARISON}/comparison.json",
    output:
        figure=fgclip_report(
            f"{FGCLIP_COMPARISON}/comparison.png",
            "comparison, drawn",
            "fgclip_comparison_figure",
        ),
    log:
        "logs/fgclip_comparison_figure/{dataset}.log",
    conda:
        "../envs/fgclip.yaml"
    params:
        pdf=fgclip_option("pdf"),
    script:
        "../scripts/fgclip/figures/rule_comparison_figure.py"


rule fgclip_heatmaps:
    input:
        fgclip_of_forms(FGCLIP_HEATMAPS),


@planned
def fgclip_compare_targets(wildcards):
    compared = [name for name in FGCLIP["datasets"] if fgclip_forms(name)]
    files = [f"{FGCLIP_COMPARISON}/comparison.{kind}" for kind in ("html", "png")]
    return expand(files, dataset=compared)


rule fgclip_compare:
    input:
        fgclip_compare_targets,


def fgclip_targets(wildcards):
    """Everything: what is known of the videos, the trainings, the scores and what they are worth."""
    return (
        fgclip_validate_targets(wildcards)
        + [file for run in FGCLIP["runs"] for file in fgclip_run_files(run)]
        + fgclip_of_forms(
            f"{FGCLIP_EVAL}/metrics.json", f"{FGCLIP_EVAL}/overall.png", FGCLIP_HEATMAPS
        )(wildcards)
        + fgclip_compare_targets(wildcards)
    )


rule all_fgclip:
    input:
        fgclip_targets,


rule fgclip_all:
    input:
        fgclip_targets,
