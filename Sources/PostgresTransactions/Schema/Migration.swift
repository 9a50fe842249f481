/// One numbered change of the state database's schema.
///
/// A migration that was released is never edited.
struct Migration: Sendable {
    let number: Int
    let name: String
    let statements: [String]

    /// The migrations of this program, by number from 1.
    static let all = [first]
}
