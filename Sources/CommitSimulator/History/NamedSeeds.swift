/// Seeds that once revealed a fault, named by that fault.
///
/// A change of the simulator changes the history of a seed, so these are worth reading again but prove
/// nothing; `make simulate` runs them with all others.
package let namedSeeds: [(name: String, seed: UInt64)] = [
    ("a finished transaction leaves a paused owner's read-only session open", 100),
    ("a former owner writes the finish record while the owner still queries the journal", 2_435),
    ("a superseded incarnation queries a journal whose row is gone, for ever", 103_619),
]
