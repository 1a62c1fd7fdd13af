//! Errors in words.

/// The error with its causes, each said once: some errors already quote theirs.
pub fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    #[test]
    fn a_cause_that_is_quoted_already_is_not_said_again() {
        let error = anyhow!("no space left").context("cannot write a.npz: no space left");
        assert_eq!(super::with_causes(&error), "cannot write a.npz: no space left");
        let error = anyhow!("no space left").context("cannot write a.npz");
        assert_eq!(super::with_causes(&error), "cannot write a.npz: no space left");
    }
}
