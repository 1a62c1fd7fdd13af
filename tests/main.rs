//! The program as a user runs it: real commands, real files.

/// Running `ganbench`, and what it said.
mod program;

/// `reproduce`, `train`, `report`: from images to tables.
mod reproduce;

/// `bench`: its lines, and a comparison with another program.
mod bench;

/// `sample`.
mod sample;

/// Wrong usage and bad input: messages and exit codes.
mod refusals;
