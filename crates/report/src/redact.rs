//! Hiding paths and names before anything is produced.
//!
//! A redacted recording is a recording: everything is found in it as in the original, and no
//! report can leak what is no longer there. The same file, function or label has the same stand-in
//! everywhere. What PyTorch itself is made of keeps its names, because they tell no secret and say
//! what happened:
//!
//! | original | stand-in |
//! | --- | --- |
//! | `/home/me/secret/train.py` | `file1.py` |
//! | `/home/me/env/site-packages/torch/nn/modules/linear.py` | `site-packages/torch/nn/modules/linear.py` |
//! | `train_secretly`, `<module>` | `function1`, `<module>` |
//! | `secret phase 17` | `label1 17` |
//! | `Optimizer.step#SecretAdam.step` | `Optimizer.step#label2` |
//!
//! Lines, sizes, addresses, times and the allocator's settings stay. So do the ids of stacks and
//! labels, which the events carry.

use std::collections::{BTreeMap, BTreeSet};

use gapless_trace::{DeviceRecording, Frame, LabelId, Recording, Stacks};

/// Where PyTorch's own files lie; what stands before says where somebody's environment is.
const TORCH: [&str; 4] = [
    "site-packages/torch/",
    "dist-packages/torch/",
    "site-packages\\torch\\",
    "dist-packages\\torch\\",
];
/// Folders by which frames of the framework are told from those of the program.
const FRAMEWORK: [&str; 3] = ["/torch/", "\\torch\\", "/torch_npu/"];
/// Functions that Python names itself.
const PYTHON: [&str; 6] =
    ["<module>", "<lambda>", "<listcomp>", "<genexpr>", "<dictcomp>", "<setcomp>"];
/// What PyTorch's profiler calls its steps.
const PROFILER: &str = "ProfilerStep";
/// What PyTorch's optimizers call theirs, followed by the name of their class.
const OPTIMIZER: [&str; 2] = ["Optimizer.step#", "Optimizer.zero_grad#"];
/// The kind of note that gives a line of the file as it stands.
const HEADER: &str = "list-header";
/// What may stand between a label and the number of an iteration.
const SEPARATORS: [char; 6] = ['#', ' ', '_', '-', ':', '='];

/// The recording with all its paths and names replaced by stand-ins.
#[must_use]
pub fn redact(mut recording: Recording) -> Recording {
    let mut names = Names::default();
    let mut stacks = Stacks::default();
    keep_labels(&recording, &mut names, &mut stacks);
    for id in recording.stacks.ids() {
        let frames = recording.stacks.frames(id).map(|frame| names.frame(&frame));
        let frames: Vec<_> =
            frames.map(|(file, line, function)| stacks.frame(&file, line, &function)).collect();
        let stand_in = stacks.stack(&frames);
        assert_eq!(stand_in, id, "distinct frames have distinct stand-ins");
    }
    recording.stacks = stacks;
    for note in &mut recording.notes {
        note.text = if note.code == HEADER { "hidden".to_owned() } else { unquoted(&note.text) };
    }
    recording
}

/// The recording's name among those given, by its number from 1, with the endings that tell what
/// it is.
pub fn redacted_path(path: &str, number: usize) -> String {
    if path == "-" {
        return path.to_owned();
    }
    let mut endings = String::new();
    for ending in [".pickle", ".pkl", ".json", ".csv", ".gz", ".zst"] {
        if path.contains(ending) {
            endings.push_str(ending);
        }
    }
    format!("recording{number}{endings}")
}

/// What a reader says without what it quotes from the file.
fn unquoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => continue,
            None if c == '"' || c == '`' => {
                quote = Some(c);
                shown.push(c);
                shown.push('…');
            }
            None => {}
        }
        if quote.is_none() {
            shown.push(c);
        }
    }
    shown
}

