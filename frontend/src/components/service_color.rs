//! The colour of a service: the same on every page, from its name alone. Pure.

/// Hues near red belong to errors.
const FIRST_HUE: u32 = 50;
const HUES: u32 = 305;

/// The service's hue in OKLCH degrees, 50 to 354. Lightness and chroma are the theme's
/// (`--service-l`, `--service-c`), so that no service looks more important than another.
pub fn hue(service: &str) -> u32 {
    FIRST_HUE + mix(fnv1a(service)) % HUES
}

/// FNV-1a with another start than usual: with this one the fifteen services of the demo's shop lie
/// at least 15 degrees apart, and names as one meets them are spread as by any other.
const SEED: u32 = 0xc3d2_73c0;

fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(SEED, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// FNV leaves names that differ in their last letter close together; this spreads them (the
/// finaliser of `MurmurHash3`).
fn mix(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a change of the hash: people know services by their colour.
    #[test]
    fn colours_are_stable() {
        assert_eq!([hue("frontend"), hue("checkout"), hue("payment")], [96, 180, 77]);
    }

    // Catches red services, which would look like errors, and clustering of similar names.
    #[test]
    fn hues_avoid_red_and_use_the_whole_circle() {
        let mut seen = [0_u32; 8];
        for index in 0..800 {
            let hue = hue(&format!("service-{index}"));
            assert!((50..355).contains(&hue), "{hue}");
            seen[((hue - 50) * 8 / 305) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (60..140).contains(count)), "{seen:?}");
    }
}
