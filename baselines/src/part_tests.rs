use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    FullyRound,
    Square,
}

fn error(field: Field) -> String {
    field.check().unwrap_err().to_string()
}

#[test]
fn a_value_out_of_its_range_is_named_with_what_it_must_be() {
    for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        let said = error(Field::positive("tau", bad, ""));
        assert_eq!(said, format!("tau must be a number above 0, got {bad}"));
    }
    assert_eq!(
        error(Field::share("decay", 1.0, "")),
        "decay must be a number of 0 and above and below 1, got 1"
    );
    assert_eq!(error(Field::probability("p", 1.5, "")), "p must be a number from 0 to 1, got 1.5");
    assert_eq!(
        error(Field::weight("lambda", -1.0, "")),
        "lambda must be a number of 0 and above, got -1"
    );
    assert_eq!(
        error(Field::finite("lambda", f64::NAN, "")),
        "lambda must be a finite number, got NaN"
    );
    let sets = |n| Field::count("sets", n, Range::UpTo(8), "");
    assert_eq!(error(sets(0)), "sets must be 1 or more, got 0");
    assert_eq!(error(sets(9)), "sets must be at most 8, got 9");
    assert_eq!(sets(8).check(), Ok(()));
}

#[test]
fn a_field_inside_of_others_is_called_by_its_path() {
    let inner = InvalidPart::new("p", "a number", "x").within("augmentation").within("parts");
    assert_eq!(inner.field, "parts.augmentation.p");
    assert_eq!(InvalidPart::new("", "left out", "x").within("parts.ada").field, "parts.ada");
}

#[test]
fn a_choice_knows_the_names_of_its_enum() {
    let field = Field::choice("shape", Shape::FullyRound, "");
    let known: &[&str] = &["fully_round", "square"];
    assert_eq!(field.value, FieldValue::Choice { name: "fully_round".into(), known });
    let square = FieldValue::choice(Shape::Square);
    assert_eq!(field.value.parse("square", field.range), Ok(square));
    assert_eq!(
        field.value.parse("round", field.range),
        Err("one of fully_round, square".to_string())
    );
}
