//! Certificates (RFC 5280): when one is valid and what its extensions say, with just enough of DER for that. Pure.

/// Elements of DER, taken from the front. What is left of them.
#[derive(Clone, Copy, Debug)]
pub struct Der<'a>(pub &'a [u8]);

impl<'a> Der<'a> {
    /// The tag of the next element.
    pub fn tag(self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element, if it has this tag: what is in it.
    pub fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }
}

/// Tags and contents. An element that is cut, or of more than 4 GiB, ends it.
impl<'a> Iterator for Der<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, first) = (*self.0.first()?, *self.0.get(1)?);
        let (length, start) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let count = usize::from(first & 0x7f);
            let bytes = self.0.get(2..2 + count).filter(|_| (1..=4).contains(&count))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), 2 + count)
        };
        let end = start.checked_add(length)?;
        let content = self.0.get(start..end)?;
        self.0 = self.0.get(end..)?;
        Some((tag, content))
    }
}

/// The version of a certificate, which the first one does not have, and the fields behind it: serial, algorithm, issuer, validity,
/// subject, key, and what else there is.
pub fn fields(certificate: &[u8]) -> Option<(Option<&[u8]>, Der<'_>)> {
    let mut fields = Der(Der(Der(certificate).content(0x30)?).content(0x30)?);
    let version = if fields.tag() == Some(0xa0) { Some(fields.content(0xa0)?) } else { None };
    Some((version, fields))
}

/// What the extension with the object identifier 2.5.29.`number` says, if a certificate has it.
pub fn extension(certificate: &[u8], number: u8) -> Option<&[u8]> {
    let (_, mut fields) = fields(certificate)?;
    let (_, extensions) = fields.find(|(tag, _)| *tag == 0xa3)?;
    let mut list = Der(Der(extensions).content(0x30)?);
    loop {
        let mut one = Der(list.content(0x30)?);
        if one.content(6)? == [0x55, 0x1d, number] {
            // Whether it is critical.
            if one.tag() == Some(1) {
                one.content(1)?;
            }
            return one.content(4);
        }
    }
}

/// From when and until when a certificate is valid, each as YYYYMMDDhhmmss.
pub fn validity(certificate: &[u8]) -> Option<(u64, u64)> {
    let (_, mut fields) = fields(certificate)?;
    let mut times = Der(fields.nth(3)?.1);
    let (from, until) = (times.next()?, times.next()?);
    Some((time(from)?, time(until)?))
}

/// UTCTime or GeneralizedTime as YYYYMMDDhhmmss.
fn time((tag, text): (u8, &[u8])) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = text.iter().take(digits.min(14)).fold(0u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match (tag, digits) {
        // UTCTime has two digits for the year, from 1950.
        (0x17, 12) => Some(number + if number / 10_000_000_000 < 50 { 20_000_000_000_000 } else { 19_000_000_000_000 }),
        (0x18, 14) => Some(number),
        _ => None,
    }
}

/// Seconds since 1970 as YYYYMMDDhhmmss. The calendar is that of Howard Hinnant's civil_from_days.
pub fn moment(seconds: u64) -> u64 {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    (year * 10_000 + month * 100 + day) * 1_000_000 + second / 3600 * 10_000 + second / 60 % 60 * 100 + second % 60
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments() {
        assert_eq!(moment(0), 19_700_101_000_000);
        assert_eq!(moment(951_782_400 + 3_661), 20_000_229_010_101);
        assert_eq!(moment(1_795_564_800), 20_261_125_000_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(der in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (validity(&der), extension(&der, 19));
        }
    }
}