/// Gives every label that something carries its stand-in under the same id.
fn keep_labels(recording: &Recording, names: &mut Names, stacks: &mut Stacks) {
    let devices = recording.devices.iter().chain(&recording.pinned_host);
    let labels: BTreeSet<LabelId> = devices.flat_map(labels_of).collect();
    let Some(&last) = labels.last() else { return };
    // Ids are given out in order, so a stand-in has the right id when as many texts came before.
    let mut counted = Stacks::default();
    let mut id = LabelId::EMPTY;
    for position in 1_usize.. {
        if last <= id {
            break;
        }
        id = counted.label(&position.to_string());
        let stand_in = if labels.contains(&id) {
            names.label(recording.stacks.text(id))
        } else {
            format!("text{position}")
        };
        stacks.label(&stand_in);
    }
}

fn labels_of(device: &DeviceRecording) -> BTreeSet<LabelId> {
    let marks = device.annotations.iter().map(|annotation| annotation.name);
    marks.chain(device.events.iter().map(|event| event.label)).collect()
}

/// The stand-ins given so far, by original.
#[derive(Debug, Default)]
struct Names {
    files: BTreeMap<String, String>,
    /// Files of PyTorch that kept their name, each given to one original only.
    kept: BTreeSet<String>,
    functions: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
}

impl Names {
    fn frame(&mut self, frame: &Frame<'_>) -> (String, u32, String) {
        let file = self.file(frame.file);
        let function = if self.kept.contains(&file) || PYTHON.contains(&frame.function) {
            frame.function.to_owned()
        } else {
            numbered(&mut self.functions, frame.function, |number| format!("function{number}"))
        };
        (file, frame.line, function)
    }

    fn file(&mut self, file: &str) -> String {
        if file.is_empty() || file == "??" {
            return file.to_owned();
        }
        if let Some(known) = self.files.get(file) {
            return known.clone();
        }
        let own = TORCH.iter().find_map(|folder| file.rfind(folder).map(|start| &file[start..]));
        if let Some(own) = own.filter(|own| !self.kept.contains(*own)) {
            self.kept.insert(own.to_owned());
            self.files.insert(file.to_owned(), own.to_owned());
            return own.to_owned();
        }
        numbered(&mut self.files, file, |number| {
            let folder = FRAMEWORK.iter().find(|folder| file.contains(**folder));
            let frozen = if file.starts_with("<frozen ") { "<frozen " } else { "" };
            let folder = folder.copied().unwrap_or(frozen);
            format!("{folder}file{number}{}", ending(file))
        })
    }

    fn label(&mut self, label: &str) -> String {
        let stem = label.trim_end_matches(|c: char| c.is_ascii_digit());
        let numbered = stem.ends_with(SEPARATORS);
        let stem = if numbered { stem.trim_end_matches(SEPARATORS) } else { label };
        let number = &label[stem.len()..];
        if stem == PROFILER || stem.is_empty() {
            return label.to_owned();
        }
        let of_optimizer = OPTIMIZER.iter().find_map(|known| {
            label.strip_prefix(known).map(|class| (*known, class)).filter(|(_, c)| !c.is_empty())
        });
        match of_optimizer {
            Some((known, class)) => known.to_owned() + &self.hidden_label(class),
            None => self.hidden_label(stem) + number,
        }
    }

    fn hidden_label(&mut self, label: &str) -> String {
        numbered(&mut self.labels, label, |number| format!("label{number}"))
    }
}

/// The stand-in of `original`, a new one where it has none yet.
fn numbered(
    known: &mut BTreeMap<String, String>,
    original: &str,
    name: impl FnOnce(usize) -> String,
) -> String {
    if original.is_empty() {
        return String::new();
    }
    let number = known.len() + 1;
    known.entry(original.to_owned()).or_insert_with(|| name(number)).clone()
}

