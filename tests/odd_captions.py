"""Captions that a program can trip over, with the name that each one's files have."""

# A name that ends in `-` goes on with the caption's hash. No name: the caption can have no pose.
ODD_CAPTIONS = {
    "A person waving": "waving",
    "A person wav/ing": "waving-",
    "../../etc/passwd": "....etcpasswd-",
    "..": "..-",
    ".hidden": ".hidden-",
    "-n --forceall": "-n_--forceall",
    'a {pose} of {{100%}}, it\'s "bold" $HOME $(id) `id` \\n; & # [x] ~ = \U0001f600': (
        "a_pose_of_100%,_it's_bold_$HOME_$(id)_`id`_n;_&_#_[x]_~_=_\U0001f600"
    ),
    "\u202ea person\u200f turns\u202c": "a_person_turns",
    "x" * 200: "x" * 200,
    "\u8d70" * 200: "\u8d70" * 63 + "-",
    "very " * 5000 + "tired": "very_" * 38 + "v-",
    "a person \0 falls": "",
}
