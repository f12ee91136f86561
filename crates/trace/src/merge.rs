//! Recordings of several devices as one, as a process with several of them writes it.

use crate::event::Events;
use crate::recording::{DeviceRecording, Recording};
use crate::stacks::{LabelId, StackId, Stacks};

impl Recording {
    /// Adds what another recording says: its devices with their stacks and labels, and its notes.
    /// Devices are told apart by [`DeviceRecording::device`], which is for the caller to set before.
    /// Pinned host memory is taken over where this recording has none.
    pub fn merge(&mut self, mut other: Self) {
        let names = Names::taken_over(&mut self.stacks, &other.stacks);
        let devices = other.devices.iter_mut().chain(&mut other.pinned_host);
        devices.for_each(|device| names.rename_in(device));
        self.devices.append(&mut other.devices);
        self.devices.sort_by_key(|device| device.device);
        self.pinned_host = self.pinned_host.take().or(other.pinned_host);
        self.failed_in_capture |= other.failed_in_capture;
        self.notes.append(&mut other.notes);
    }
}

/// What the stacks and labels of a recording are called in another, by their places.
#[derive(Debug)]
struct Names {
    stacks: Vec<StackId>,
    labels: Vec<LabelId>,
}

impl Names {
    fn taken_over(own: &mut Stacks, other: &Stacks) -> Self {
        let labels = other.labels().map(|id| own.label(other.text(id))).collect();
        let stacks = other.ids().map(|id| {
            let frames = other.frames(id);
            let frames: Vec<_> =
                frames.map(|it| own.frame(it.file, it.line, it.function)).collect();
            own.stack(&frames)
        });
        Self { stacks: stacks.collect(), labels }
    }

    fn stack(&self, stack: StackId) -> StackId {
        self.stacks.get(stack.index()).copied().unwrap_or_default()
    }

    fn label(&self, label: LabelId) -> LabelId {
        self.labels.get(label.index()).copied().unwrap_or_default()
    }

    fn rename_in(&self, device: &mut DeviceRecording) {
        let events = device.events.iter().map(|mut event| {
            event.stack = self.stack(event.stack);
            event.label = self.label(event.label);
            event
        });
        let mut renamed = Events::with_capacity(device.events.len());
        events.for_each(|event| renamed.push(event));
        device.events = renamed;
        for segment in device.end.iter_mut().flatten() {
            segment.stack = self.stack(segment.stack);
            segment.blocks.iter_mut().for_each(|block| block.stack = self.stack(block.stack));
        }
        for annotation in &mut device.annotations {
            annotation.name = self.label(annotation.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use gapless_units::{Addr, Bytes, DeviceId, Micros, PoolId, StreamId};

    use super::*;
    use crate::event::{Action, Event};
    use crate::recording::Annotation;
    use crate::segment::{BlockState, FinalBlock, FinalSegment, SizePool};

    /// A recording in which everything carries a stack of this many lines and this label.
    fn recording(device: u32, lines: u32, label: &str) -> Recording {
        let mut stacks = Stacks::default();
        let frames: Vec<_> = (0..lines).map(|line| stacks.frame(label, line, "step")).collect();
        let stack = stacks.stack(&frames);
        let name = stacks.label(label);
        let mut events = Events::default();
        events.push(Event {
            action: Action::Alloc,
            addr: Addr::new(0),
            size: Bytes::mib(1),
            stream: StreamId::DEFAULT,
            pool: None,
            time: Micros(7),
            stack,
            label: name,
        });
        let block = FinalBlock {
            addr: Addr::new(0),
            size: Bytes::mib(1),
            requested: Bytes::mib(1),
            state: BlockState::Allocated,
            stack,
        };
        let segment = FinalSegment {
            addr: Addr::new(0),
            size: Bytes::mib(1),
            stream: StreamId::DEFAULT,
            pool: PoolId::DEFAULT,
            size_pool: SizePool::Small,
            expandable: false,
            allocated: None,
            stack,
            blocks: vec![block],
            pinned: Vec::new(),
        };
        let device = DeviceRecording {
            device: DeviceId(device),
            settings: None,
            events,
            end: Some(vec![segment]),
            annotations: vec![Annotation { time: Micros(7), starts: true, name }],
        };
        Recording::of_one(device, stacks)
    }

    #[test]
    fn each_device_keeps_its_stacks_and_labels() {
        let mut all = recording(1, 2, "first");
        all.merge(recording(2, 3, "second"));
        all.merge(recording(0, 1, "first"));
        let ids: Vec<DeviceId> = all.devices.iter().map(|it| it.device).collect();
        assert_eq!(ids, [0, 1, 2].map(DeviceId));
        for (device, (lines, label)) in
            all.devices.iter().zip([(1, "first"), (2, "first"), (3, "second")])
        {
            let event = device.events.get(0);
            let segment = &device.end.as_ref().unwrap()[0];
            for stack in [event.stack, segment.stack, segment.blocks[0].stack] {
                let frames = all.stacks.frames(stack);
                assert_eq!(frames.len(), lines);
                assert!(frames.clone().all(|frame| frame.file == label));
            }
            assert_eq!(all.stacks.text(event.label), label);
            assert_eq!(all.stacks.text(device.annotations[0].name), label);
        }
    }

    #[test]
    fn what_a_table_does_not_have_is_nothing_in_the_other() {
        let mut other = recording(1, 2, "other");
        other.stacks = Stacks::default();
        let mut all = recording(0, 1, "first");
        all.merge(other);
        let event = all.devices[1].events.get(0);
        assert_eq!((event.stack, event.label), (StackId::NONE, LabelId::EMPTY));
    }
}
