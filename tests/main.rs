//! The program as a user runs it: real commands, real files.

/// Running `ganbench`, and what it said.
mod program;

/// Images and features made for a test, in every kind of file.
mod pictures;

/// `reproduce`, `train`, `report`: from images to tables.
mod reproduce;

/// The anchors of a table: real images and an untrained generator, measured as its rows are.
mod anchors;

/// `kept`: experiments that go on where they stopped, here or on another machine.
mod kept;

/// Notes of tables whose runs differ in more than their method.
mod fairness;
/// Runs that are stopped, killed, damaged and gone on with.
mod runs;

/// Batches that would not fit into memory.
mod memory;

/// Full disks, and files that name places outside their folder.
mod faults;

/// `bench`: its lines, and a comparison with another program.
mod bench;

/// `sample`.
mod sample;

/// `eval`, `features`, `metrics`: numbers from every kind of source.
mod eval;

/// `eval` and `metrics` of files, reference batches, classes and runs: what a side may be.
mod sides;

/// Older versions of extractors, and runs that were measured by them.
mod versions;

/// Features that are kept from one `eval` for the next.
mod cache;

/// `metrics` on files that are damaged or hold the wrong numbers.
mod bad_features;

/// Images that are damaged, lie or are too few, and flags that cannot be.
mod bad_images;

/// What was left out, converted or looks odd on the way from files to pixels.
mod images_read;
mod intra_class;

/// `examples/`: the library as others use it.
mod examples;

/// `loss`.
mod loss;

/// `compare`.
mod compare;

/// `drift` and `probe`.
mod drift;

/// `sensitivity`.
mod sensitivity;

/// `agreement`.
mod agreement;

/// `fetch` and `verify-extractor`.
mod fetch;

/// Folders of one's own: splits, sizes, names, labels.
mod folders;

/// Sets that are sorted by class.
mod sorted;

/// Runs that were changed or lost rows, and how each command names that.
mod integrity;

/// Names from files that steer a terminal, a spreadsheet or a typesetter.
mod hostile_names;

/// Licences, sources and duplicates of all crates.
mod supply;

/// Where `unsafe` stands, and that it says what it relies on.
mod unsafe_code;

/// Wrong usage and bad input: messages and exit codes.
mod refusals;

/// What the documents say and link to.
mod documents;
