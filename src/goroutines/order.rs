//! The one way lists are put in order here: each sort of the standard library is some 8 KB of code for each type.

/// Orders by a key, smaller first, and keeps the order of equals.
pub(crate) fn by<T>(items: Vec<T>, key: impl Fn(&T) -> [u64; 3]) -> Vec<T> {
    let mut order: Vec<([u64; 3], usize)> = items.iter().enumerate().map(|(at, item)| (key(item), at)).collect();
    order.sort_unstable();
    let mut items: Vec<Option<T>> = items.into_iter().map(Some).collect();
    order.into_iter().filter_map(|(_, at)| items.get_mut(at)?.take()).collect()
}

/// For what is to come first when it is more.
pub(crate) fn most(number: u64) -> u64 {
    u64::MAX - number
}
