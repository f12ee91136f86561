//! Requests that are made again when the program has made room.

use gapless_units::Bytes;

use crate::failure::AllocationError;

/// Makes a request, and again as long as `make_room`, which is told how many bytes are missing, says
/// that it freed some.
pub(super) fn request_or_make_room<A, B>(
    allocator: &mut A,
    request: impl Fn(&mut A) -> Result<B, AllocationError>,
    mut make_room: impl FnMut(&mut A, Bytes) -> bool,
) -> Result<B, AllocationError> {
    loop {
        match request(allocator) {
            Err(error) if error.missing().is_some_and(|bytes| make_room(allocator, bytes)) => {}
            answer => return answer,
        }
    }
}
