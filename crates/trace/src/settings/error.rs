//! What PyTorch's parser has against a settings string.

use std::fmt;

/// A settings string that PyTorch refuses. What stands before the place is in force all the same,
/// as in PyTorch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// The byte of the string where the mistake is.
    pub place: usize,
    /// What stands there; empty at the end of the string.
    pub token: String,
    /// What is wrong with it.
    pub mistake: SettingsMistake,
}

/// What is wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsMistake {
    /// A key that PyTorch does not know.
    UnknownKey {
        /// The known one that looks most like it.
        nearest: Option<&'static str>,
    },
    /// The string ends before the value of this key.
    MissingValue {
        /// The key.
        key: String,
    },
    /// A value that is neither `True` nor `False`.
    NotABool {
        /// The key.
        key: String,
    },
    /// A value that is no number.
    NotANumber {
        /// The key.
        key: String,
    },
    /// A number that the key does not take.
    OutOfRange {
        /// The key.
        key: String,
        /// What it takes.
        takes: String,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, token, mistake } = self;
        let at = place + 1;
        match mistake {
            SettingsMistake::UnknownKey { nearest } => {
                write!(out, "`{token}` at character {at} is not a setting of PyTorch")?;
                match nearest {
                    Some(nearest) => write!(out, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            SettingsMistake::MissingValue { key } => {
                write!(out, "`{key}` lacks a value at character {at}; write `{key}:VALUE`")
            }
            SettingsMistake::NotABool { key } => {
                write!(out, "`{key}` takes True or False, not `{token}` at character {at}")
            }
            SettingsMistake::NotANumber { key } => {
                write!(out, "`{key}` takes a number, not `{token}` at character {at}")
            }
            SettingsMistake::OutOfRange { key, takes } => {
                write!(out, "`{key}` takes {takes}, not `{token}` at character {at}")
            }
        }
    }
}

impl std::error::Error for SettingsError {}
