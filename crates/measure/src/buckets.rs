//! Logarithmic buckets for numbers of any scale and sign: those of the latency histogram, shifted so
//! that fractions fit, and mirrored for negative numbers. Their order is the order of the numbers.

use spanloom_model::histogram::GROWTH;

/// The bucket of 1; what is smaller than the least positive double would be 0.
const ONE: i16 = 16_000;

/// The bucket that holds a finite `number`.
pub fn bucket_of(number: f64) -> i16 {
    // Logarithms of doubles to this base lie within ±15,300.
    let of = |magnitude: f64| (magnitude.ln() / GROWTH.ln()).floor() as i16 + ONE;
    if number > 0.0 {
        of(number)
    } else if number < 0.0 {
        -of(-number)
    } else {
        0
    }
}

/// The number at the share `within` (0 to 1) of the bucket, counted from its lower end.
pub fn number_at(bucket: i16, within: f64) -> f64 {
    let of = |bucket: i16, within: f64| GROWTH.powf(f64::from(bucket - ONE) + within);
    match bucket {
        0 => 0.0,
        1.. => of(bucket, within),
        _ => -of(-bucket, 1.0 - within),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_finite_number_has_a_bucket() {
        for number in [f64::MAX, f64::MIN_POSITIVE, 5e-324, 1.0, 0.0] {
            assert!(bucket_of(number) >= 0, "{number}");
            assert_eq!(bucket_of(-number), -bucket_of(number), "{number}");
        }
        assert!(bucket_of(5e-324) > 0, "not zero");
    }

    proptest! {
        // Catches buckets out of order, which would turn quantiles around, and ends that do not hold
        // the number.
        #[test]
        fn buckets_are_in_order_and_hold_their_numbers(a in -1e12_f64..1e12, b in -1e12_f64..1e12) {
            let (less, more) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(bucket_of(less) <= bucket_of(more));
            let bucket = bucket_of(a);
            let slack = a.abs() * 1e-9;
            prop_assert!(number_at(bucket, 0.0) <= a + slack && a <= number_at(bucket, 1.0) + slack);
        }
    }
}
