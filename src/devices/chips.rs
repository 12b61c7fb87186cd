//! How many engines NVIDIA's products have, by name: what is believed until something is measured.

/// Engines of a product.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Engines {
    /// NVENC.
    pub(super) encode: u32,
    /// NVDEC.
    pub(super) decode: u32,
    /// The driver counts its encode sessions over the host. A guess by product line: there are exceptions both ways, and
    /// the first refusal teaches better.
    pub(super) counted: bool,
}

const fn row(word: &'static str, encode: u32, decode: u32, counted: bool) -> (&'static str, Engines) {
    (word, Engines { encode, decode, counted })
}

/// By words of the name, the first row whose words are all there. Chips made for computing decode and have no encoder at all.
const TABLE: [(&str, Engines); 19] = [
    row("A100", 0, 5, false),
    row("A30", 0, 4, false),
    row("H100", 0, 7, false),
    row("H200", 0, 7, false),
    row("H800", 0, 7, false),
    row("GH200", 0, 7, false),
    row("B200", 0, 7, false),
    row("GB200", 0, 7, false),
    row("L40S", 3, 3, false),
    row("L40", 3, 3, false),
    row("L4", 2, 4, false),
    row("T4", 1, 2, false),
    row("A10G", 1, 2, false),
    row("A10", 1, 2, false),
    row("6000 Ada", 3, 3, false),
    row("5090", 3, 1, true),
    row("4090", 2, 1, true),
    row("GeForce", 1, 1, true),
    row("GTX", 1, 1, true),
];

/// What a product has; one of each for one that is not in the table.
pub(super) fn engines(name: &str) -> Engines {
    let has = |word: &str| {
        // `A100-SXM4-80GB` is an A100, `A1000` is not.
        name.split(|c: char| !c.is_ascii_alphanumeric()).any(|part| part.eq_ignore_ascii_case(word))
    };
    let known = TABLE.iter().find(|(words, _)| words.split(' ').all(has)).map(|(_, engines)| *engines);
    known.unwrap_or(Engines { encode: 1, decode: 1, counted: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_known_by_a_word_of_their_name() {
        let engines = |name| {
            let engines = engines(name);
            (engines.encode, engines.decode, engines.counted)
        };
        assert_eq!(engines("NVIDIA H200"), (0, 7, false));
        assert_eq!(engines("NVIDIA A100-SXM4-80GB"), (0, 5, false));
        assert_eq!(engines("Tesla T4"), (1, 2, false));
        assert_eq!(engines("NVIDIA L4"), (2, 4, false));
        assert_eq!(engines("NVIDIA L40S"), (3, 3, false));
        assert_eq!(engines("NVIDIA GeForce RTX 4090"), (2, 1, true));
        assert_eq!(engines("NVIDIA GeForce RTX 3060"), (1, 1, true));
        assert_eq!(engines("NVIDIA RTX A1000"), (1, 1, true));
        assert_eq!(engines("NVIDIA RTX 6000 Ada Generation"), (3, 3, false));
        assert_eq!(engines("Quadro RTX 6000"), (1, 1, true));
        assert_eq!(engines(""), (1, 1, true));
    }
}
