# Polymill: raw video, text and audio to training-ready files and trained models. See README.md.
from snakemake.utils import min_version

min_version("9.0")


if not workflow.configfiles:

    configfile: f"{workflow.basedir}/config/config.yaml"


report: "docs/captions/report.rst"


include: "rules/common.smk"
include: "rules/clip4mc.smk"
include: "rules/clip4mc_clips.smk"
include: "rules/speaker.smk"
include: "rules/pose_models.smk"
include: "rules/pose.smk"
include: "rules/cnclip_data.smk"
include: "rules/cnclip_models.smk"
include: "rules/cnclip_eval.smk"
include: "rules/cnclip_export.smk"
include: "rules/fgclip_data.smk"
include: "rules/fgclip_models.smk"
include: "rules/fgclip_eval.smk"
include: "rules/search.smk"
include: "rules/packing.smk"
include: "rules/upkeep.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        clip4mc_targets,
        speaker_targets,
        pose_targets,
        cnclip_targets,
        fgclip_targets,
        search_targets,


include: "rules/cluster.smk"
