//! A card, where there is one. Where there is no driver the device says so, and nothing else is asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gapless_device::{Cuda, CudaError, CudaSetup, CudaWork, Device, DeviceError};
use gapless_units::{Addr, Bytes, Extent, StreamId};

/// One test has the card at a time: where one frees memory the driver lets the calls of all wait until
/// the card is idle.
static TURN: Mutex<()> = Mutex::new(());

/// The first card, and the turn to use it.
fn card() -> Option<(Cuda, MutexGuard<'static, ()>)> {
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match Cuda::open(CudaSetup::default()) {
        Ok(card) => Some((card, turn)),
        Err(error @ CudaError::NoDriver { .. }) => {
            let told = error.to_string();
            assert!(told.starts_with("there is no NVIDIA driver: "), "{told}");
            None
        }
        // A driver without a card that may be used.
        Err(_) => None,
    }
}

fn behind(start: Addr, size: Bytes) -> Extent {
    Extent::between(start, start + size)
}

#[test]
fn one_page_shows_the_same_bytes_wherever_it_is_mapped() {
    let Some((mut card, _turn)) = card() else { return };
    let work = CudaWork::new(card.clone()).unwrap();
    let (one, stream) = (card.granule(), card.make_stream().unwrap());
    let reservation = card.reserve(Bytes::new(3 * one.get())).unwrap();
    let first = behind(reservation.start(), one);
    let second = behind(first.end() + one, one);
    let handle = card.create(one).unwrap();
    assert!(work.fill(stream, first, 7).is_err(), "nothing is mapped there");
    for place in [first, second] {
        card.map(place.start(), handle).unwrap();
        card.set_access(place).unwrap();
    }
    work.fill(stream, first, 7).unwrap();
    work.check(stream, second, 7).unwrap();
    card.wait_for_stream(stream).unwrap();
    assert_eq!(work.wrong_words().unwrap(), 0);
    // Who looks for something else sees that it is not there.
    work.check(stream, second, 8).unwrap();
    card.wait_for_stream(stream).unwrap();
    assert_eq!(work.wrong_words().unwrap(), one.get() / 4);
    // What is left shows the bytes where the other mapping is gone, also without the handle.
    card.unmap(first).unwrap();
    card.release(handle).unwrap();
    work.check(stream, second, 7).unwrap();
    card.wait_for_stream(stream).unwrap();
    assert_eq!(work.wrong_words().unwrap(), one.get() / 4);
    card.unmap(second).unwrap();
    card.unreserve(reservation).unwrap();
    assert_eq!(card.used(), Bytes::ZERO);
}

#[test]
fn events_end_when_their_work_does() {
    let Some((mut card, _turn)) = card() else { return };
    let work = CudaWork::new(card.clone()).unwrap();
    let [busy, other] = [(); 2].map(|()| card.make_stream().unwrap());
    work.delay(busy, 200_000_000).unwrap();
    let event = card.record_event(busy).unwrap();
    assert!(!card.is_complete(event).unwrap());
    let idle = card.record_event(other).unwrap();
    card.wait_for_event(idle).unwrap();
    assert!(!card.is_complete(event).unwrap());
    card.make_wait(other, event).unwrap();
    let later = card.record_event(other).unwrap();
    assert!(!card.is_complete(later).unwrap());
    card.wait_for_event(later).unwrap();
    assert!(card.is_complete(event).unwrap());
    for event in [event, idle, later] {
        card.drop_event(event).unwrap();
    }
}

#[test]
fn only_known_streams_are_used() {
    let Some((mut card, _turn)) = card() else { return };
    let is_unknown = |answer: Result<(), DeviceError>| {
        let reason = "there is no such stream";
        matches!(answer, Err(DeviceError::Invalid { reason: told, .. }) if told == reason)
    };
    assert!(is_unknown(card.wait_for_stream(StreamId(77))));
    assert!(is_unknown(card.record_event(StreamId(77)).map(drop)));
    let stream = card.make_stream().unwrap();
    let event = card.record_event(stream).unwrap();
    card.forget_stream(stream).unwrap();
    assert!(is_unknown(card.wait_for_stream(stream)));
    card.wait_for_event(event).unwrap();
    assert!(card.forget_stream(StreamId::DEFAULT).is_err());
    card.wait_for_stream(StreamId::DEFAULT).unwrap();
}

#[test]
fn there_is_no_card_of_any_number() {
    let Some(_turn) = card() else { return };
    let error = Cuda::open(CudaSetup { ordinal: 999, limit: None }).unwrap_err();
    assert!(error.to_string().starts_with("the NVIDIA driver refuses card 999: "), "{error}");
}

#[test]
fn larger_cards_have_larger_pages() {
    let Some(_turn) = card() else { return };
    for (limit, page) in [(1, 2), (31, 2), (63, 2), (64, 4), (127, 4)] {
        let limit = Bytes::gib(limit);
        let opened = Cuda::open(CudaSetup { ordinal: 0, limit: Some(limit) });
        let card = opened.unwrap();
        let has_so_much = card.memory().total == limit;
        assert!(!has_so_much || card.page() == Bytes::mib(page), "{limit}: {}", card.page());
    }
}
