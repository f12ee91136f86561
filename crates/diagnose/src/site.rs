//! The line of a stack that its reader can change.
//!
//! The innermost frames of a stack are the framework's own: every linear layer ends in the same
//! `functional.py`. The *site* is the innermost frame outside of the framework, and stacks are
//! grouped by it wherever people read them.

use std::collections::BTreeMap;

use gapless_trace::{Frame, StackId, Stacks};

/// A line of the program that allocates; several stacks may end there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SiteId(u32);

impl SiteId {
    /// The site of everything without a stack.
    pub const NONE: Self = Self(0);
}

/// The site of every stack of a recording.
#[derive(Clone, Debug)]
pub struct Sites {
    of_stack: Vec<SiteId>,
    /// For each site the first stack met there, and the position of its frame in it.
    known: Vec<(StackId, usize)>,
}

impl Sites {
    /// Finds the site of every stack.
    pub fn of(stacks: &Stacks) -> Self {
        let mut known = vec![(StackId::NONE, 0)];
        let mut ids = BTreeMap::new();
        let of_stack = stacks
            .ids()
            .map(|stack| {
                let Some((depth, frame)) = changeable(stacks, stack) else { return SiteId::NONE };
                *ids.entry((frame.file, frame.line, frame.function)).or_insert_with(|| {
                    known.push((stack, depth));
                    SiteId(u32::try_from(known.len() - 1).unwrap_or(0))
                })
            })
            .collect();
        Self { of_stack, known }
    }

    /// The site of a stack.
    pub fn site(&self, stack: StackId) -> SiteId {
        self.of_stack.get(stack.index()).copied().unwrap_or(SiteId::NONE)
    }

    /// The frame of a site; none for [`SiteId::NONE`].
    pub fn frame<'s>(&self, stacks: &'s Stacks, site: SiteId) -> Option<Frame<'s>> {
        let (stack, depth) = *self.known.get(site.0 as usize)?;
        stacks.frames(stack).nth(depth)
    }
}

/// The innermost frame outside of the framework, or the innermost one where all are inside.
fn changeable(stacks: &Stacks, stack: StackId) -> Option<(usize, Frame<'_>)> {
    let mut frames = stacks.frames(stack).enumerate();
    let outside = frames.clone().find(|(_, frame)| !is_framework(frame));
    outside.or_else(|| frames.next())
}

/// Whether a frame belongs to the framework or the interpreter rather than to the program.
fn is_framework(frame: &Frame<'_>) -> bool {
    const SOURCES: [&str; 8] = [".cpp", ".cc", ".c", ".cu", ".h", ".hpp", ".cuh", ".S"];
    frame.line == 0
        || frame.file.is_empty()
        || frame.file == "??"
        || frame.file.starts_with("<frozen ")
        || is_in_framework(frame.file)
        || SOURCES.iter().any(|ending| frame.file.ends_with(ending))
}

/// Whether a file is of the framework's package: where packages are installed, in a checkout of the
/// framework, or by a path that begins with the package. Other folders may be called like it.
fn is_in_framework(file: &str) -> bool {
    const PACKAGES: [&str; 2] = ["torch", "torch_npu"];
    const ROOTS: [&str; 3] = ["site-packages", "dist-packages", "pytorch"];
    let parts = || file.split(['/', '\\']);
    let root = parts().collect::<Vec<_>>().iter().rposition(|part| ROOTS.contains(part));
    let package = parts().nth(root.map_or(0, |root| root + 1));
    package.is_some_and(|package| PACKAGES.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_called_like_the_framework_is_not_the_framework() {
        for file in [
            "/opt/torch/.venv/lib/python3.12/site-packages/torch/nn/modules/linear.py",
            r"C:\Python\Lib\site-packages\torch\optim\adam.py",
            "/usr/lib/python3/dist-packages/torch_npu/npu/memory.py",
            "/src/pytorch/torch/nn/functional.py",
            "torch/_tensor.py",
        ] {
            assert!(is_in_framework(file), "{file}");
        }
        for file in [
            "/opt/torch/.venv/lib/python3.12/site-packages/transformers/loss/loss_utils.py",
            "/home/me/torch/train.py",
            "/x/site-packages/torchvision/models/vision_transformer.py",
            "train.py",
        ] {
            assert!(!is_in_framework(file), "{file}");
        }
    }

    #[test]
    fn the_site_is_the_innermost_frame_outside_of_the_framework() {
        let mut stacks = Stacks::default();
        let kernel = stacks.frame("/b/CUDACachingAllocator.cpp", 0, "malloc");
        let linear = stacks.frame("/x/site-packages/torch/nn/modules/linear.py", 125, "forward");
        let model = stacks.frame("/x/site-packages/transformers/modeling_llama.py", 66, "forward");
        let train = stacks.frame("/home/me/train.py", 9, "<module>");
        let deep = stacks.stack(&[kernel, linear, model, train]);
        let shallow = stacks.stack(&[linear, model, train]);
        let inside = stacks.stack(&[kernel, linear]);
        let sites = Sites::of(&stacks);
        assert_eq!(sites.site(deep), sites.site(shallow));
        let frame = sites.frame(&stacks, sites.site(deep)).unwrap();
        assert_eq!((frame.line, frame.function), (66, "forward"));
        assert_eq!(sites.frame(&stacks, sites.site(inside)).unwrap().function, "malloc");
        assert_eq!(sites.site(StackId::NONE), SiteId::NONE);
    }
}
