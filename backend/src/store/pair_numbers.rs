//! The numbers of a span's attributes as `spans.attribute_ids` holds them.
//!
//! Two to five bytes each, one after the other. The first byte of a number has the highest bit, the others
//! do not; its next bits tell how many others follow, each with seven bits of the number. So the bytes of a
//! number occur nowhere but where the number is, and `position(bytea IN bytea)` finds it. Much less than
//! `int[]`, which no compression makes small, because numbers of pairs that come together are far apart.

/// Highest numbers of two, three and four bytes, and the highest bits of their first byte.
const SHORT: [(u32, u8); 3] = [(1 << 13, 0x80), (1 << 19, 0xc0), (1 << 25, 0xe0)];

/// Appends a number. Negative ones are never given.
pub fn push(bytes: &mut Vec<u8>, number: i32) {
    let number = number.cast_unsigned();
    let short = SHORT.iter().position(|(end, _)| number < *end);
    let others = short.map_or(4, |index| index + 1);
    let first = short.map_or(0xf0, |index| SHORT[index].1);
    bytes.push(first | (number >> (7 * others)) as u8);
    for place in (0..others).rev() {
        bytes.push((number >> (7 * place)) as u8 & 0x7f);
    }
}

/// The bytes of a number, to look for.
pub fn bytes(number: i32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(5);
    push(&mut bytes, number);
    bytes
}

/// The numbers in their order.
pub fn read(bytes: &[u8]) -> Vec<i32> {
    let mut numbers: Vec<u32> = Vec::with_capacity(bytes.len().div_ceil(3));
    for &byte in bytes {
        match (byte, numbers.last_mut()) {
            (0xe0.., _) => numbers.push(u32::from(byte & 0x0f)),
            (0xc0.., _) => numbers.push(u32::from(byte & 0x1f)),
            (0x80.., _) => numbers.push(u32::from(byte & 0x3f)),
            (_, Some(number)) => *number = *number << 7 | u32::from(byte),
            (_, None) => {}
        }
    }
    numbers.into_iter().map(u32::cast_signed).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(numbers: &[i32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &number in numbers {
            push(&mut bytes, number);
        }
        bytes
    }

    fn any_number() -> impl Strategy<Value = i32> {
        const EDGES: [i32; 8] = [0, 8_191, 8_192, 524_287, 524_288, 33_554_431, 33_554_432, i32::MAX];
        prop_oneof![prop::sample::select(&EDGES[..]), 0..9_000_i32, 0..i32::MAX]
    }

    proptest! {
        // Catches numbers that are changed, and a search that finds a number which is not there: in the
        // middle of another one, at its beginning, or across two.
        #[test]
        fn numbers_come_back_and_are_found_where_they_are(
            numbers in prop::collection::vec(any_number(), 0..20),
            other in any_number(),
        ) {
            let encoded = encoded(&numbers);
            prop_assert_eq!(&read(&encoded), &numbers);
            for number in numbers.iter().copied().chain([other]) {
                let wanted = bytes(number);
                let is_found = encoded.windows(wanted.len()).any(|window| window == wanted);
                prop_assert_eq!(is_found, numbers.contains(&number), "{}", number);
            }
        }
    }

    // Catches an encoding that takes more room than it should.
    #[test]
    fn small_numbers_are_short() {
        for (number, length) in [(0, 2), (8_191, 2), (8_192, 3), (524_287, 3), (524_288, 4), (i32::MAX, 5)]
        {
            assert_eq!(bytes(number).len(), length, "{number}");
        }
    }
}
