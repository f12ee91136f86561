//! The program as a person meets it: what it prints, where, and how it ends.

mod run;

mod advice;
mod comparisons;
mod endings;
mod examples;
mod facts;
mod findings;
mod hostile;
mod readme;
mod redaction;
mod replays;
mod screens;
mod several;
mod wrong_input;