/// The ending of a file's name, by which sources of C++ are told from those of Python.
fn ending(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let plain = |ending: &&str| {
        ending.len() <= 5 && ending.chars().skip(1).all(|c| c.is_ascii_alphabetic())
    };
    name.rfind('.').map(|dot| &name[dot..]).filter(plain).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use gapless_trace::{Action, Annotation, Event, Events, Format, StackId};
    use gapless_units::{Addr, Bytes, DeviceId, Micros, StreamId};

    use super::*;

    fn check_file(original: &str, stand_in: &str) {
        assert_eq!(Names::default().file(original), stand_in, "{original}");
    }

    fn check_label(original: &str, stand_in: &str) {
        assert_eq!(Names::default().label(original), stand_in, "{original}");
    }

    #[test]
    fn files_lose_their_folders_and_names() {
        check_file("/home/me/secret/train.py", "file1.py");
        check_file("C:\\secret\\train.py", "file1.py");
        check_file("<ipython-input-3-secret>", "file1");
        check_file("/home/me/.secret", "file1");
        check_file("<frozen secret>", "<frozen file1");
        check_file("??", "??");
        check_file("", "");
    }

    #[test]
    fn files_of_the_framework_stay_recognizable() {
        let linear = "site-packages/torch/nn/modules/linear.py";
        check_file(&format!("/home/me/env/lib/{linear}"), linear);
        check_file("/home/torch/secret/train.py", "/torch/file1.py");
        check_file("/b/CUDACachingAllocator.cpp", "file1.cpp");
    }

    #[test]
    fn two_installations_of_one_file_stay_two() {
        let mut names = Names::default();
        let first = names.file("/a/site-packages/torch/x.py");
        let second = names.file("/b/site-packages/torch/x.py");
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("site-packages/torch/x.py", "/torch/file2.py")
        );
    }

    #[test]
    fn labels_keep_the_number_of_the_iteration() {
        check_label("secret phase 17", "label1 17");
        check_label("secret17", "label1");
        check_label("ProfilerStep#3", "ProfilerStep#3");
        check_label("ProfilerStep#3 secret", "label1");
        check_label("Optimizer.step#Secret.step", "Optimizer.step#label1");
        check_label("42", "label1");
        check_label("#42", "#42");
    }

    #[test]
    fn a_path_keeps_only_its_endings() {
        assert_eq!(redacted_path("/home/me/secret.oom.pickle.gz", 2), "recording2.pickle.gz");
        assert_eq!(redacted_path("-", 1), "-");
    }

    #[test]
    fn notes_do_not_quote_the_file() {
        assert_eq!(
            unquoted(r#"unknown key "secret" of a `secret` frame"#),
            r#"unknown key "…" of a `…` frame"#
        );
        assert_eq!(unquoted("cut `off"), "cut `…");
    }

    #[test]
    fn ids_of_stacks_and_labels_stay() {
        let mut stacks = Stacks::default();
        let main = stacks.frame("/secret/main.py", 3, "secret_main");
        let linear = stacks.frame("/e/site-packages/torch/linear.py", 9, "forward");
        let outer = stacks.stack(&[main]);
        let phase = stacks.label("secret phase 1");
        let inner = stacks.stack(&[linear, main]);
        let tensor = stacks.label("secret tensor");
        let mut events = Events::default();
        let (addr, size, stream, time) = (Addr::new(0), Bytes::new(1), StreamId(0), Micros(0));
        let action = Action::Alloc;
        events.push(Event {
            action,
            addr,
            size,
            stream,
            pool: None,
            time,
            stack: inner,
            label: tensor,
        });
        let device = DeviceRecording {
            device: DeviceId(0),
            settings: None,
            events,
            end: None,
            annotations: vec![Annotation { time, starts: true, name: phase }],
        };
        let redacted = redact(Recording {
            format: Format::SnapshotPickle,
            framework: None,
            devices: vec![device],
            pinned_host: None,
            stacks,
            failed_in_capture: false,
            notes: Vec::new(),
        });
        let shown = |id: StackId| -> Vec<String> {
            let frames = redacted.stacks.frames(id);
            frames.map(|f| format!("{}:{} {}", f.file, f.line, f.function)).collect()
        };
        assert_eq!(shown(outer), ["file1.py:3 function1"]);
        assert_eq!(
            shown(inner),
            ["site-packages/torch/linear.py:9 forward", "file1.py:3 function1"]
        );
        assert_eq!(redacted.stacks.text(phase), "label1 1");
        assert_eq!(redacted.stacks.text(tensor), "label2");
    }
}
