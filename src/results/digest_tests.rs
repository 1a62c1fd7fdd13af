use ganbench_reports::{COLUMNS, ResultRow};

use super::super::tests::row;
use super::super::{PARQUET_NAME, ResultsError, check_digest, files, read_rows, table};
use super::*;

/// The rows of a file with a change, written with the digest that the file carried, as a program
/// does that keeps what it does not know.
fn edited(rows: &[ResultRow], change: impl Fn(&mut DataFrame)) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = files::write(dir.path(), rows).unwrap();
    let mut frame = table::read_frame(&path).unwrap().unwrap();
    let digest = rows_sha256(&frame).unwrap();
    change(&mut frame);
    let notes = KeyValueMetadata::from_static(vec![(KEY.into(), digest)]);
    let file = std::fs::File::create(&path).unwrap();
    ParquetWriter::new(file).with_key_value_metadata(Some(notes)).finish(&mut frame).unwrap();
    let said = match read_rows(&path) {
        Ok(_) => String::new(),
        Err(error @ ResultsError::Changed { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
    };
    (dir, said)
}

fn rows() -> Vec<ResultRow> {
    let mut rows = vec![row("a", "last", 1.0), row("a", "best", 0.0), row("b", "last", 2.5)];
    rows[1].value = None;
    rows[1].train_s = 0.0;
    rows[1].status = ganbench_reports::Status::Diverged;
    rows
}

#[test]
fn a_results_file_of_changed_rows_is_named_with_what_to_do() {
    let (_, said) = edited(&rows(), |_| {});
    assert_eq!(said, "");
    let put = |name: &'static str, values: Series| {
        move |frame: &mut DataFrame| {
            frame.with_column(values.clone().with_name(name.into()).into_column()).unwrap();
        }
    };
    // The least change of a number, a zero of the other sign, nothing for a number, another
    // method; a row less, rows in another order, a column more.
    let bits = f64::from_bits(1f64.to_bits() + 1);
    type Change = Box<dyn Fn(&mut DataFrame)>;
    let changes: [Change; 7] = [
        Box::new(put("value", Series::new("".into(), [Some(bits), None, Some(2.5)]))),
        Box::new(put("train_s", Series::new("".into(), [81.25, -0.0, 81.25]))),
        Box::new(put("value", Series::new("".into(), [Some(1.0), None, None]))),
        Box::new(put("method", Series::new("".into(), ["gan", "gan", "kdd"]))),
        Box::new(|frame| *frame = frame.head(Some(2))),
        Box::new(|frame| *frame = frame.reverse()),
        Box::new(put("note", Series::new("".into(), ["", "", ""]))),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let (dir, said) = edited(&rows(), change);
        let path = dir.path().join(PARQUET_NAME);
        let expected = format!(
            "{} was changed after it was written: its rows are not those of the digest that it carries; put back what \
             was there, or make it again from its runs with `ganbench report`. Where the change is meant, save the \
             rows without the key ganbench.rows_sha256",
            path.display()
        );
        assert_eq!(said, expected, "change {i}");
        assert!(check_digest(&path).is_err());
    }
}

#[test]
fn a_file_without_a_digest_is_read_and_known_to_have_none() {
    let dir = tempfile::tempdir().unwrap();
    for rows in [rows(), Vec::new()] {
        let (path, _) = files::write(dir.path(), &rows).unwrap();
        assert!(check_digest(&path).unwrap());
        let mut frame = table::read_frame(&path).unwrap().unwrap();
        ParquetWriter::new(std::fs::File::create(&path).unwrap()).finish(&mut frame).unwrap();
        assert!(!check_digest(&path).unwrap());
        assert_eq!(read_rows(&path).unwrap(), rows);
    }
    assert!(COLUMNS.iter().all(|column| column.name != KEY));
}
