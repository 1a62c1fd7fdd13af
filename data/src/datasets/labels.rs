//! Numbers that stand for classes: when they count as labels, and why they do not.

/// What a set says of the classes of its images. Its images have labels all of them, or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Labels {
    pub known: Option<Vec<u32>>,
    /// Where something stands in the place of labels: why it is none. A whole sentence.
    pub fault: Option<String>,
}

impl Labels {
    pub(crate) fn faulty(fault: impl Into<String>) -> Self {
        Self { known: None, fault: Some(fault.into()) }
    }

    /// Labels as stored, in row order; `None` is null. Both null and -1 say that an image has no
    /// label, as the hub stores test splits. `place` is what the sentence calls a row.
    pub(crate) fn from_numbers(
        place: impl Fn(usize) -> String,
        numbers: impl IntoIterator<Item = Option<i128>>,
    ) -> Self {
        let mut known = Vec::new();
        let (mut first_missing, mut first_known) = (None, None);
        for (row, number) in numbers.into_iter().enumerate() {
            match number {
                None => first_missing = first_missing.or(Some((row, "null"))),
                Some(-1) => first_missing = first_missing.or(Some((row, "-1"))),
                Some(number) => match u32::try_from(number) {
                    Ok(label) => {
                        first_known = first_known.or(Some(row));
                        known.push(label);
                    }
                    Err(_) => {
                        return Self::faulty(format!(
                            "{} is {number}, expected labels of 0 and above, below 2 to the power of 32",
                            place(row)
                        ));
                    }
                },
            }
        }
        match (first_missing, first_known) {
            (None, _) => Self { known: Some(known), fault: None },
            (Some((row, what)), None) => Self::faulty(format!(
                "{} has the label {what}, which stands for an image without a label, and so have all others",
                place(row)
            )),
            (Some((row, what)), Some(other)) => Self::faulty(format!(
                "{} has the label {what}, which stands for an image without a label, but {} has one; label \
                 every image",
                place(row),
                place(other)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(numbers: &[Option<i128>]) -> String {
        let labels = Labels::from_numbers(|row| format!("x row {row}"), numbers.iter().copied());
        assert_eq!(labels.known, None);
        labels.fault.unwrap()
    }

    #[test]
    fn labels_are_known_where_every_image_has_one() {
        let numbers = [3, 0, i128::from(u32::MAX)];
        let labels = Labels::from_numbers(|_| String::new(), numbers.map(Some));
        assert_eq!(labels, Labels { known: Some(vec![3, 0, u32::MAX]), fault: None });
    }

    #[test]
    fn minus_one_and_null_stand_for_no_label_and_a_mixture_names_its_row() {
        assert_eq!(
            fault(&[Some(-1), Some(-1)]),
            "x row 0 has the label -1, which stands for an image without a label, and so have all others"
        );
        assert_eq!(
            fault(&[None, Some(-1)]),
            "x row 0 has the label null, which stands for an image without a label, and so have all others"
        );
        assert_eq!(
            fault(&[Some(4), Some(5), Some(-1), None]),
            "x row 2 has the label -1, which stands for an image without a label, but x row 0 has \
             one; label every image"
        );
    }

    #[test]
    fn other_numbers_are_no_labels() {
        let expected = "expected labels of 0 and above, below 2 to the power of 32";
        assert_eq!(fault(&[Some(0), Some(-2)]), format!("x row 1 is -2, {expected}"));
        assert_eq!(fault(&[Some(1 << 32)]), format!("x row 0 is 4294967296, {expected}"));
    }
}
