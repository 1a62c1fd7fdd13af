//! Whether the scans of a JPEG file say each coefficient once and to the last bit.
//!
//! Decoders go on where scans are missing or doubled, each in its own way: libjpeg-turbo blurs
//! between blocks that are not yet whole, and takes what comes twice as a refinement. Such a file
//! was cut or put together from parts.

use super::Fault;

const COEFFICIENTS: usize = 64;

/// A channel's identifier, and of each coefficient the bits that are still to come; none before its
/// first scan.
struct Channel {
    id: u8,
    bits: [Option<u8>; COEFFICIENTS],
}

/// # Errors
/// If scans lack or do not follow upon one another.
pub(super) fn check(file: &[u8]) -> Result<(), Fault> {
    let mut channels: Vec<Channel> = Vec::new();
    let mut is_progressive = false;
    let mut at = 2;
    while let Some(marker) = next_marker(file, &mut at) {
        // Restarts, the start of an image and one that has no meaning have no length.
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            continue;
        }
        if marker == 0xd9 {
            break;
        }
        let Some(body) = segment(file, &mut at) else { break };
        match marker {
            0xc0..=0xc2 => {
                is_progressive = marker == 0xc2;
                let ids = body.get(6..).unwrap_or_default().chunks_exact(3).map(|c| c[0]);
                channels = ids.map(|id| Channel { id, bits: [None; COEFFICIENTS] }).collect();
            }
            0xda if !scan(body, &mut channels, is_progressive) => {
                return damaged("of scans that do not follow upon one another");
            }
            _ => {}
        }
    }
    match channels.iter().all(|channel| channel.bits == [Some(0); COEFFICIENTS]) {
        true => Ok(()),
        false => damaged("that lacks scans"),
    }
}

fn damaged(what: &str) -> Result<(), Fault> {
    Err(Fault::Damaged(format!("is a JPEG image {what}")))
}

/// The next marker from `at` on, which comes to stand behind it.
fn next_marker(file: &[u8], at: &mut usize) -> Option<u8> {
    let rest = file.get(*at..)?;
    let found = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0 | 0xff))?;
    *at += found + 2;
    Some(rest[found + 1])
}

/// What a segment holds behind its length; `at` comes to stand behind it.
fn segment<'a>(file: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let length = file.get(*at..*at + 2)?;
    let end = *at + usize::from(u16::from_be_bytes([length[0], length[1]]));
    let body = file.get(*at + 2..end)?;
    *at = end;
    Some(body)
}

/// Takes in the head of a scan; whether it follows upon those before it.
fn scan(head: &[u8], channels: &mut [Channel], is_progressive: bool) -> bool {
    let Some((&count, rest)) = head.split_first() else { return false };
    let Some((of_channels, [first, last, bits, ..])) =
        rest.split_at_checked(2 * usize::from(count))
    else {
        return false;
    };
    let (first, last) = (usize::from(*first), usize::from(*last));
    let (before, after) = (bits >> 4, bits & 15);
    let range_fits = match is_progressive {
        false => (first, last) == (0, COEFFICIENTS - 1) && *bits == 0,
        true if first == 0 => last == 0,
        true => first <= last && last < COEFFICIENTS && count == 1,
    };
    if !range_fits || (before > 0 && before != after + 1) {
        return false;
    }
    of_channels.chunks_exact(2).all(|of_channel| {
        let Some(channel) = channels.iter_mut().find(|channel| channel.id == of_channel[0]) else {
            return false;
        };
        // The mean of a block comes before its details.
        let is_begun = first == 0 || channel.bits[0].is_some();
        let expected = (before > 0).then_some(before);
        let follows = channel.bits[first..=last].iter().all(|bits| *bits == expected);
        channel.bits[first..=last].fill(Some(after));
        is_begun && follows
    })
}

#[cfg(test)]
#[path = "scans_tests.rs"]
mod tests;
