//! What several commands let be typed about our own allocator.

use clap::Args;
use gapless::allocator::{PageSize, Slack};
use gapless::device::Sim;
use gapless::replay::GaplessSettings;
use gapless::units::Bytes;

/// Its settings, as far as they were typed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct OurSettings {
    /// What `gapless` keeps beyond the most that was alive, to save calls: 5% or 0.05 [default: 1%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    slack: Option<f64>,

    /// What `gapless` asks of the device, maps and moves as one, to save calls: a power of two, or the
    /// next [default: 2MiB]
    #[arg(long, value_name = "SIZE", value_parser = page)]
    page: Option<PageSize>,
}

impl OurSettings {
    /// The settings, where any was typed.
    pub(crate) fn given(self) -> Option<GaplessSettings> {
        let Self { slack, page } = self;
        (slack.is_some() || page.is_some()).then(|| GaplessSettings {
            slack: slack.map(|share| Slack { share, ..Slack::DEFAULT }).unwrap_or_default(),
            page: page.unwrap_or_default(),
        })
    }
}

/// A size of pages that can be counted with.
fn page(text: &str) -> Result<PageSize, String> {
    let size = text.parse::<Bytes>().map_err(|error| error.to_string())?;
    let largest = PageSize::LARGEST.over(Sim::GRANULE);
    let page = (size <= largest).then(|| PageSize::at_least(size));
    page.ok_or_else(|| format!("pages have at most {largest}"))
}

/// A share of the whole.
fn share(text: &str) -> Result<f64, String> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent, 100.0));
    let share = number.trim().parse::<f64>().map(|number| number / whole);
    let share = share.ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "write a share such as 5% or 0.05".to_owned())
}
