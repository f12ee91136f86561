//! What several commands let be typed about the card and the costs.

use std::num::ParseIntError;
use std::path::Path;

use gapless::device::{Card, Costs};
use gapless::trace::{DeviceRecording, Release, Settings};
use gapless::units::{Bytes, DeviceId, ParseBytesError};

use crate::failure::{Failure, Refusal};
use crate::input::Input;
use crate::output::Output;

/// A size such as `40GiB`.
pub(super) fn size(text: &str) -> Result<Bytes, String> {
    let size: Bytes = text.parse().map_err(|error: ParseBytesError| error.to_string())?;
    let largest = DeviceRecording::LARGEST_SIZE;
    if largest < size { Err(format!("at most {largest}")) } else { Ok(size) }
}

/// A size such as `40GiB`, or a card such as `A100 40GB`, or enough of its name.
pub(super) fn capacity(text: &str) -> Result<Bytes, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number && text.parse::<Bytes>().is_ok() {
        return size(text);
    }
    if let Some(card) = Card::named(text) {
        return Ok(card.memory);
    }
    let wanted = text.to_lowercase();
    let like = Card::catalog().into_iter();
    let like: Vec<Card> = like.filter(|it| it.name.to_lowercase().contains(&wanted)).collect();
    match &*like {
        // `4090` is a card; other numbers are bytes.
        [] | [_, _, ..] if is_number => size(text),
        [] => Err("write a size such as 40GiB, or a card such as `A100 40GB`".to_owned()),
        [card] => Ok(card.memory),
        _ => {
            let names: Vec<&str> = like.iter().map(|card| &*card.name).collect();
            Err(format!("several cards are called so: {}", names.join(", ")))
        }
    }
}

/// A device by its number.
pub(super) fn device(text: &str) -> Result<DeviceId, ParseIntError> {
    text.parse().map(DeviceId)
}

/// Refuses a page that would be shown on a terminal, or be of several recordings; and any result
/// that would replace what it is made from.
pub(super) fn may_write(is_page: bool, output: &Output, inputs: &[Input]) -> Result<(), Failure> {
    if is_page && output.is_terminal() {
        return Err(Failure::PageOnTerminal);
    }
    if is_page && 1 < inputs.len() {
        return Err(Failure::OnePageEach { count: inputs.len() });
    }
    output.spare(inputs)
}

/// A release such as `2.15`.
pub(super) fn release(text: &str) -> Result<Release, String> {
    let refused = || "write a release of PyTorch such as 2.15".to_owned();
    let (major, minor) = text.split_once('.').ok_or_else(refused)?;
    // A patch level changes no rule.
    let minor = minor.split('.').next().unwrap_or(minor);
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) if (1..10).contains(&major) => Ok(Release::new(major, minor)),
        _ => Err(refused()),
    }
}

/// A settings string, or PyTorch's own verdict on it with the place marked.
pub(super) fn settings(text: &str) -> Result<Settings, String> {
    Settings::parse(text).map_err(|error| {
        let before = text.get(..error.place).unwrap_or(text).chars().count();
        format!("{error}\n\n    {text}\n    {:before$}^", "")
    })
}

/// What `--costs` takes.
pub(super) fn costs_in_short() -> String {
    let presets: Vec<&str> = Costs::presets().collect();
    format!("What the device's calls take: {}, or a file like those", presets.join(", "))
}

/// The same, and what such a file is.
pub(super) fn costs_in_full() -> String {
    format!(
        "{}\n\nA file is {}. `bench/calibrate.py` of gapless' repository measures a card and writes one.",
        costs_in_short(),
        Costs::file_format(),
    )
}

/// A preset of costs, or the file of that name.
pub(super) fn costs(name: &str) -> Result<Costs, Failure> {
    if let Some(costs) = Costs::preset(name) {
        return Ok(costs);
    }
    let path = Path::new(name);
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Costs { name: name.to_owned(), source: Refusal::from(error) })?;
    Costs::read(name, &text).map_err(|source| Failure::BadCosts { name: name.to_owned(), source })
}
