//! Packings of random cycles: sound, and no lower than the bound.

use gapless_plan::{Cycle, Packing, Room, Span};
use gapless_units::Bytes;
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

/// Cycles of up to 200 steps with up to 120 blocks, and some that are always there.
fn cycles() -> impl Strategy<Value = Cycle> {
    (1_u32..200).prop_flat_map(|period| {
        let span = (0..period, 1..=period, 0_u64..1000).prop_map(|(born, life, size)| Span {
            born,
            life,
            size: Bytes::new(size),
            at: None,
        });
        let walls = vec((1_u64..300, 1_u64..600), 0..9).prop_map(move |walls| {
            let mut end = 0;
            let walls = walls.into_iter().map(|(size, room)| {
                let at = Some(Bytes::new(end + room));
                end += room + size;
                Span { born: 0, life: period, size: Bytes::new(size), at }
            });
            walls.collect::<Vec<_>>()
        });
        (vec(span, 0..120), walls).prop_map(move |(mut spans, walls)| {
            spans.extend(walls);
            Cycle::new(period, spans)
        })
    })
}

fn index(offset: Bytes) -> usize {
    usize::try_from(offset.get()).unwrap_or(usize::MAX)
}

/// What is alive at a step, with what is born at it.
fn alive_at(cycle: &Cycle, step: u32) -> Bytes {
    let turns = [step, step + cycle.period()];
    let is_alive = |span: &&Span| turns.iter().any(|step| (span.born..span.dies()).contains(step));
    cycle.spans().iter().filter(is_alive).map(|span| span.size).sum()
}

#[test]
fn as_many_packings_are_made_as_are_paid_for() {
    let always = |_| Span { born: 0, life: 100, size: Bytes::new(512), at: None };
    let cycle = Cycle::new(100, (0..50).map(always).collect());
    let counts = [50 * 50 - 1, 50 * 50, 3 * 50 * 50, 1 << 30];
    assert_eq!(
        counts.map(|pairs| Packing::within(Room::ENDLESS, &cycle, pairs).count()),
        [0, 1, 3, 8]
    );
}

proptest! {
    #[test]
    fn packings_are_sound(cycle in cycles(), page in 1_usize..100) {
        let most = (0..cycle.period()).map(|step| alive_at(&cycle, step)).max();
        prop_assert_eq!(Some(cycle.load()), most);
        prop_assert_eq!(Packing::within(Room::ENDLESS, &cycle, 0).count(), 0);
        let room = Room { page: Bytes::new(page as u64), ..Room::ENDLESS };
        let packings: Vec<Packing> = Packing::within(room, &cycle, usize::MAX).collect();
        let mut pages = Vec::new();
        for packing in &packings {
            prop_assert_eq!(packing.overlap(&cycle), None);
            prop_assert!(cycle.load() <= packing.height());
            let mut bytes = vec![false; index(packing.height())];
            for (span, &at) in cycle.spans().iter().zip(packing.offsets()) {
                prop_assert!(span.at.is_none_or(|there| there == at));
                let end = at + span.size;
                bytes[index(at)..index(end)].fill(true);
            }
            prop_assert_eq!(bytes.last().copied().unwrap_or(true), true);
            let touched = bytes.chunks(page).filter(|page| page.contains(&true)).count();
            pages.push(touched as u64);
        }
        for &pages_of_one in &pages {
            let room = Room { pages: pages_of_one, ..room };
            let fits = packings.iter().zip(&pages).filter(|&(_, &pages)| pages <= room.pages);
            let fits: Vec<Packing> = fits.map(|(packing, _)| packing.clone()).collect();
            prop_assert_eq!(Packing::within(room, &cycle, usize::MAX).collect::<Vec<_>>(), fits);
        }
    }

    /// Blocks that die in the reverse order of their births are a stack.
    #[test]
    fn a_stack_is_packed_to_the_bound(sizes in vec(1_u64..1000, 1..60)) {
        let depth = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
        let spans = (0..).zip(&sizes).map(|(born, &size)| {
            Span { born, life: 2 * (depth - born), size: Bytes::new(size), at: None }
        });
        let cycle = Cycle::new(2 * depth, spans.collect());
        let heights = Packing::within(Room::ENDLESS, &cycle, usize::MAX).map(|packing| packing.height());
        prop_assert_eq!(heights.min(), Some(cycle.load()));
    }
}
