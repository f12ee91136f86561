//! Several recordings at once.

use insta::assert_snapshot;

use crate::run::{OOM, POOLS, folder, gapless, recordings};

const RING: &str = "gpt2m_adamw.ring6000_late.pickle.gz";

#[test]
fn each_has_a_line_and_the_worst_is_told_in_full() {
    let run = gapless(&[POOLS, RING, OOM]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let overview: Vec<&str> = run.stdout.lines().take_while(|line| !line.is_empty()).collect();
    assert_snapshot!(overview.join("\n"), @r"
    recording               device  verdict        peak reserved  in use  pinned now
    frag_oom_varlen.defau…       0  fragmentation      26.39 GiB  84.9 %      10.7 %
    graphs_and_pools.defa…       0  it fits             1.66 GiB  85.8 %       1.8 %
    gpt2m_adamw.ring6000_…       0  it fits            27.22 GiB  60.0 %       1.8 %
    ");
    let alone = gapless(&[OOM]).stdout;
    assert!(run.stdout.ends_with(&alone), "{}", run.stdout);
}

#[test]
fn recordings_of_one_name_are_told_apart_by_their_folders() {
    let folder = folder("ranks");
    let mut files = Vec::new();
    for rank in ["rank0", "rank1"] {
        std::fs::create_dir(folder.join(rank)).unwrap();
        let file = folder.join(rank).join("oom.pickle.gz");
        std::fs::copy(recordings().join(POOLS), &file).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let [one, other] = &files[..] else { panic!("{files:?}") };
    let run = gapless(&[one, other]);
    let names: Vec<&str> =
        run.stdout.lines().skip(1).take(2).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["rank0/oom.pickle.gz", "rank1/oom.pickle.gz"]);
    let compare = ["compare", "--allocators", "gapless", one];
    let commands = [&compare[..], &["replay", one], &["advise", one]];
    for format in ["text", "markdown"] {
        for command in commands {
            let both = gapless(&[command, &[other, "--format", format]].concat()).stdout;
            let both_named = ["rank0/oom.pickle.gz · device 0", "rank1/oom.pickle.gz · device 0"];
            assert!(both_named.iter().all(|name| both.contains(name)), "{both}");
            let alone = gapless(&[command, &["--format", format]].concat()).stdout;
            assert!(
                alone.contains("oom.pickle.gz · device 0") && !alone.contains("rank0/"),
                "{alone}"
            );
        }
    }
}

#[test]
fn one_that_cannot_be_read_does_not_keep_the_others_from_being_told() {
    let run = gapless(&["nowhere.pickle", POOLS]);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.stdout, gapless(&[POOLS]).stdout);
    assert!(run.stderr.starts_with("error: cannot read `nowhere.pickle`\n"), "{}", run.stderr);
}

/// Whoever asked about several gets a list, whatever became of the others.
#[test]
fn json_of_several_is_a_list_also_where_one_could_be_read() {
    for command in ["explain", "replay", "compare", "advise"] {
        let arguments = [command, POOLS, "--format", "json"];
        let alone = gapless(&arguments).json();
        let both = gapless(&[&arguments[..], &["nowhere.pickle"]].concat()).json();
        assert_eq!(both["recordings"].as_array().unwrap(), &[alone], "{command}");
    }
}

#[test]
fn json_has_them_all_as_each_would_be_alone() {
    let both = gapless(&[POOLS, RING, "--format", "json"]).json();
    assert_eq!(both["schema"], "gapless.explain/1");
    assert_eq!(both["recordings"].as_array().unwrap().len(), 2);
    for (index, name) in [POOLS, RING].into_iter().enumerate() {
        assert!(both["recordings"][index] == gapless(&[name, "--format", "json"]).json());
    }
}
