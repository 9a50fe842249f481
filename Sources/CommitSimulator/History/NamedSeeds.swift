/// Seeds that once found something, by what they found.
///
/// A seed's history changes with the simulator, so each is a story to look at again rather than a
/// proof; they run with all others.
package let namedSeeds: [(name: String, seed: UInt64)] = [
    ("a finished transaction leaves a paused owner's read-only session open", 100),
    ("a former owner records the end while the present one still asks the journal", 2_435),
    ("a superseded life asks a journal whose row is gone, for ever", 103_619),
]
