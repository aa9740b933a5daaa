//! Bytes of a message, taken from the front.

/// What is left of them.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A number of so many bytes, four at most.
    pub(super) fn number<const N: usize>(&mut self) -> Option<u32> {
        Some(self.take(N)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// A vector, its length in so many bytes before it.
    pub(super) fn vector<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.number::<N>()?;
        self.take(length as usize)
    }
}
